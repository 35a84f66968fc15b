"""Disk errors from before the disks' turn: a warning where they were seen, critical where disks are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.contract import wire
from agent.counters.boot_disk_errors import BootDiskErrors

STAGES = ["InventoryCheck", "Firmware", "SMART", "Storage"]
ERROR = wire.Finding("disk.io_error", wire.Severity.CRITICAL, "disk", "SATA-0001", "sda: I/O error at sector 4096")
OTHER = wire.Finding("cpu.mce", wire.Severity.CRITICAL, "cpu", "CPU0", "machine check")


def order(name: str, attempt: int = 1) -> wire.StageOrder:
    return wire.StageOrder(name, name, attempt, 60.0, {}, {}, [])


def test_it_is_a_warning_at_the_inventory_and_critical_in_storage(tmp_path: Path) -> None:
    (shown,) = BootDiskErrors(tmp_path).judge(order("InventoryCheck"), STAGES, [ERROR])
    assert (shown.severity, shown.component) == (wire.Severity.WARNING, "SATA-0001")
    assert BootDiskErrors(tmp_path).judge(order("SMART"), STAGES, []) == []
    assert BootDiskErrors(tmp_path).judge(order("Storage"), STAGES, []) == [ERROR]


def test_a_second_attempt_of_storage_judges_what_it_sees_itself(tmp_path: Path) -> None:
    BootDiskErrors(tmp_path).judge(order("InventoryCheck"), STAGES, [ERROR])
    assert BootDiskErrors(tmp_path).judge(order("Storage"), STAGES, []) == [ERROR]
    assert BootDiskErrors(tmp_path).judge(order("Storage"), STAGES, []) == [ERROR], "the agent was restarted in it"
    assert BootDiskErrors(tmp_path).judge(order("Storage", 2), STAGES, []) == []


def test_after_another_boot_the_first_attempt_has_a_later_number(tmp_path: Path) -> None:
    BootDiskErrors(tmp_path).judge(order("InventoryCheck", 2), STAGES, [ERROR])
    assert BootDiskErrors(tmp_path).judge(order("Storage", 2), STAGES, []) == [ERROR]
    assert BootDiskErrors(tmp_path).judge(order("Storage", 3), STAGES, []) == []


def test_what_a_repeated_inventory_meets_is_judged_by_the_next_attempt_and_nothing_twice(tmp_path: Path) -> None:
    BootDiskErrors(tmp_path).judge(order("InventoryCheck"), STAGES, [ERROR])
    BootDiskErrors(tmp_path).judge(order("Storage"), STAGES, [])
    later = replace(ERROR, component="SATA-0002")
    BootDiskErrors(tmp_path).judge(order("InventoryCheck", 2), STAGES, [later])
    assert BootDiskErrors(tmp_path).judge(order("Storage", 2), STAGES, []) == [later]
    assert BootDiskErrors(tmp_path).judge(order("Storage", 3), STAGES, []) == []


def test_without_a_storage_stage_to_come_it_is_critical_at_once(tmp_path: Path) -> None:
    assert BootDiskErrors(tmp_path).judge(order("InventoryCheck"), ["InventoryCheck"], [ERROR]) == [ERROR]


def test_what_is_no_disk_error_is_put_off_nowhere(tmp_path: Path) -> None:
    assert BootDiskErrors(tmp_path).judge(order("Firmware"), STAGES, [OTHER]) == [OTHER]
    assert BootDiskErrors(tmp_path).judge(order("Storage"), STAGES, []) == []


def test_an_error_in_the_load_of_another_stage_is_that_stages(tmp_path: Path) -> None:
    assert BootDiskErrors(tmp_path).judge(order("Burn"), STAGES, [ERROR]) == [ERROR]
