"""Lists of the BMC's sensors that ipmitool could not finish, though it ends with status 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.contract import codec, wire
from agent.exercises import fans
from agent.host import shell
from agent.host.shell import Completed
from agent.probes.bmc import ipmitool
from agent.reports.partial_report import PartialReport
from agent.stages.inventory_check import bmc_parts
from agent.stages.inventory_check.collection import Collection
from agent.stages.inventory_check.stage import ToolOutputs, assembled
from agent.stages.psu import stage as psu
from agent.stages.psu import supply_look
from hosts import adoption
from runs.judging import specdiff
from tests.agent_stages.contexts import context

FAILED, NOT_TESTED, PASSED = wire.Outcome.FAILED, wire.Outcome.NOT_TESTED, wire.Outcome.PASSED
NOT_OPENED = "Get Device ID command failed\nUnable to open SDR for reading\n"
STOPPED = "Get SDR 0042 command failed\n" * 5
PS1 = "PS1 Status       | C8h | ok  | 10.1 | Presence detected\n"
PS2 = "PS2 Status       | C9h | ok  | 10.2 | Presence detected\n"
FAN1, FAN2 = "FAN1 | 41h | ok | 29.1 | 4200 RPM\n", "FAN2 | 42h | ok | 29.2 | 4300 RPM\n"
SPEC: dict[str, Any] = {"psus": [{"name": "PS1"}, {"name": "PS2"}], "fans": [{"name": "FAN1"}, {"name": "FAN2"}]}
# What `sdr type` prints, and says on stderr.
Answer = tuple[str, str]


class Bmc:
    """A BMC whose answers to `sdr type` a test gives, by the type. The last one of a type stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[Answer]) -> None:
        self.answers = {"Power Supply": answers["supplies"], "Fan": answers["fans"]}
        self.asked: list[str] = []
        monkeypatch.setattr(shell, "run", self.run)
        monkeypatch.setattr(ipmitool, "has_bmc", lambda *_: True)

    def run(self, argv: list[str], timeout_s: float) -> Completed:
        assert ipmitool._ONE_AT_A_TIME.locked()
        kind = argv[-1]
        self.asked.append(kind)
        of_kind = self.answers.get(kind, [("", "")])
        text, said = of_kind.pop(0) if len(of_kind) > 1 else of_kind[0]
        return Completed(argv, 0, stdout=text, stderr=said)


def inventory(tmp_path: Path, expected: dict[str, Any]) -> wire.Inventory:
    """The inventory of a host of which only the BMC's sensors are asked."""
    found = Collection(context("InventoryCheck", tmp_path, expected=expected))
    said = ToolOutputs(bmc=True)
    said.of_power, said.of_fans = bmc_parts.sensors(found)
    passed = {check.name for check in found.checks if check.outcome is PASSED}
    assert passed.isdisjoint(found.missing)
    return assembled(said, found.missing, tmp_path)


def missing_parts(found: wire.Inventory, expected: dict[str, Any] = SPEC) -> list[str]:
    return [one.component for one in specdiff.compare(expected, found) if one.code == "spec.missing"]


def uncompared(found: wire.Inventory, expected: dict[str, Any] = SPEC) -> list[str]:
    return [sentence.partition(" ")[0] for sentence in specdiff.not_compared(expected, found)]


def test_a_list_that_could_not_be_opened_says_nothing_of_supplies_and_fans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bmc(monkeypatch, supplies=[("", NOT_OPENED)], fans=[("", NOT_OPENED)])
    found = inventory(tmp_path, SPEC)
    assert missing_parts(found) == []
    assert uncompared(found) == ["psus", "fans"]
    assert {"psus", "fans"}.isdisjoint(adoption.from_inventory(codec.encode(found)))


def test_a_second_try_that_is_answered_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bmc(monkeypatch, supplies=[("", NOT_OPENED), (PS1 + PS2, "")], fans=[("", NOT_OPENED), (FAN1 + FAN2, "")])
    found = inventory(tmp_path, SPEC)
    assert (missing_parts(found), uncompared(found)) == ([], [])


@pytest.mark.parametrize("said", ["", STOPPED])
@pytest.mark.parametrize("expected", [SPEC, {}])
def test_a_row_that_only_one_of_two_lists_has_is_there(
    expected: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lists in ([(PS1, said), (PS1 + PS2, "")], [(PS1 + PS2, said), (PS1, "")]):
        Bmc(monkeypatch, supplies=lists, fans=[(FAN1, said), (FAN2, "")])
        found = inventory(tmp_path, expected)
        assert {one.name for one in found.psus} == {"PS1", "PS2"}
        assert missing_parts(found) == []
        assert adoption.from_inventory(codec.encode(found))["fans"] == [{"name": "FAN1"}, {"name": "FAN2"}]


def test_a_whole_list_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = Bmc(monkeypatch, supplies=[(PS1 + PS2, "")], fans=[(FAN1 + FAN2, "")])
    inventory(tmp_path, SPEC)
    assert bmc.asked == ["Power Supply", "Fan"]


def test_a_bmc_that_complains_at_the_end_of_each_whole_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bmc(monkeypatch, supplies=[(PS1 + PS2, STOPPED)], fans=[(FAN1 + FAN2, STOPPED)])
    found = inventory(tmp_path, SPEC)
    assert (missing_parts(found), uncompared(found)) == ([], [])


def test_a_list_that_stops_each_time_before_an_expected_part_does_not_blame_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bmc(monkeypatch, supplies=[(PS1, STOPPED)], fans=[(FAN1, STOPPED)])
    found = inventory(tmp_path, SPEC)
    assert (missing_parts(found), uncompared(found)) == ([], ["psus", "fans"])


def test_of_a_list_that_stops_each_time_nothing_is_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bmc(monkeypatch, supplies=[(PS1, STOPPED)], fans=[("", STOPPED)])
    assert {"psus", "fans"}.isdisjoint(adoption.from_inventory(codec.encode(inventory(tmp_path, {}))))


def test_a_part_that_two_whole_lists_lack_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = Bmc(monkeypatch, supplies=[(PS1, "")], fans=[(FAN1, "")])
    assert missing_parts(inventory(tmp_path, SPEC)) == ["PS2", "FAN2"]
    assert bmc.asked == ["Power Supply", "Power Supply", "Fan", "Fan"]


def test_a_bmc_without_supplies_or_fans_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bmc(monkeypatch, supplies=[("", "")], fans=[("", "")])
    spec = adoption.from_inventory(codec.encode(inventory(tmp_path, {})))
    assert (spec["psus"], spec["fans"]) == ([], [])


def judged(*looks: supply_look.Look, names: tuple[str, ...] = ()) -> tuple[set[tuple[str, wire.Outcome]], list[str]]:
    report = PartialReport()
    psu.judge(list(names), list(looks), report)
    outcomes = {(one.component, one.outcome) for one in report.checks if one.name == "state"}
    return outcomes, [one.code for one in report.findings]


def seen(when: str, *rows: str) -> supply_look.Look:
    return supply_look.seen(when, ipmitool.parse_sdr("".join(rows)))


@pytest.mark.parametrize("names", [(), ("PS1", "PS2")])
def test_a_supply_that_only_some_looks_list_is_not_tested(names: tuple[str, ...]) -> None:
    looks = [seen("before", PS1, PS2), seen("under load", PS1), seen("after", PS1, PS2)]
    assert judged(*looks, names=names) == ({("PS1", PASSED), ("PS2", NOT_TESTED)}, [])


def test_a_supply_that_no_look_lists_is_missing_and_one_that_failed_in_any_has_failed() -> None:
    dead = PS2.replace("detected", "detected, Failure detected")
    looks = [seen("before", PS1), seen("after", PS1)]
    assert judged(*looks, names=("PS1", "PS2"))[1] == ["psu.missing"]
    looks = [seen("before", PS1, dead), seen("after", PS1)]
    assert judged(*looks) == ({("PS1", PASSED), ("PS2", FAILED)}, ["psu.failed"])


def test_an_empty_bay_that_one_look_left_out_is_an_empty_bay() -> None:
    empty = PS2.replace("Presence detected", "")
    looks = [seen("before", PS1, empty), seen("after", PS1)]
    assert judged(*looks) == ({("PS1", PASSED), ("PS2", NOT_TESTED)}, [])


def test_a_fault_counts_though_another_look_was_not_answered() -> None:
    dead, unread = PS2.replace("detected", "detected, Failure detected"), supply_look.Look("after", [], [], "no answer")
    looks = [seen("before", PS1, dead), unread]
    assert judged(*looks, names=("PS1", "PS2")) == ({("PS1", NOT_TESTED), ("PS2", FAILED)}, ["psu.failed"])


@pytest.mark.parametrize("silent", ["Power Unit", "Voltage", "Power Supply"])
def test_supplies_of_which_one_list_could_not_be_opened_are_not_tested(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc = Bmc(monkeypatch, supplies=[(PS1 + PS2, "")], fans=[])
    bmc.answers[silent] = [("", NOT_OPENED)]
    look = supply_look.ask("before", ["PS1", "PS2"])
    assert judged(look, names=("PS1", "PS2")) == ({("", NOT_TESTED)}, [])
    assert look.trouble == "ipmitool gave no whole answer: Unable to open SDR for reading"


def test_fans_whose_list_could_not_be_opened_are_not_tested_beside_those_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bmc(monkeypatch, supplies=[], fans=[("", NOT_OPENED)])
    chip = tmp_path / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("nct6775\n")
    (chip / "fan1_input").write_text("1200\n")
    turning = fans.look(tmp_path)
    made, found = fans.judge([], turning, turning)
    assert {(one.component, one.outcome) for one in made} == {("nct6775 fan1", PASSED), ("", NOT_TESTED)}
    assert found == []


@pytest.mark.parametrize(
    ("said", "is_whole"),
    [
        ("Get SEL Entry 8 command failed: Requested sensor, data, or record not found\n" * 2, False),
        ("Get SEL Entry 8 command failed\nGet SEL Entry 8 command failed: Timeout\n", False),
        # The second try was answered.
        ("Get SEL Entry 8 command failed\nGet SEL Entry 9 command failed\n", True),
        # ipmitool looks for the sensors' names.
        (NOT_OPENED, True),
    ],
)
def test_a_log_of_which_an_entry_failed_twice_was_not_read_to_its_end(
    said: str, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "run", lambda argv, timeout_s: Completed(argv, 0, stdout="", stderr=said))
    assert ipmitool.run("sel", "elist").ok is is_whole


SILENT = "PS2 Status | C9h | ns | 10.2 | No Reading\n"


def test_a_supply_whose_sensor_gives_no_reading_is_not_missing_and_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bmc(monkeypatch, supplies=[(PS1 + SILENT, "")], fans=[(FAN1 + FAN2, "")])
    found = inventory(tmp_path, SPEC)
    assert [(one.name, one.present) for one in found.psus] == [("PS1", True), ("PS2", None)]
    assert (missing_parts(found), uncompared(found)) == ([], ["psus[PS2]"])
    assert "psus" not in adoption.from_inventory(codec.encode(found))
    assert codec.decode(wire.Inventory, codec.encode(found)) == found


def test_an_inventory_of_an_earlier_version_is_read() -> None:
    document = codec.encode(wire.Inventory(psus=[wire.Psu("PS1"), wire.Psu("PS2", False)]))
    del document["psus"][0]["present"]
    assert [one.present for one in codec.decode(wire.Inventory, document).psus] == [True, False]
