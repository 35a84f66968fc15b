"""Whole hosts with RAID controllers through the SMART stage: each controller by itself, each drive by its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import drives
from agent.host import shell
from agent.probes.drives import bays
from agent.stage import StageReport
from agent.stage_functions import STAGES
from tests.agent_stages import toolbench
from tests.agent_stages.contexts import context
from tests.agent_stages.raid_hosts import (
    ENCLOSURE,
    Host,
    a_host,
    dying,
    give_up_soon,
    one_hangs,
    perc,
    sas,
    smart_array,
    two_smart_arrays,
)

FAILED, NOT_TESTED, PASSED = wire.Outcome.FAILED, wire.Outcome.NOT_TESTED, wire.Outcome.PASSED
Build = Callable[[Host], None]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return a_host(tmp_path, monkeypatch)


def smart(host: Host, monkeypatch: pytest.MonkeyPatch) -> StageReport:
    monkeypatch.setattr(drives, "of", partial(drives.of, root=host.root))
    inventory = wire.Inventory(disks=host.disks)
    return STAGES["SMART"](context("SMART", host.home, inventory=inventory, params={"self_test": "none"}))


def result(report: StageReport) -> dict[str, wire.Outcome]:
    return {check.component: check.outcome for check in report.checks if check.name == "health"}


# --- the hosts -----------------------------------------------------------------------------------------------------


def twenty_four_bays(host: Host) -> None:
    """The first two of the controller's numbers are its enclosures; numbers 8 to 11 are nobody's."""
    smart_array(host, 0, "sda", ENCLOSURE, ENCLOSURE, *(f"D{bay}" for bay in range(2, 8)))
    for bay in range(12, 24):
        host.says(f"cciss,{bay} /dev/sda", dying("D20") if bay == 20 else sas(f"D{bay}"))


def the_last_number(host: Host) -> None:
    smart_array(host, 0, "sda", "A0")
    host.says("cciss,127 /dev/sda", dying("Z"))


def adaptec_beside_perc(of_perc: dict[str, Any]) -> Build:
    def build(host: Host) -> None:
        host.controller(0, "aacraid")
        host.device("0:0:0:0", "sda", vendor="Adaptec", model="RAID1")
        perc(host, 1, "sdb")
        host.scan(("/dev/bus/1", "megaraid,0"), ("/dev/bus/1", "megaraid,1"))
        host.says("megaraid,0 /dev/bus/1", sas("P0"))
        host.says("megaraid,1 /dev/bus/1", of_perc)

    return build


def adaptec_with_members(host: Host) -> None:
    """As lsscsi -g shows them: members of arrays have a generic device and no disk."""
    adaptec_beside_perc(sas("P1"))(host)
    host.device("0:1:0:0", sg="sg1", vendor="SEAGATE")
    host.device("0:1:1:0", sg="sg2", vendor="SEAGATE")
    host.device("0:3:0:0", sg="sg3", vendor="ADAPTEC", type="13")
    host.says("/dev/sg1", sas("M1"))
    host.says("/dev/sg2", dying("M2"))


def two_percs(host: Host) -> None:
    """Both number their drives from 0; the host with two digits is not the one with the first of them."""
    perc(host, 1, "sda")
    perc(host, 12, "sdb")
    host.scan(("/dev/bus/1", "megaraid,0"), ("/dev/bus/12", "megaraid,0"), ("/dev/bus/12", "megaraid,1"))
    host.says("megaraid,0 /dev/bus/1", sas("P0"))
    host.says("megaraid,0 /dev/bus/12", dying("Q0"))
    host.says("megaraid,1 /dev/bus/12", sas("Q1"))


def one_perc_without_drives(host: Host) -> None:
    perc(host, 1, "sda")
    perc(host, 2, "sdb")
    host.scan(("/dev/bus/1", "megaraid,0"))
    host.says("megaraid,0 /dev/bus/1", sas("P0"))


def fusion_mirror(host: Host) -> None:
    host.controller(0, "mpt3sas")
    host.device("0:1:0:0", "sda", vendor="LSI", model="Logical Volume")
    host.device("0:0:0:0", sg="sg0", vendor="ATA")
    host.device("0:0:1:0", sg="sg1", vendor="ATA")
    host.device("0:0:2:0", "sdb", sg="sg2", vendor="ATA")
    for path, serial in (("/dev/sg0", "M0"), ("/dev/sg1", "M1"), ("/dev/sdb", "SN-sdb"), ("/dev/sda", "V")):
        host.says(path, sas(serial))


def hba_mode(host: Host) -> None:
    """The same drivers without a volume: plain drives, and no controller is asked for others."""
    host.controller(0, "hpsa")
    host.controller(1, "megaraid_sas")
    host.controller(2, "aacraid")
    for disk, address in (("sda", "0:0:1:0"), ("sdb", "1:0:3:0"), ("sdc", "2:1:0:0")):
        host.device(address, disk, raid_level="N/A", vendor="ATA")
        host.says(f"/dev/{disk}", sas(f"SN-{disk}"))
    host.scan(("/dev/bus/1", "megaraid,3"))


def passed_through_beside_a_volume(host: Host) -> None:
    smart_array(host, 0, "sda", "A0", "SN-sdb")
    host.device("0:0:1:0", "sdb", raid_level="N/A")
    host.says("/dev/sdb", dying("SN-sdb"))


def a_volume_is_gone(host: Host) -> None:
    """The second controller has no volume any more; the controller itself is a SCSI device of type 12."""
    smart_array(host, 0, "sda", "A0")
    host.controller(1, "smartpqi")
    host.device("1:2:0:0", sg="sg7", type="12")
    host.says("cciss,0 /dev/sg7", dying("B0"))


def an_empty_controller(host: Host) -> None:
    host.controller(0, "hpsa")
    host.device("0:2:0:0", sg="sg7", type="12")
    host.controller(1, "megaraid_sas")
    host.controller(2, "ahci")
    host.device("2:0:0:0", "sda")
    host.says("/dev/sda", sas("SN-sda"))


def one_hangs_and_one_dies(host: Host) -> None:
    smart_array(host, 0, "sda", "A0", "A1", dying("A2"))
    host.hangs("cciss,1 /dev/sda")


def listed_and_dead(host: Host) -> None:
    perc(host, 0, "sda")
    host.scan(("/dev/bus/0", "megaraid,0"), ("/dev/bus/0", "megaraid,1"))
    host.says("megaraid,0 /dev/bus/0", sas("P0"))


def no_identity(host: Host) -> None:
    """hpsa gives zeros for a device of its list that does not answer: smartmontools does not look at error_info."""
    zeros = dict.fromkeys(("serial_number", "scsi_vendor", "scsi_product", "scsi_model_name"), "")
    smart_array(host, 0, "sda", "A0", sas("", **zeros), "A2")


# fmt: off
HOSTS: list[tuple[str, Build, wire.Outcome, dict[str, wire.Outcome]]] = [
    ("two sound Smart Arrays", two_smart_arrays("A1", "B2"), PASSED,
     dict.fromkeys(("A0", "A1", "A2", "B0", "B1", "B2"), PASSED)),
    ("dying on the first", two_smart_arrays(dying("A1"), "B2"), FAILED,
     {"A0": PASSED, "A1": FAILED, "A2": PASSED, "B0": PASSED, "B1": PASSED, "B2": PASSED}),
    ("dying on the second", two_smart_arrays("A1", dying("B2")), FAILED,
     {"A0": PASSED, "A1": PASSED, "A2": PASSED, "B0": PASSED, "B1": PASSED, "B2": FAILED}),
    ("24 bays", twenty_four_bays, FAILED,
     {**{f"D{bay}": PASSED for bay in (*range(2, 8), *range(12, 24))}, "D20": FAILED}),
    ("the last number", the_last_number, FAILED, {"A0": PASSED, "Z": FAILED}),
    ("Adaptec beside a sound PERC", adaptec_beside_perc(sas("P1")), NOT_TESTED,
     {"SN-sda": NOT_TESTED, "P0": PASSED, "P1": PASSED}),
    ("Adaptec beside a PERC that loses a drive", adaptec_beside_perc(dying("P1")), FAILED,
     {"SN-sda": NOT_TESTED, "P0": PASSED, "P1": FAILED}),
    ("Adaptec with members", adaptec_with_members, FAILED,
     {"M1": PASSED, "M2": FAILED, "P0": PASSED, "P1": PASSED}),
    ("two PERCs", two_percs, FAILED, {"P0": PASSED, "Q0": FAILED, "Q1": PASSED}),
    ("one PERC without drives", one_perc_without_drives, NOT_TESTED, {"P0": PASSED, "SN-sdb": NOT_TESTED}),
    ("Fusion-MPT mirror", fusion_mirror, PASSED, {"M0": PASSED, "M1": PASSED, "SN-sdb": PASSED}),
    ("HBA mode", hba_mode, PASSED, {"SN-sda": PASSED, "SN-sdb": PASSED, "SN-sdc": PASSED}),
    ("passed through", passed_through_beside_a_volume, FAILED, {"A0": PASSED, "SN-sdb": FAILED}),
    ("a volume is gone", a_volume_is_gone, FAILED, {"A0": PASSED, "B0": FAILED}),
    ("an empty controller", an_empty_controller, PASSED, {"SN-sda": PASSED}),
    ("one hangs", one_hangs, NOT_TESTED,
     {"A0": PASSED, "cciss,1 of sda": NOT_TESTED, "A2": PASSED, "B0": PASSED}),
    ("one hangs, one dies", one_hangs_and_one_dies, FAILED,
     {"A0": PASSED, "cciss,1 of sda": NOT_TESTED, "A2": FAILED}),
    ("listed and dead", listed_and_dead, NOT_TESTED, {"P0": PASSED, "megaraid,1 of bus/0": NOT_TESTED}),
    ("no identity", no_identity, NOT_TESTED, {"A0": PASSED, "cciss,1 of sda": NOT_TESTED, "A2": PASSED}),
]
# fmt: on


@pytest.mark.parametrize(("build", "outcome", "expected"), [row[1:] for row in HOSTS], ids=[row[0] for row in HOSTS])
def test_every_drive_of_every_controller_is_judged_or_named(
    build: Build, outcome: wire.Outcome, expected: dict[str, wire.Outcome], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(host, monkeypatch, after_s=0.5)
    build(host)
    report = smart(host, monkeypatch)
    assert result(report) == expected
    assert report.outcome is outcome
    assert [finding.component for finding in report.findings] == [
        name for name, found in expected.items() if found is FAILED
    ]


# --- what is told --------------------------------------------------------------------------------------------------


def test_a_volume_counts_as_asked_by_the_drives_of_its_own_controller_only(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    twenty_four_bays(host)
    smart_array(host, 1, "sdb", "B0")
    report = smart(host, monkeypatch)
    told = {check.component: check.reason for check in report.checks if check.name == "volume_health"}
    assert told == {
        "SN-sda": "sda is a RAID volume of a Smart Array at 0000:00:00.0: 18 drives of its controller are asked "
        "(cciss,2 to 7, cciss,12 to 23)",
        "SN-sdb": "sdb is a RAID volume of a Smart Array at 0000:01:00.0: 1 drive of its controller is asked (cciss,0)",
    }
    assert {name: value for name, value in report.numbers.items() if name.startswith("raid_drives")} == {
        "raid_drives.SN-sda": 18.0, "raid_drives.SN-sdb": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "fails"),
    [("active", False), ("resyncing", False), ("unknown", False), ("degraded", True), ("offline", True)],
)
def test_a_volume_that_its_driver_calls_degraded_fails_though_its_drives_are_sound(
    state: str, fails: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    fusion_mirror(host)
    at = host.root / "sys/class/raid_devices/0:1:0:0"
    at.mkdir(parents=True)
    (at / "state").write_text(f"{state}\n")
    report = smart(host, monkeypatch)
    assert [(one.code, one.component) for one in report.findings] == (
        [("smart.raid_drive_gone", "SN-sda")] if fails else []
    )
    assert (report.outcome is wire.Outcome.FAILED) is fails


def test_a_drive_that_hangs_is_named_with_what_smartctl_did(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    give_up_soon(host, monkeypatch)
    one_hangs(host)
    assert "cciss,1 of sda: smartctl did not end within 1 s" in smart(host, monkeypatch).reason


def test_a_scan_that_fails_is_the_reason_of_its_own_controllers_volumes(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    perc(host, 0, "sda")
    smart_array(host, 1, "sdb", "B0")
    (host.home / "scan").write_text("Segmentation fault\n")
    report = smart(host, monkeypatch)
    assert result(report) == {"SN-sda": NOT_TESTED, "B0": PASSED}
    assert "sda is a RAID volume of a MegaRAID or PERC at 0000:00:00.0: smartctl printed no JSON" in report.reason


def test_a_controller_that_hangs_wholly_ends_in_time_and_leaves_no_number_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bays, "IDENTITY_S", 0.3)
    monkeypatch.setattr(bays, "ALL_S", 0.5)
    monkeypatch.setattr(bays, "CCISS_PLACES", 40)
    monkeypatch.setattr(shell, "TERM_GRACE_S", 0.1)
    smart_array(host, 0, "sda")
    for bay in range(40):
        host.hangs(f"cciss,{bay} /dev/sda")
    named = [check.component for check in smart(host, monkeypatch).checks]
    told = itertools.chain.from_iterable(_numbers(name) for name in named if name.startswith("cciss,"))
    assert sorted(told) == list(range(40))


def _numbers(name: str) -> list[int]:
    """Of `cciss,3 to 7, cciss,9 of sda`."""
    runs = [run.removeprefix("cciss,").split(" to ") for run in name.removesuffix(" of sda").split(", ")]
    return [number for run in runs for number in range(int(run[0]), int(run[-1]) + 1)]


def test_without_smartctl_the_numbers_are_told_in_one_sentence(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    smart_array(host, 0, "sda", "A0")
    monkeypatch.setenv("PATH", "/nowhere")
    checks = smart(host, monkeypatch).checks
    assert [check.component for check in checks] == ["SN-sda", "cciss,0 to 127 of sda"]
    assert all(check.outcome is NOT_TESTED for check in checks)


@pytest.mark.parametrize("how", sorted(set(toolbench.BREAKAGES) - {"hanging after its whole answer"}))
def test_no_way_in_which_smartctl_breaks_passes_a_host_with_a_controller(
    how: str, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bays, "CCISS_PLACES", 4)
    if how == "hanging":
        monkeypatch.setattr(shell, "run", partial(toolbench.impatient, shell.run, "smartctl"))
    smart_array(host, 0, "sda", "A0", "A1")
    perc(host, 1, "sdb")
    tool = tmp_path / "tools/smartctl"
    tool.rename(tool.with_name("smartctl.well"))
    if how != "missing":
        tool.write_text(f"#!/bin/sh\n{toolbench.BREAKAGES[how]}\n")
        tool.chmod(0o755)
    report = smart(host, monkeypatch)
    assert report.outcome is NOT_TESTED
    assert PASSED not in result(report).values()


def test_a_drive_that_hangs_is_there_and_not_gone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than in the last good run fails the host: that is for a drive that is not there any more."""
    give_up_soon(host, monkeypatch)
    one_hangs(host)
    numbers = smart(host, monkeypatch).numbers
    assert (numbers["raid_drives.SN-sda"], numbers["raid_drives.SN-sdb"]) == (3.0, 1.0)
