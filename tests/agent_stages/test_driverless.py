"""A network card that no driver took: no stage can test it, so it is named, and the host does not pass in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import codec, wire
from agent.stage import settle
from agent.stages.inventory_check import driverless
from hosts import adoption
from runs.judging import specdiff
from tests.agent_stages.inventories import MAC, NOWHERE, REQUIRED, ToolOutputs, assembled, lspci, spec

LOST_ITS_FLASH = wire.Adapter("0000:04:00.0", "network", "Intel Corporation I210 Gigabit Unprogrammed")
MODEL = {"model": LOST_ITS_FLASH.model}
SEEN = wire.Inventory(adapters=[wire.Adapter("0000:3b:00.0", "storage", "SAS3008"), LOST_ITS_FLASH])
TWINS = replace(SEEN, adapters=[LOST_ITS_FLASH, replace(LOST_ITS_FLASH, slot="0000:05:00.0")])


def outcome(machine: wire.Inventory, expected: dict[str, Any], *off: str) -> wire.Outcome:
    made = [wire.Check("nics", wire.Outcome.PASSED), *driverless.checks(machine, expected)]
    return settle(made, ["nics"], off).outcome


def test_lspcis_lines_give_the_card_and_not_those_with_ports() -> None:
    lines = (
        f"Slot:\t{slot}\nClass:\tEthernet controller [0200]\nVendor:\tIntel Corporation [8086]\n"
        f"Device:\t{name} [{number}]\n{driver}"
        for slot, name, number, driver in [
            ("0000:03:00.0", "I210 Gigabit Network Connection", "1533", "Driver:\tigb\nModule:\tigb\n"),
            ("0000:04:00.0", "I210 Gigabit Unprogrammed", "1531", ""),
        ]
    )
    said = ToolOutputs(devices=lspci.parse("\n".join(lines)), nics=[wire.Nic("eno1", MAC, pci="0000:03:00.0")])
    assert assembled(said, [], NOWHERE).adapters == [LOST_ITS_FLASH]


def test_a_card_that_no_driver_took_is_not_tested_and_is_named() -> None:
    (check,) = driverless.checks(SEEN, {})
    assert (check.outcome, check.component) == (wire.Outcome.NOT_TESTED, "0000:04:00.0")
    assert "I210 Gigabit Unprogrammed" in check.reason and check.name in REQUIRED


@pytest.mark.parametrize(
    ("machine", "expected", "off", "ends"),
    [
        (SEEN, {}, [], wire.Outcome.NOT_TESTED),
        (SEEN, {"adapters": [{"model": "SAS3008"}]}, [], wire.Outcome.NOT_TESTED),
        (SEEN, {"adapters": [MODEL]}, [], wire.Outcome.PASSED),
        (SEEN, {}, ["network"], wire.Outcome.PASSED),
        (TWINS, {"adapters": [MODEL]}, [], wire.Outcome.NOT_TESTED),
        (TWINS, {"adapters": [MODEL, MODEL]}, [], wire.Outcome.PASSED),
    ],
    ids=["no spec", "not in the spec", "in the spec", "no network", "one of two", "both"],
)
def test_only_a_card_that_the_spec_lists_lets_the_host_pass(
    machine: wire.Inventory, expected: dict[str, Any], off: list[str], ends: wire.Outcome
) -> None:
    assert outcome(machine, expected, *off) is ends


def test_a_card_that_is_let_pass_is_still_named_as_not_tested() -> None:
    (check,) = driverless.checks(SEEN, {"adapters": [MODEL]})
    assert (check.name, check.outcome) == ("nic_driver", wire.Outcome.NOT_TESTED)


def test_adopting_lists_the_card_which_must_then_be_there() -> None:
    adopted = adoption.from_inventory(codec.encode(SEEN))
    assert MODEL in adopted["adapters"] and outcome(SEEN, adopted) is wire.Outcome.PASSED
    (missing,) = specdiff.compare(adopted, replace(SEEN, adapters=SEEN.adapters[:1]))
    assert (missing.code, missing.component) == ("spec.missing", LOST_ITS_FLASH.model)


def test_a_port_of_the_spec_whose_card_lost_its_driver_is_missing() -> None:
    """The entry of the port stays, so that the host fails."""
    found = specdiff.compare(spec(), wire.Inventory(adapters=[LOST_ITS_FLASH]))
    assert ("critical", "spec.missing", MAC) in [(one.severity.value, one.code, one.component) for one in found]
    assert ("spec.unexpected", LOST_ITS_FLASH.slot) in [(one.code, one.component) for one in found]
