"""Drives behind RAID controllers through a run: the counters around its stages, and self-tests that go on meanwhile."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters import command_counters, counter_checks, counting
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook
from agent.exercises import drive_self_tests, drives
from agent.exercises.drive_self_tests import Drive
from agent.probes.drives import bays, turns
from agent.probes.smart.smartctl import Device
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage_functions import STAGES
from agent.stages.storage import awaited_self_tests
from tests.agent_stages.contexts import context
from tests.agent_stages.raid_hosts import Host, a_host, dying, one_hangs, sas, smart_array, two_smart_arrays

NOT_TESTED = wire.Outcome.NOT_TESTED


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return a_host(tmp_path, monkeypatch)


@pytest.fixture
def names(host: Host, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setattr(bays, "IDENTITY_S", 1.0)
    monkeypatch.setattr(command_counters, "SMART_TIMEOUT_S", 1.0)
    monkeypatch.setattr(command_counters, "_HUNG", {})
    return Names(host.root, wire.Inventory(disks=host.disks))


def counted(names: Names) -> set[str]:
    """The drives whose counts were read."""
    for name in names.inventory.disks if names.inventory else []:
        block = names.root / "sys/block" / name.name
        (block / "size").write_text("2048\n")
    return {part for name, _, part in command_counters.drives(names) if name != command_counters.UNANSWERED}


def test_counters_are_read_of_the_same_drives_as_the_stage_judges(host: Host, names: Names) -> None:
    two_smart_arrays("A1", "B2")(host)
    assert counted(names) == {"A0", "A1", "A2", "B0", "B1", "B2"}


def test_a_drive_in_a_bay_that_the_kernel_calls_removable_is_counted(host: Host, names: Names) -> None:
    """As libata did for each hot-plug port before Linux 6.10."""
    two_smart_arrays("A1", "B2")(host)
    (names.root / "sys/block/sda/removable").write_text("1\n")
    assert counted(names) == {"A0", "A1", "A2", "B0", "B1", "B2"}


def test_places_are_looked_for_once_and_not_around_every_stage(host: Host, names: Names) -> None:
    one_hangs(host)
    first = counted(names)
    (host.home / "asked").write_text("")
    assert counted(names) == first == {"A0", "A2", "B0"}
    assert len(host.asked()) == 3


def test_a_drive_that_never_answered_is_named_with_the_counters(host: Host, names: Names, tmp_path: Path) -> None:
    """It gave its identity when the controller was asked, and nothing since."""
    smart_array(host, 0, "sda", "A0", "A1")
    counted(names)
    host.hangs("cciss,1 /dev/sda")
    book = CounterBook((lambda: command_counters.drives(names),), tmp_path / "counters.json")
    book.open_stage()
    assert counting.judged(book.close_stage(), {}, 60) == []
    made = {check.name: check for check in counter_checks.made([], book, True, ())}
    assert (made["counters.disks"].outcome, made["counters.disks"].reason) == (NOT_TESTED, "did not answer: A1")
    (host.home / "cciss,1/dev/sda/hangs").unlink()
    command_counters._HUNG.clear()
    book.close_stage()
    made = {check.name: check for check in counter_checks.made([], book, True, ())}
    assert made["counters.disks"].outcome is wire.Outcome.PASSED


def test_numbers_that_move_up_give_no_drive_the_counts_of_another(host: Host, names: Names) -> None:
    """A1 has dropped out of the controller's list, and A2 answers in its place with 260 grown defects."""
    smart_array(host, 0, "sda", "A0", "A1", dying("A2"))
    assert counted(names) == {"A0", "A1", "A2"}
    host.says("cciss,1 /dev/sda", dying("A2"))
    host.silent("cciss,2 /dev/sda")
    assert counted(names) == {"A0"}
    report = PartialReport()
    assert drives.ask(Drive(Device("/dev/sda", "cciss,1"), "cciss,1 of sda", "A1"), report) is None
    reasons = [check.reason for check in report.checks]
    assert reasons == ["cciss,1 of sda: A2 answers in its place: the controller has numbered its drives anew"]


def test_a_drive_with_two_actuators_has_the_worse_counts_of_its_halves(host: Host, names: Names) -> None:
    host.controller(0, "pm80xx")
    for unit, disk, defects in ((0, "sda", 7), (1, "sdb", 0)):
        host.device(f"0:0:0:{unit}", disk)
        host.says(f"/dev/{disk}", sas("M1", scsi_grown_defect_list=defects))
    inventory = wire.Inventory(disks=[replace(disk, serial="M1") for disk in host.disks])
    for disk in host.disks:
        (names.root / "sys/block" / disk.name / "size").write_text("2048\n")
    assert command_counters.drives(Names(host.root, inventory))["smart.grown_defects", "disk", "M1"] == 7


def test_a_drive_that_hangs_later_is_waited_for_once(host: Host, names: Names) -> None:
    smart_array(host, 0, "sda", "A0", "A1")
    assert counted(names) == {"A0", "A1"}
    host.hangs("cciss,1 /dev/sda")
    assert counted(names) == {"A0"}
    (host.home / "asked").write_text("")
    assert counted(names) == {"A0"}
    assert host.asked() == ["-j -x -d cciss,0 /dev/sda"]
    assert Device("/dev/sda", "cciss,1") in command_counters._HUNG


def test_a_drive_that_hung_is_asked_again_after_a_while(
    host: Host, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_counters, "HUNG_RETRY_S", 0.0)
    smart_array(host, 0, "sda", "A0", "A1")
    assert counted(names) == {"A0", "A1"}
    host.hangs("cciss,1 /dev/sda")
    assert counted(names) == {"A0"}
    (host.home / "cciss,1/dev/sda/hangs").unlink()
    assert counted(names) == {"A0", "A1"}


def test_a_drive_that_leaves_before_its_self_test_ends_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMART has started the test; Storage, which waits for its end, no longer finds the drive behind its volume."""
    monkeypatch.setattr(drives, "of", partial(drives.of, root=host.root))
    monkeypatch.setattr(drive_self_tests, "_LOOK_S", dict.fromkeys(drive_self_tests._LOOK_S, 0.01))
    smart_array(host, 0, "sda", "A0", "A1")
    inventory = wire.Inventory(disks=host.disks)
    params = {"self_test": "short", "self_test_in_background": True}
    first, second = (context(stage, host.home, inventory=inventory, params=params) for stage in ("SMART", "Storage"))
    claim = replace(first.claim, stages=[first.order, second.order])
    STAGES["SMART"](replace(first, claim=claim))
    host.silent("cciss,1 /dev/sda")
    reports = awaited_self_tests.await_self_tests(replace(second, claim=claim), host.disks, ProgressBoard(second))
    told = {
        check.component: check.reason
        for report in reports
        for check in report.checks
        if check.name == drive_self_tests.CHECK
    }
    assert set(told) == {"A0", "A1"}
    assert told["A1"] == "A1: SMART has started its self-test, and it does not answer any more"


def test_a_controller_is_never_given_more_commands_at_once_than_it_takes() -> None:
    """hpsa turns the eleventh away, and a drive would look as if it did not answer."""
    turn = turns.of("/dev/turns-test", "cciss,0")
    with turn:
        assert turns.of("/dev/turns-test", "cciss,9") is turn
        assert turns.of("/dev/turns-test", "") is not turn
    assert turns.AT_ONCE < 10
