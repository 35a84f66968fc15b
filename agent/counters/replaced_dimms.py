"""Stricter ECC limit for replaced DIMMs: one corrected error of a new memory module is too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from agent.contract.placeholders import is_placeholder

LIMIT = "ecc_corrected_replaced_max"
# Used only if the profile has no limit. A module that its maker has tested has no weak cell at first.
_MOST = 0.0
_CODE = "memory.corrected"


def with_stricter_limit(
    found: Iterable[wire.Finding],
    expected: Mapping[str, Any],
    inventory: wire.Inventory | None,
    limits: Mapping[str, object],
) -> list[wire.Finding]:
    """The findings, with corrected errors of a replaced module critical above `ecc_corrected_replaced_max` in one
    stage. A module is replaced if its serial number is not the one in the spec. An unknown number of errors counts as
    one."""
    given = limits.get(LIMIT)
    most, new = float(given) if isinstance(given, int | float) else _MOST, replaced(expected, inventory)
    return [_condemned(one, new[one.component], most) if _is_too_many(one, new, most) else one for one in found]


def replaced(expected: Mapping[str, Any], inventory: wire.Inventory | None) -> dict[str, str]:
    """Locator → serial number of the replaced modules: another module than the spec names for this slot, and one that
    the spec names for no other slot."""
    there = {dimm.locator: dimm.serial for dimm in (inventory.memory.dimms if inventory else [])}
    wanted = {str(d.get("locator")): str(d.get("serial") or "") for d in _dimms(expected)}
    known = {serial for serial in wanted.values() if not is_placeholder(serial)}
    return {
        at: serial
        for at, serial in there.items()
        if not is_placeholder(serial) and serial not in known and not is_placeholder(wanted.get(at, ""))
    }


def _dimms(expected: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (expected.get("memory") or {}).get("dimms") or []


def _is_too_many(one: wire.Finding, new: Mapping[str, str], most: float) -> bool:
    count = one.value if isinstance(one.value, int | float) else 1.0
    return one.code == _CODE and one.component_kind == ComponentKind.DIMM and one.component in new and count > most


def _condemned(one: wire.Finding, serial: str, most: float) -> wire.Finding:
    message = f"{one.message}; the module is new, serial {serial}"
    return replace(one, severity=wire.Severity.CRITICAL, message=message, limit=most)
