"""What a port's counters are not blamed on the host for: a link that is only coming up, a port that nobody expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent import wire

# The stage that sets every port up: drivers drop the carrier then, and a link that trains makes symbol errors.
BRINGS_LINKS_UP = "InventoryCheck"
_COUNTED = ("nic.errors", "nic.link_flap")


def excused(stage: str, expected: Mapping[str, Any], found: Iterable[wire.Finding]) -> list[wire.Finding]:
    """The findings with those about ports at the severity they deserve in this stage on this host."""
    nics = expected.get("nics")
    macs = None if nics is None else {str(nic.get("mac") or "").lower() for nic in nics}
    return [_weighed(stage, macs, one) for one in found]


def _weighed(stage: str, macs: set[str] | None, one: wire.Finding) -> wire.Finding:
    if one.component_kind != "nic":
        return one
    if stage == BRINGS_LINKS_UP and one.code in _COUNTED:
        return replace(one, severity=wire.Severity.INFO)
    is_surprise = macs is not None and one.component.lower() not in macs
    if is_surprise and one.severity is wire.Severity.CRITICAL:
        return replace(one, severity=wire.Severity.WARNING)
    return one
