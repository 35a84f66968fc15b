"""eMMCs and SD cards: smartctl does not know them, and the kernel tells what they report."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import disk_speed, drives
from agent.probes.drives import emmc
from agent.stage_functions import STAGES
from agent.stages.smart import emmc_health
from tests.agent.hardware import put
from tests.agent_stages.contexts import context
from tests.agent_stages.smart_verdicts import FAILED, LIMITS, NOT_TESTED, PASSED

CARD = wire.Disk("mmcblk0", "0x1a2b3c4d", "", "other", 59640)


@pytest.mark.parametrize(
    ("spare", "life", "outcome", "codes"),
    [
        ("0x01", "0x01 0x02", PASSED, set()),
        # Not defined: the kernel shows 0.
        ("0x01", "0x00 0x00", PASSED, set()),
        ("0x02", "0x03 0x01", PASSED, {"smart.spare"}),
        ("0x03", "0x03 0x01", FAILED, {"smart.spare"}),
        ("0x01", "0x02 0x0b", FAILED, {"smart.wear"}),
        ("0x00", "0x0b 0x0b", FAILED, {"smart.wear"}),
        ("0x00", "0x01 0x01", NOT_TESTED, set()),
        ("0x07", "0x01 0x01", NOT_TESTED, set()),
        ("0x01 0x01", "0x01 0x01", NOT_TESTED, set()),
        ("1", "garbled", NOT_TESTED, set()),
        # Its use is not read: sound spare blocks do not speak for it, and a bad state is told all the same.
        ("0x01", "garbled", NOT_TESTED, set()),
        ("0x01", "0x01 0x0c", NOT_TESTED, set()),
        ("0x03", "garbled", FAILED, {"smart.spare"}),
        # An SD card.
        ("", "", NOT_TESTED, set()),
    ],
)
def test_an_emmc_is_judged_by_what_it_reports_to_the_kernel(
    spare: str, life: str, outcome: wire.Outcome, codes: set[str], tmp_path: Path
) -> None:
    for name, text in (("pre_eol_info", spare), ("life_time", life)):
        if text:
            put(tmp_path, f"sys/block/mmcblk0/device/{name}", text)
    report = emmc_health.judge(CARD, emmc.health("mmcblk0", tmp_path), LIMITS.__getitem__)
    assert ([check.outcome for check in report.checks], {one.code for one in report.findings}) == ([outcome], codes)


@pytest.mark.parametrize(("spare", "outcome"), [(1, PASSED), (3, FAILED), (None, NOT_TESTED)])
def test_a_host_with_nothing_but_an_emmc_can_pass(
    spare: int | None, outcome: wire.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emmc, "health", lambda name: emmc.Health(spare, 10))
    monkeypatch.setenv("PATH", str(tmp_path))
    report = STAGES["SMART"](context("SMART", tmp_path, inventory=wire.Inventory(disks=[CARD])))
    assert report.outcome is outcome
    assert [check.name for check in report.checks] == ["health", "self_test_offered"]


def test_a_card_is_no_drive_to_ask_and_has_no_speed_of_a_ssd() -> None:
    assert drives.of([CARD]).drives == []
    assert disk_speed.drive_class(CARD) == "virtual"
    assert not emmc.is_card("mmcblk0boot0")
