"""Progress of the items that a stage works on in parallel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from agent.contract import wire
from agent.stage import StageContext

_TICK_S = 1.0


class ProgressBoard:
    """One line per disk, core or port. The whole list is sent whenever one changes. Safe from any thread."""

    def __init__(self, ctx: StageContext) -> None:
        self._ctx, self._lock = ctx, threading.Lock()
        self._items: dict[str, wire.Progress] = {}

    def tell(self, item: str, percent: float, doing: str, eta_s: float | None = None) -> None:
        with self._lock:
            self._items[item] = wire.Progress(item, round(max(0.0, min(100.0, percent)), 1), doing, eta_s)
            self._ctx.progress(list(self._items.values()))

    @contextmanager
    def timing(self, item: str, doing: str, duration_s: float) -> Iterator[None]:
        """Within the block, report once a second how much of `duration_s` has passed."""
        over = threading.Event()
        thread = threading.Thread(target=self._tick, args=(item, doing, duration_s, over), daemon=True, name="progress")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _tick(self, item: str, doing: str, duration_s: float, over: threading.Event) -> None:
        began = time.monotonic()
        while True:
            elapsed_s = time.monotonic() - began
            percent = min(99.0, 100.0 * elapsed_s / duration_s) if duration_s > 0 else 0.0
            self.tell(item, percent, doing, max(0.0, duration_s - elapsed_s))
            if over.wait(_TICK_S):
                return
