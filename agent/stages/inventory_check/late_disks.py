"""Waits for udev, and for the disks that the spec expects: a controller may need minutes to list its disks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.contract import wire
from agent.parsing import ParseError
from agent.probes.drives import disks, lsblk
from agent.stage import StageContext
from agent.stages.inventory_check.spec import Params

POLL_S = 0.5
# udevd keeps this file as long as it has an event to work on. [udev-manager.c, udev_queue_is_empty in udev-util.c]
_QUEUE = Path("run/udev/queue")


@dataclass(frozen=True)
class Waited:
    """`udev_done`: udev has no event left. `absent` are the names of expected disks that are not there."""

    udev_done: bool
    absent: list[str]


def wait(ctx: StageContext, root: Path = Path("/")) -> Waited:
    """Returns once udev has finished and every expected disk is there. It waits for udev for `udev_wait_s` at most, and
    `disk_wait_s` longer for the disks."""
    params, said = ctx.params(Params), False
    udev_until, disks_until = time.monotonic() + params.udev_wait_s, 0.0
    while True:
        now = time.monotonic()
        seen = Waited(not (root / _QUEUE).exists(), absent(ctx.claim.expected.get("disks") or [], _found(root)))
        disks_until = (disks_until or now + params.disk_wait_s) if seen.udev_done else 0.0
        if (seen.udev_done and not seen.absent) or now >= (disks_until or udev_until):
            return seen
        if not said:
            said = True
            ctx.log("info", f"waiting for {_words(seen)}")
        if ctx.stop.wait(POLL_S):
            return seen


def absent(wanted: Iterable[Mapping[str, Any]], found: Iterable[wire.Disk]) -> list[str]:
    """The names of the expected disks that are not among these, by serial number, else by WWN."""
    there = list(found)
    serials = {disk.serial for disk in there}
    return [
        str(spec.get("serial") or spec.get("wwn") or "")
        for spec in wanted
        if (
            spec["serial"] not in serials
            if spec.get("serial")
            else not any(disks.same_wwn(str(spec.get("wwn") or ""), disk.wwn) for disk in there)
        )
    ]


def _found(root: Path) -> list[wire.Disk]:
    """lsblk is asked only if sysfs does not give every disk's serial number."""
    known = [disks.identify(root / "sys/block" / name) for name in disks.names(root)]
    return disks.merged(known, _rows() if any(not one.serial for one in known) else [])


def _rows() -> list[lsblk.BlockDevice]:
    done = lsblk.run()
    try:
        return lsblk.parse(done.stdout) if done.ok else []
    except ParseError:
        return []


def _words(seen: Waited) -> str:
    udev = [] if seen.udev_done else ["udev"]
    return " and ".join(udev + ([f"disks {', '.join(seen.absent)}"] if seen.absent else []))
