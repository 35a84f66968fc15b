"""Makes findings, and refuses codes that the registry does not know."""

from __future__ import annotations

from agent.contract import wire
from agent.contract.codes import CODES


class UnknownCode(ValueError):
    """We have a bug: a finding was made with a code that is not in `agent.contract.codes`."""


def make(
    code: str,
    component_kind: str,
    component: str,
    message: str,
    *,
    value: float | str | None = None,
    limit: float | str | None = None,
    unit: str = "",
    severity: wire.Severity | None = None,
) -> wire.Finding:
    """A finding with the code's own severity, unless `severity` says another. Raises UnknownCode."""
    if code not in CODES:
        raise UnknownCode(f"finding code {code!r} is not in agent/contract/codes.py, nor in a stage's spec")
    name = component or "system"
    return wire.Finding(
        code, severity or CODES[code].severity, component_kind, name, message, value=value, limit=limit, unit=unit
    )
