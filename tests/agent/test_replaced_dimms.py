"""Corrected errors of a memory module that a repair has put in."""

from __future__ import annotations

from typing import Any

import pytest

from agent.contract import wire
from agent.counters import replaced_dimms

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
INVENTORY = wire.Inventory(memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 16384, "NEW"), wire.Dimm("DIMM_B1", 16384)]))


def expecting(**module: Any) -> dict[str, Any]:
    return {"memory": {"dimms": [{"locator": "DIMM_A1", **module}]}}


def errors(count: float | None = 1.0, component: str = "DIMM_A1", kind: str = "dimm") -> wire.Finding:
    return wire.Finding("memory.corrected", WARNING, kind, component, "1 corrected memory errors", count)


def severity(one: wire.Finding, expected: dict[str, Any], limits: dict[str, Any] | None = None) -> wire.Severity:
    return replaced_dimms.with_stricter_limit([one], expected, INVENTORY, limits or {})[0].severity


@pytest.mark.parametrize(
    ("module", "is_new"),
    [({"serial": "OLD"}, True), ({"serial": "NEW"}, False), ({"serial": ""}, False), ({"size_mb": 16384}, False)],
)
def test_one_corrected_error_condemns_a_module_that_is_new(module: dict[str, Any], is_new: bool) -> None:
    assert severity(errors(), expecting(**module)) is (CRITICAL if is_new else WARNING)


def test_a_module_that_was_only_moved_or_whose_number_names_none_is_not_new() -> None:
    moved = {"memory": {"dimms": [{"locator": "DIMM_A1", "serial": "OLD"}, {"locator": "DIMM_B1", "serial": "NEW"}]}}
    assert severity(errors(), moved) is WARNING
    assert severity(errors(), expecting(serial="SerNum0")) is WARNING


def test_it_says_why_and_by_which_limit() -> None:
    (found,) = replaced_dimms.with_stricter_limit(
        [errors(3.0)], expecting(serial="OLD"), INVENTORY, {"ecc_corrected_replaced_max": 2}
    )
    assert found.message.endswith("the module is new, serial NEW")
    assert (found.value, found.limit) == (3.0, 2.0)
    assert severity(errors(2.0), expecting(serial="OLD"), {"ecc_corrected_replaced_max": 2}) is WARNING


def test_one_that_the_kernel_told_of_without_a_number_counts_as_one() -> None:
    assert severity(errors(None), expecting(serial="OLD")) is CRITICAL


@pytest.mark.parametrize("one", [errors(component="DIMM_B1"), errors(component="system", kind="system")])
def test_other_modules_and_what_is_nobodys_stay_as_they_were(one: wire.Finding) -> None:
    assert severity(one, expecting(serial="OLD")) is WARNING


def test_without_an_inventory_nobody_is_new() -> None:
    assert replaced_dimms.with_stricter_limit([errors()], expecting(serial="OLD"), None, {}) == [errors()]
