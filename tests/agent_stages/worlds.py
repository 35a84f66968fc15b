"""Safety's world in which everything allows a write, for tests that change one thing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.contract import wire
from agent.disk_writes.safety import Begun, Circumstances, DiskFacts, Found, WipeReport, WriteGrant, decide

DISK = DiskFacts("sda", "SATA-0001", "0x5000c50012345678", "sata", 256)
OTHER = DiskFacts("nvme0n1", "NVME-0001", "eui.0025385b71b12345", "nvme", 512)
ALLOWED = wire.AllowedDisk("SATA-0001", "0x5000c50012345678", "sata", 256, True)
NOW = Circumstances(
    mode=wire.Mode.TEST, run=7, boot=2, stage="Storage", attempt=1, stage_writes=True, write_mode=True,
    destructive_allowed=True, in_image=True, last_continue_age_s=1.0,
)  # fmt: skip
LVM = Found("disk", "lvm", "pve", "LVM physical volume of volume group pve", ((512, 512),))
BLANK = WipeReport()


def world(**changes: Any) -> dict[str, Any]:
    return {"disks": [DISK, OTHER], "allowed": [ALLOWED], "probes": {"sda": BLANK}, "now": NOW, **changes}


def judge(**changes: Any) -> list[WriteGrant | wire.Refusal]:
    return decide(**world(**changes))


def about(serial: str, decisions: list[WriteGrant | wire.Refusal]) -> list[WriteGrant | wire.Refusal]:
    return [one for one in decisions if one.serial == serial]


def override(seen: str, **changes: Any) -> wire.OverrideFlags:
    return replace(wire.OverrideFlags(7, 2, "Storage", 1, "SATA-0001", seen), **changes)


def begun(
    found: tuple[Found, ...] = (), ranges: tuple[tuple[int, int], ...] = ((0, 1 << 20),), **changes: Any
) -> Begun:
    return replace(Begun(7, 2, 1, found, ranges), **changes)
