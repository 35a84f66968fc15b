"""What one attempt of Storage remembers over a restart of the agent: how far each disk was read, and which writes
were begun. It decides nothing: whether a write may go on is for `agent/safety.py` to say."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from agent.safety import Begun, Found, WriteGrant
from agent.stage import StageContext
from agent.stages.surface import Segment, Surface


@dataclass
class Written:
    """How far the verified writing of one disk came: segments that are done, bytes in them, seconds of writing."""

    segments: int = 0
    amount: int = 0
    seconds: float = 0.0


class Notes:
    """What this attempt remembers over a restart of the agent: surfaces read so far, and writes that were begun."""

    def __init__(self, ctx: StageContext) -> None:
        self._ctx, self._lock = ctx, threading.Lock()
        self._data: dict[str, Any] = {"surface": {}, "begun": {}, "written": {}, **ctx.memory.load()}

    def surface(self, serial: str) -> tuple[int, Surface]:
        """How many segments are read already, and what came of them."""
        row = self._data["surface"].get(serial)
        if row is None:
            return 0, Surface()
        bad, slowest = [tuple(place) for place in row["bad"]], row["slowest"]
        return row["done"], Surface(
            row["read_bytes"], row["seconds"], bad, slowest_ms=slowest[0], slowest_at=slowest[1]
        )

    def keep_surface(self, serial: str, done: int, now: Surface) -> None:
        row = {"done": done, "read_bytes": now.read_bytes, "seconds": now.seconds, "bad": now.bad}
        row["slowest"] = (now.slowest_ms, now.slowest_at)
        self._keep("surface", serial, row)

    def begun(self) -> dict[str, Begun]:
        return {serial: _begun(row) for serial, row in self._data["begun"].items()}

    def keep_begun(self, grant: WriteGrant, segments: list[Segment]) -> None:
        """Before the first byte is written. On a resumption the earlier note stands: it is what was granted."""
        if grant.resumed:
            return
        claim, order = self._ctx.claim, self._ctx.order
        found = [[one.where, one.kind, one.label, one.words, list(one.ranges)] for one in grant.found]
        ranges = [[segment.offset, segment.length] for segment in segments]
        row = {"run": claim.run, "boot": claim.boot, "attempt": order.attempt, "found": found, "ranges": ranges}
        self._keep("begun", grant.serial, row)

    def written(self, grant: WriteGrant) -> Written:
        """What an agent of this attempt has written and verified before it was restarted."""
        row = self._data["written"].get(grant.serial) if grant.resumed else None
        return Written(**row) if row else Written()

    def keep_written(self, serial: str, now: Written) -> None:
        self._keep("written", serial, vars(now).copy())

    def _keep(self, kind: str, serial: str, row: dict[str, Any]) -> None:
        with self._lock:
            self._data[kind][serial] = row
            self._ctx.memory.save(self._data)


def _begun(row: dict[str, Any]) -> Begun:
    found = tuple(
        Found(where, kind, label, words, tuple((at, length) for at, length in ranges))
        for where, kind, label, words, ranges in row["found"]
    )
    ranges = tuple((at, length) for at, length in row["ranges"])
    return Begun(row["run"], row["boot"], row["attempt"], found, ranges)
