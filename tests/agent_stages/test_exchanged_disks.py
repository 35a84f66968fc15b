"""A drive that somebody swapped while the host was held open: the inventory of this boot still has the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import drives
from agent.probes.drives import disks
from agent.stage_functions import STAGES
from agent.stages.burn import stage as burn
from tests.agent.hardware import put
from tests.agent_stages.contexts import context

OLD, OTHER = wire.Disk("sda", "OLD", "", "sata", 256), wire.Disk("sdb", "B1", "", "sata", 256)
WORDS = "sda is another drive than in the inventory"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, serial in (("sda", "NEW"), ("sdb", "B1")):
        put(tmp_path, f"sys/block/{name}/size", 1 << 19)
        put(tmp_path, f"sys/block/{name}/device/serial", serial)
    monkeypatch.setattr(disks, "BLOCK", tmp_path / "sys/block")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_new_drive_is_not_asked_for_the_old_ones_health(root: Path) -> None:
    found = drives.of([OLD, OTHER], root)
    assert [drive.name for drive in found.drives] == ["B1"]
    assert [(check.name, check.component, check.reason) for check in found.volumes] == [("health", "OLD", WORDS)]


@pytest.mark.parametrize("there", [[OLD], [OLD, OTHER]])
def test_the_new_drive_is_not_read_for_the_old_ones_surface(there: list[wire.Disk], root: Path) -> None:
    report = STAGES["Storage"](context("Storage", root, inventory=wire.Inventory(disks=there)))
    surfaces = {check.component: check for check in report.checks if check.name == "surface"}
    assert set(surfaces) == {disk.serial for disk in there}
    assert (surfaces["OLD"].outcome, surfaces["OLD"].reason) == (wire.Outcome.NOT_TESTED, WORDS)
    assert not [check for check in report.checks if check.name.endswith("speed") and check.component == "OLD"]


def test_the_new_drive_is_not_burnt_for_the_old_one(root: Path) -> None:
    (check,) = burn._disk(context("Burn", root), OLD, 1.0).checks
    assert (check.name, check.component, check.outcome, check.reason) == (
        "disks",
        "OLD",
        wire.Outcome.NOT_TESTED,
        WORDS,
    )
