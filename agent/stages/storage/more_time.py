"""More time for reading a disk that is slow only because many disks share one link.

All disks are read at once. 24 hard disks behind one SAS cable get half of their speed each, so that `surface_max_s` is
over before a disk of 4 TB is read. A disk that is slow by itself gets no more time.
"""

from __future__ import annotations

import threading
import time
from statistics import median

from agent.contract import wire
from agent.contract.host_facts import TIMEOUT_LEEWAY, DiskFacts
from agent.exercises.disk_speed import drive_class
from agent.exercises.surface import Surface
from agent.stage import StageContext
from agent.stages.storage.spec import Limits, Params, after_reading_s, surface_s

# A disk shares a slow link if it reads at least half as fast as the middle one of at least three others.
LEAST_NEIGHBOURS = 3
KEEPS_UP = 0.5
# What is left of the stage's time-out for what nobody can calculate: fio's starts, the probe before a write.
_UNPLANNED = 0.1


class MoreTime:
    """Decides for each disk of one attempt, from what all of them have read so far. Safe from any thread."""

    def __init__(self, ctx: StageContext, disks: list[wire.Disk], began: float) -> None:
        """`began` is when the stage began, by `time.monotonic()`. After a restart of the agent that is anew: then the
        orchestrator gives the stage its whole time again."""
        params, self._min_percent = ctx.params(Params), ctx.limits(Limits).surface_min_percent
        self._log, self._told = ctx.log, set[str]()
        self._classes = {disk.name: drive_class(disk) for disk in disks}
        self._rates: dict[str, float] = {}
        self._lock = threading.Lock()
        facts = [DiskFacts(disk.serial, self._classes[disk.name], disk.size_mb) for disk in disks]
        rest_s = after_reading_s(params, facts, facts if ctx.order.writes else [])
        # The order is as old as the claim, which may know nothing of the disks. The orchestrator gives at least this.
        calculated_s = TIMEOUT_LEEWAY * (
            surface_s(params, facts, self._min_percent) + after_reading_s(params, facts, [])
        )
        allowed_s = max(ctx.order.timeout_s, calculated_s)
        self._until = began + allowed_s * (1 - _UNPLANNED) - rest_s

    def note(self, name: str, surface: Surface) -> None:
        with self._lock:
            self._rates[name] = surface.rate_mb_s

    def has(self, name: str, planned: int, surface: Surface) -> bool:
        """Whether this disk is read on although `surface_max_s` is over: not enough of its `planned` bytes was read,
        it keeps up with its neighbours, and the stage has the time. The run's log says so once."""
        if surface.is_enough(planned, self._min_percent) or time.monotonic() > self._until:
            return False
        neighbours = self._neighbours(name)
        if len(neighbours) < LEAST_NEIGHBOURS or surface.rate_mb_s < KEEPS_UP * median(neighbours):
            return False
        self._tell(name, surface)
        return True

    def _tell(self, name: str, surface: Surface) -> None:
        with self._lock:
            if name in self._told:
                return
            self._told.add(name)
        self._log(
            "info", f"{name} is read on after surface_max_s: all disks share a link ({surface.rate_mb_s:.0f} MB/s)"
        )

    def _neighbours(self, name: str) -> list[float]:
        """The speeds of the other disks: of those of its class, or of all if these are too few."""
        with self._lock:
            rates = {other: rate for other, rate in self._rates.items() if other != name and rate > 0}
        alike = [rate for other, rate in rates.items() if self._classes[other] == self._classes[name]]
        return alike if len(alike) >= LEAST_NEIGHBOURS else list(rates.values())
