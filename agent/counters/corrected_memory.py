"""The limit for corrected memory errors that a source other than EDAC reports. If the firmware handles errors first,
EDAC counts none, and only the kernel's log or the BMC's event log says how many there were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.contract import wire
from agent.counters.counting import CORRECTED_MEMORY

_CODE = "memory.corrected"


def with_limit(
    found: Iterable[wire.Finding], limits: Mapping[str, object], duration_s: float = 0.0
) -> list[wire.Finding]:
    """The findings. Corrected memory errors of a part are critical if a source reports more of them than the profile
    allows in this time. Each message and each entry counts as at least one error."""
    allowed = CORRECTED_MEMORY.allowed(limits, duration_s)
    return [one if allowed is None or not _is_too_many(one, allowed) else _condemned(one, allowed) for one in found]


def _is_too_many(one: wire.Finding, allowed: float) -> bool:
    count = one.value if isinstance(one.value, int | float) else 1.0
    return one.code == _CODE and one.severity is wire.Severity.WARNING and count > allowed


def _condemned(one: wire.Finding, allowed: float) -> wire.Finding:
    message = f"{one.message}; more than {allowed:g}"
    return replace(one, severity=wire.Severity.CRITICAL, message=message, limit=allowed)
