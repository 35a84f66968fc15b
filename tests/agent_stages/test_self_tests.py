"""The drives' own self-tests, with a smartctl that plays a drive: what is started, when it is over, what it proves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import drive_self_tests
from agent.probes.drives import disks
from agent.probes.smart import smart_self_test, smartctl
from agent.stage import StageContext
from agent.stage_functions import STAGES
from tests.agent_stages import healthy
from tests.agent_stages.contexts import INVENTORY, context

HEALTH: dict[str, Any] = {"smartctl": {"exit_status": 0}, "smart_status": {"passed": True}}
SAS = healthy.sas()
IDLE, RUNNING = 0, 249


def ata(status: int, *rows: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    """A SATA drive; `rows` are type, status byte and hours of its log, the newest first."""
    table = [
        {"type": {"value": kind}, "status": {"value": value, "string": f"status {value}"}, "lifetime_hours": hours}
        for kind, value, hours in rows
    ]
    state = {"status": {"value": status, "remaining_percent": 90}, "polling_minutes": {"short": 1, "extended": 90}}
    return {
        **healthy.ata(),
        "ata_smart_data": {"self_test": state, "capabilities": {"self_tests_supported": True}},
        "ata_smart_self_test_log": {"standard": {"count": len(table), **({"table": table} if table else {})}}, **more,
    }  # fmt: skip


def nvme(operation: int, *rows: tuple[int, int]) -> dict[str, Any]:
    """An NVMe drive; `rows` are self-test code and result."""
    table = [
        {"self_test_code": {"value": code}, "self_test_result": {"value": value, "string": f"result {value}"}}
        for code, value in rows
    ]
    log = {"current_self_test_operation": {"value": operation}, **({"table": table} if table else {})}
    return {**healthy.nvme(), "nvme_self_test_log": log}


class Script:
    """A smartctl that answers -x, -t and looks at the log each from its own list, the last answer for ever."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        monkeypatch.setattr(drive_self_tests, "_LOOK_S", {"short": 0.0, "long": 0.0})
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
        self._tool(
            "smartctl", 'case "$*" in *-x*) k=x;; *"-t "*) k=t;; *-X*) k=stop;; *) k=look;; esac; echo "$*" >>D/calls'
        )
        self._tool("nvme", "k=nvme")
        self.answers(x=[ata(IDLE)], t=[HEALTH], stop=[HEALTH], nvme=[{"oacs": 16, "edstt": 10}])

    def _tool(self, name: str, choose: str) -> None:
        lines = (
            choose, "n=0; [ -e D/$k.n ] && read n <D/$k.n; echo $((n + 1)) >D/$k.n", "f=D/$k.$n.json",
            "[ -e $f ] || f=D/$k.last.json", "cat $f", "read status <$f.status; exit $status",
        )  # fmt: skip
        path = self.directory / name
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]).replace("D/", f"{self.directory}/"))
        path.chmod(0o755)

    def answers(self, **lists: list[dict[str, Any]]) -> None:
        for kind, answers in lists.items():
            for old in self.directory.glob(f"{kind}.*"):
                old.unlink()
            for number, answer in [*enumerate(answers), ("last", answers[-1])]:
                path = self.directory / f"{kind}.{number}.json"
                path.write_text(json.dumps(answer))
                path.with_name(f"{path.name}.status").write_text(
                    f"{answer.get('smartctl', {}).get('exit_status', 0)}\n"
                )

    @property
    def started(self) -> list[str]:
        calls = (self.directory / "calls").read_text().splitlines()
        return [call.split()[2] for call in calls if " -t " in call]


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(tmp_path, monkeypatch)


def smart(drive: Script, **params: Any) -> tuple[wire.Check, set[str]]:
    """The SMART stage's word on the self-test, and the codes of its critical findings."""
    ctx = context("SMART", drive.directory, params={"self_test": "short", **params})
    return told(STAGES["SMART"](ctx))


def told(report: Any) -> tuple[wire.Check, set[str]]:
    made = [check for check in report.checks if check.name == "self_test"]
    assert len(made) == 1, report.checks
    return made[0], {one.code for one in report.findings if one.severity is wire.Severity.CRITICAL}


def test_a_test_is_over_when_its_entry_is_in_the_log(drive: Script) -> None:
    drive.answers(look=[ata(IDLE), ata(RUNNING), ata(RUNNING), ata(IDLE, (1, 0, 50))])
    check, found = smart(drive)
    assert (check.outcome, found) == (wire.Outcome.PASSED, set())
    assert drive.started == ["short"]


def test_hole_p2_an_nvme_drive_is_waited_for_in_its_own_words(drive: Script) -> None:
    """MAAS looks for ATA's words, finds none on NVMe, and passes the test while it runs."""
    drive.answers(x=[nvme(0)], look=[nvme(0), nvme(1), nvme(1), nvme(1), nvme(0, (1, 7))])
    check, found = smart(drive)
    assert (check.outcome, found) == (wire.Outcome.FAILED, {"smart.self_test_failed"})


def test_a_test_that_leaves_no_entry_proves_nothing(drive: Script) -> None:
    drive.answers(look=[ata(IDLE), ata(RUNNING), ata(IDLE)])
    check, found = smart(drive)
    assert (check.outcome, found) == (wire.Outcome.NOT_TESTED, set())
    assert "left no result" in check.reason


def without_log(status: int) -> dict[str, Any]:
    document = ata(status)
    del document["ata_smart_self_test_log"]
    return document


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, wire.Outcome.PASSED),
        (0x79, wire.Outcome.FAILED),
        (0x10, wire.Outcome.NOT_TESTED),
        (0x21, wire.Outcome.NOT_TESTED),
    ],
)
def test_a_drive_without_a_log_tells_by_its_state_how_the_test_ended(
    drive: Script, status: int, outcome: wire.Outcome
) -> None:
    drive.answers(x=[without_log(IDLE)], look=[without_log(IDLE), without_log(RUNNING), without_log(status)])
    assert smart(drive)[0].outcome is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, wire.Outcome.PASSED), (0x21, wire.Outcome.NOT_TESTED), (0x73, wire.Outcome.FAILED)],
)
def test_a_log_full_of_equal_entries_shows_no_new_one_and_the_state_says_how_the_test_ended(
    drive: Script, status: int, outcome: wire.Outcome
) -> None:
    """The drive gives its entries no hours, and 21 tests were passed before."""
    full = [(1, 0, 0)] * 21
    drive.answers(look=[ata(IDLE, *full), ata(RUNNING, *full), ata(status, *full)])
    assert smart(drive)[0].outcome is outcome


def sas(*results: int, hours: int = 65535) -> dict[str, Any]:
    """A SAS drive; `results` are those of short tests, the newest first, 15 for the one that runs."""
    words = {0: "Completed", 1: "Aborted (by user command)", 7: "Failed in segment", 15: "Self test in progress ..."}
    rows = {
        f"scsi_self_test_{number}": {
            "code": {"value": 1, "string": "Background short"}, "result": {"value": value, "string": words[value]},
            "power_on_time": {"hours": hours, "aka": "accumulated_power_on_hours"},
        }
        for number, value in enumerate(results)
    }  # fmt: skip
    return {**SAS, **rows}


FULL = (0,) * 20


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (sas(*FULL), wire.Outcome.PASSED),
        (sas(7, *FULL[1:]), wire.Outcome.FAILED),
        (sas(1, *FULL[1:]), wire.Outcome.NOT_TESTED),
        (sas(*FULL[:19]), wire.Outcome.NOT_TESTED),
        (sas(), wire.Outcome.NOT_TESTED),
    ],
)
def test_an_old_sas_drive_whose_log_is_full_of_equal_hours_can_pass(
    drive: Script, after: dict[str, Any], outcome: wire.Outcome
) -> None:
    """As a SEAGATE ST91000640SS of 69,502 hours. A log of 19 has lost an entry, and shows none of the new test."""
    drive.answers(x=[sas(*FULL)], look=[sas(*FULL), sas(15, *FULL[1:]), after])
    assert smart(drive)[0].outcome is outcome


@pytest.mark.parametrize("after", [[(1, 0, 50)], []])
def test_a_log_that_lost_its_older_entries_shows_no_new_one(drive: Script, after: list[tuple[int, int, int]]) -> None:
    drive.answers(look=[ata(IDLE, (1, 0, 50), (1, 0, 40)), ata(RUNNING, (1, 0, 50)), ata(IDLE, *after)])
    assert smart(drive)[0].outcome is wire.Outcome.NOT_TESTED


def test_a_full_log_without_a_test_that_was_seen_to_run_proves_nothing(drive: Script) -> None:
    drive.answers(x=[sas(*FULL)], look=[sas(*FULL)])
    assert smart(drive)[0].outcome is wire.Outcome.NOT_TESTED


def test_an_nvme_drive_whose_log_is_full_of_equal_entries_can_pass(drive: Script) -> None:
    full = [(1, 0)] * 20
    drive.answers(x=[nvme(0, *full)], look=[nvme(0, *full), nvme(1, *full), nvme(0, *full)])
    assert smart(drive)[0].outcome is wire.Outcome.PASSED
    unread = nvme(0, *full)
    unread["nvme_self_test_log"]["current_self_test_operation"] = "?"
    drive.answers(x=[nvme(0, *full)], look=[nvme(0, *full), nvme(1, *full), unread])
    assert smart(drive)[0].outcome is wire.Outcome.NOT_TESTED


def test_a_test_that_was_never_seen_to_run_proves_nothing_without_a_log(drive: Script) -> None:
    drive.answers(x=[without_log(IDLE)], look=[without_log(IDLE)])
    assert smart(drive)[0].outcome is wire.Outcome.NOT_TESTED


def test_capabilities_that_were_not_read_are_not_a_drive_without_self_test(drive: Script) -> None:
    unread = ata(IDLE)
    del unread["ata_smart_data"]["capabilities"]
    drive.answers(x=[unread], look=[unread])
    check, _ = smart(drive)
    assert check.outcome is wire.Outcome.NOT_TESTED
    assert "was not read" in check.reason
    assert not (drive.directory / "calls").read_text().count(" -t ")


def test_a_drive_that_says_that_it_has_no_self_test_is_told_apart_from_that(drive: Script) -> None:
    none = ata(IDLE)
    none["ata_smart_data"]["capabilities"]["self_tests_supported"] = False
    drive.answers(x=[none], look=[none])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "short"}))
    assert [check.name for check in report.checks] == ["self_test_offered", "health"]


def test_an_nvme_drive_is_tested_through_its_controller(drive: Script) -> None:
    drive.answers(x=[nvme(0)], look=[nvme(0), nvme(1), nvme(0, (1, 0))])
    disks = [wire.Disk("nvme7n1", "S1", "", "nvme", 256)]
    report = STAGES["SMART"](
        context("SMART", drive.directory, inventory=replace(INVENTORY, disks=disks), params={"self_test": "short"})
    )
    assert told(report)[0].outcome is wire.Outcome.PASSED
    assert all(call.endswith(" /dev/nvme7") for call in (drive.directory / "calls").read_text().splitlines())


def test_with_several_paths_the_subsystem_says_which_controllers_a_namespace_has(tmp_path: Path) -> None:
    subsystem = tmp_path / "sys/class/nvme-subsystem/nvme-subsys0"
    (subsystem / "nvme3").mkdir(parents=True)
    (tmp_path / "sys/block/nvme0n1").mkdir(parents=True)
    (tmp_path / "sys/block/nvme0n1/device").symlink_to(subsystem)
    assert smartctl.of_disk("nvme0n1", tmp_path).path == "/dev/nvme3"
    assert [smartctl.of_disk(name, tmp_path).path for name in ("sda", "nvme1n12")] == ["/dev/sda", "/dev/nvme1"]


@pytest.mark.parametrize("entry", [(1, 16, 50), (1, 33, 50)])
def test_an_aborted_test_of_a_sata_drive_condemns_nobody(drive: Script, entry: tuple[int, int, int]) -> None:
    drive.answers(look=[ata(IDLE), ata(IDLE, entry)])
    check, found = smart(drive)
    assert (check.outcome, found) == (wire.Outcome.NOT_TESTED, set())


@pytest.mark.parametrize("result", [1, 2, 3, 4, 8, 9, 12])
def test_an_aborted_test_of_an_nvme_drive_condemns_nobody(drive: Script, result: int) -> None:
    drive.answers(x=[nvme(0)], look=[nvme(0), nvme(0, (1, result))])
    assert smart(drive)[0].outcome is wire.Outcome.NOT_TESTED
    assert smart(drive)[1] == set()


@pytest.mark.parametrize("result", [1, 2])
def test_an_aborted_test_of_a_sas_drive_is_neither_passed_nor_failed(result: int) -> None:
    row = {"code": {"value": 1}, "result": {"value": result}}
    test = smart_self_test.of({"device": {"protocol": "SCSI"}, "scsi_self_test_0": row})
    assert test.entries[0].passed is None
    assert test.failure is None


def test_the_newest_of_many_sas_rows_is_row_0_and_row_10_is_older_than_row_9() -> None:
    rows = {f"scsi_self_test_{n}": {"code": {"value": 2}, "result": {"value": 0}, "power_on_time": {"hours": 99 - n}}
            for n in range(12)}  # fmt: skip
    test = smart_self_test.of({"device": {"protocol": "SCSI"}, **rows})
    assert [entry.hours for entry in test.entries] == [99 - n for n in range(12)]


def test_a_sas_drive_that_never_tested_itself_is_asked_to(drive: Script) -> None:
    done = {**SAS, "scsi_self_test_0": {"code": {"value": 1}, "result": {"value": 0, "string": "Completed"}}}
    drive.answers(x=[SAS], look=[SAS, done])
    assert smart(drive)[0].outcome is wire.Outcome.PASSED


def test_a_refused_test_is_not_waited_for(drive: Script) -> None:
    refused = {"smartctl": {"exit_status": 4, "messages": [{"string": "unsupported field in scsi command"}]}}
    drive.answers(look=[ata(IDLE)], t=[refused])
    check, _ = smart(drive)
    assert check.outcome is wire.Outcome.NOT_TESTED
    assert "unsupported field" in check.reason


@pytest.mark.parametrize("kind", ["NVMe", "SAS"])
def test_a_drive_that_has_no_self_test_is_not_held_against_it(drive: Script, kind: str) -> None:
    refused = {"smartctl": {"exit_status": 4, "messages": [{"string": "unsupported scsi opcode"}]}}
    drive.answers(x=[nvme(0) if kind == "NVMe" else SAS], look=[SAS], t=[refused], nvme=[{"oacs": 0}])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "short"}))
    assert report.outcome is wire.Outcome.PASSED, report.reason
    made = [(check.name, check.outcome) for check in report.checks]
    assert made == [("self_test_offered", wire.Outcome.NOT_TESTED), ("health", wire.Outcome.PASSED)]


def test_a_test_that_runs_already_is_stopped_and_ours_is_started(drive: Script) -> None:
    """A cancelled run leaves one behind; it may be of another kind, and take a day."""
    drive.answers(look=[ata(RUNNING), ata(IDLE, (1, 16, 50)), ata(RUNNING, (1, 16, 50)), ata(IDLE, (2, 0, 52))])
    check, _ = smart(drive, self_test="long")
    assert drive.started == ["long"]
    assert check.outcome is wire.Outcome.PASSED
    assert check.reason.startswith("long")


def test_one_that_can_not_be_stopped_is_told(drive: Script) -> None:
    drive.answers(look=[ata(RUNNING)])
    check, _ = smart(drive)
    assert check.outcome is wire.Outcome.NOT_TESTED
    assert "can't be stopped" in check.reason
    assert drive.started == []


def test_one_look_that_failed_does_not_lose_a_night(drive: Script) -> None:
    broken = {"smartctl": {"exit_status": 2, "messages": [{"string": "busy"}]}}
    drive.answers(look=[ata(IDLE), ata(RUNNING), broken, broken, ata(IDLE, (1, 0, 50))])
    assert smart(drive)[0].outcome is wire.Outcome.PASSED


def test_looks_that_all_fail_do(drive: Script) -> None:
    broken = {"smartctl": {"exit_status": 2, "messages": [{"string": "busy"}]}}
    drive.answers(look=[ata(IDLE), ata(RUNNING), broken])
    check, _ = smart(drive)
    assert (check.outcome, "busy" in check.reason) == (wire.Outcome.NOT_TESTED, True)


def test_a_short_test_that_ends_instead_of_ours_proves_nothing(drive: Script) -> None:
    drive.answers(look=[ata(IDLE), ata(IDLE, (1, 0, 50))])
    assert smart(drive, self_test="long")[0].outcome is wire.Outcome.NOT_TESTED


def test_a_drive_too_large_for_the_profiles_night_gets_the_short_test_and_it_is_said(drive: Script) -> None:
    drive.answers(look=[ata(IDLE), ata(IDLE, (1, 0, 50))])
    check, _ = smart(drive, self_test="long", self_test_long_max_s=3600)
    assert drive.started == ["short"]
    assert (check.outcome, "90 min" in check.reason) == (wire.Outcome.PASSED, True)


def test_an_agent_that_was_restarted_follows_the_test_it_had_started(drive: Script) -> None:
    ctx = context("SMART", drive.directory, params={"self_test": "short"})
    drive.answers(look=[ata(IDLE)])
    begin(ctx)
    drive.answers(look=[ata(IDLE, (1, 0, 50))])
    check, _ = told(STAGES["SMART"](ctx))
    assert check.outcome is wire.Outcome.PASSED
    assert drive.started == ["short"]


def test_a_second_way_to_the_same_drive_stops_no_test(drive: Script) -> None:
    """Two paths of a SAS drive, or two namespaces of an NVMe controller, are two disks to the kernel."""
    ctx = context("SMART", drive.directory, params={"self_test": "short"})
    drive.answers(look=[ata(IDLE), ata(RUNNING)])
    assert begin(ctx) == begin(ctx, "vetting-second-path")
    assert drive.started == ["short"]


def test_two_drives_that_share_a_serial_number_are_both_tested(drive: Script) -> None:
    ctx = context("SMART", drive.directory, params={"self_test": "short"})
    drive.answers(look=[ata(IDLE)])
    begin(ctx)
    begin(ctx, "vetting-twin")
    assert drive.started == ["short", "short"]


def test_the_next_attempt_starts_a_test_of_its_own(drive: Script) -> None:
    drive.answers(look=[ata(IDLE), ata(IDLE, (1, 0, 50)), ata(IDLE, (1, 0, 50)), ata(IDLE, (1, 0, 51), (1, 0, 50))])
    ctx = context("SMART", drive.directory, params={"self_test": "short"})
    STAGES["SMART"](ctx)
    STAGES["SMART"](replace(ctx, order=replace(ctx.order, attempt=2)))
    assert drive.started == ["short", "short"]


def test_hole_p3_a_drive_that_cannot_be_asked_is_not_dropped_from_the_list(drive: Script) -> None:
    """Ironic reads ATA's branch only, and drops each drive whose smartctl ends with anything but 0."""
    drive.answers(x=[{"smartctl": {"exit_status": 2, "messages": [{"string": "Device is broken"}]}}])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "short"}))
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "S1" in report.reason
    assert "Device is broken" in report.reason


def test_hole_p1_a_healthy_drive_passes_with_bits_of_its_past(drive: Script) -> None:
    """MAAS tolerates exit status 4 and nothing else: 64 or 68 fail a healthy drive."""
    old = {**ata(IDLE), "smartctl": {"version": [7, 4], "exit_status": 68}}
    drive.answers(x=[old])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "none"}))
    assert report.outcome is wire.Outcome.PASSED, report.reason


def in_the_background(drive: Script) -> tuple[StageContext, StageContext]:
    """SMART and Storage of one claim in which Storage waits for the test's end."""
    first = context("SMART", drive.directory, params={"self_test": "short", "self_test_in_background": True})
    second = context("Storage", drive.directory, params={"speed_s": 1})
    claim = replace(first.claim, stages=[first.order, second.order])
    return replace(first, claim=claim), replace(second, claim=claim)


def test_a_test_left_to_storage_is_started_by_smart_and_its_end_seen_by_storage(drive: Script) -> None:
    smart_ctx, storage_ctx = in_the_background(drive)
    drive.answers(look=[ata(IDLE), ata(RUNNING), ata(RUNNING), ata(IDLE, (1, 0x70, 50))])
    report = STAGES["SMART"](smart_ctx)
    assert report.outcome is wire.Outcome.PASSED
    assert [check.name for check in report.checks] == ["health"]
    check, found = told(STAGES["Storage"](storage_ctx))
    assert (check.outcome, found) == (wire.Outcome.FAILED, {"smart.self_test_failed"})
    assert drive.started == ["short"]


def test_an_old_failure_is_judged_when_the_test_that_may_clear_it_is_over(drive: Script) -> None:
    smart_ctx, storage_ctx = in_the_background(drive)
    failed, cleared = ata(IDLE, (1, 0x70, 40)), ata(IDLE, (1, 0, 50), (1, 0x70, 40))
    drive.answers(x=[failed], look=[failed, cleared])
    assert STAGES["SMART"](smart_ctx).outcome is wire.Outcome.PASSED
    drive.answers(x=[failed, cleared], look=[cleared])
    assert told(STAGES["Storage"](storage_ctx))[1] == set()


def test_an_old_failure_that_the_test_does_not_clear_stays_one(drive: Script) -> None:
    _, ctx = in_the_background(drive)
    kept = ata(IDLE, (1, 0, 50), (2, 0x70, 40))
    drive.answers(x=[ata(IDLE, (2, 0x70, 40)), kept], look=[ata(IDLE, (2, 0x70, 40)), kept])
    check, found = told(STAGES["Storage"](ctx))
    assert (check.outcome, found) == (wire.Outcome.PASSED, {"smart.self_test_failed"})


def test_a_drive_that_falls_silent_in_its_test_is_judged_by_what_it_said_before(drive: Script) -> None:
    bad = ata(IDLE, ata_pending_defects_log={"count": 3})
    drive.answers(x=[bad, {"smartctl": {"exit_status": 2}}], look=[ata(IDLE), ata(IDLE, (1, 0, 50))])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "short"}))
    assert [finding.code for finding in report.findings] == ["smart.pending_sectors"]
    assert next(check for check in report.checks if check.name == "health").outcome is wire.Outcome.NOT_TESTED


def test_what_a_drive_said_before_its_test_condemns_it_if_it_has_forgotten_it_afterwards(drive: Script) -> None:
    """It reset in its test. A failed test of long ago is replaced by the one that passes now, and condemns nobody."""
    bad = ata(IDLE, (1, 0x70, 40), ata_pending_defects_log={"count": 7})
    drive.answers(x=[bad, ata(IDLE, (1, 0, 50), (1, 0x70, 40))], look=[bad, ata(RUNNING), ata(IDLE, (1, 0, 50))])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "short"}))
    assert told(report)[1] == {"smart.pending_sectors"}
    assert [check.outcome for check in report.checks if check.name == "health"] == [wire.Outcome.FAILED]


def test_a_drive_with_nothing_to_read_is_named_and_the_others_do_not_pass_for_it(
    drive: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks, "without_capacity", lambda root: [("sdb", "ST4000NM0034 Z1Z has no capacity")])
    report = STAGES["SMART"](context("SMART", drive.directory, params={"self_test": "none"}))
    health = {check.component: (check.outcome, check.reason) for check in report.checks if check.name == "health"}
    assert health["S1"][0] is wire.Outcome.PASSED
    assert health["sdb"] == (wire.Outcome.NOT_TESTED, "sdb: ST4000NM0034 Z1Z has no capacity")
    assert report.outcome is wire.Outcome.NOT_TESTED


def test_storage_tried_again_tests_again(drive: Script) -> None:
    _, ctx = in_the_background(drive)
    drive.answers(look=[ata(IDLE), ata(IDLE, (1, 0x70, 50)), ata(IDLE, (1, 0x70, 50)),
                        ata(IDLE, (1, 0, 51), (1, 0x70, 50))])  # fmt: skip
    assert told(STAGES["Storage"](ctx))[0].outcome is wire.Outcome.FAILED
    again = replace(ctx, order=replace(ctx.order, attempt=2))
    assert told(STAGES["Storage"](again))[0].outcome is wire.Outcome.PASSED
    assert drive.started == ["short", "short"]


def test_storage_is_not_tested_while_a_drives_test_has_no_end(drive: Script) -> None:
    _, ctx = in_the_background(drive)
    drive.answers(look=[ata(IDLE), ata(IDLE, (1, 16, 50))])
    report = STAGES["Storage"](ctx)
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "self_test (S1)" in report.reason


def begin(ctx: StageContext, name: str = INVENTORY.disks[0].name) -> drive_self_tests.Begun:
    one = drive_self_tests.Drive(smartctl.of_disk(name), name, "S1")
    return drive_self_tests.begin(ctx, one, smartctl.parse(json.dumps(ata(IDLE))), "short")


@pytest.mark.parametrize("result", [10, 14])
def test_a_result_that_no_standard_defines_was_not_read(result: int) -> None:
    for drive in (nvme(0, (2, result)), ata(IDLE, (2, (result - 1) << 4, 100))):
        test = smart_self_test.of(drive)
        assert test.unread is not None and test.failure is None


def test_an_entry_without_a_test_says_nothing() -> None:
    assert smart_self_test.of(nvme(0, (2, 15))).unread is None
