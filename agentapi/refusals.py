"""Record refused calls in a run's history: once a minute for each reason and address, with a count. A caller that is
refused ten thousand times a second costs the database no more than one that is refused once."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from django.db import transaction

from runs import lifecycle
from runs.models import Actor, Run, RunEvent

MINUTE_S = 60.0
TOLD_EACH = 19  # rows per run, kind and minute; all others share a row (`lifecycle.note` takes 20)
OTHERS = ("", "more different calls were refused than are listed one by one")
_ROUND = frozenset(10**digits for digits in range(1, 12))
_RUNS_REMEMBERED = 1_000
Key = tuple[str, str]


@dataclass
class _Told:
    """A row of the history, and how often its event has happened."""

    row: int
    text: str
    times: int = 1
    since_s: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.since_s >= MINUTE_S


class Refusals:
    """The refusals that this process remembers. This only saves queries: `lifecycle.note` keeps the history short
    without it."""

    def __init__(self) -> None:
        self._told: dict[Hashable, dict[Key, _Told]] = {}
        self._lock = threading.Lock()

    def show(self, run: Run, kind: str, who: str, text: str) -> None:
        """Record a refusal in the run's history, after the call was rolled back."""
        of_run = (run.pk, run.created_at, kind)  # after a restore the number may belong to another run
        with self._lock:
            key, told = self._counted(of_run, (who, text))
        if told is None:
            self._write(run, kind, of_run, key)
        elif told.times in _ROUND:
            RunEvent.objects.filter(pk=told.row).update(text=f"{told.text} (at least {told.times:,} times)")

    def _counted(self, of_run: Hashable, key: Key) -> tuple[Key, _Told | None]:
        """The row for this refusal in this minute, counted up by one; None if there is no row yet."""
        told = {one: other for one, other in self._told.get(of_run, {}).items() if not other.is_over}
        key = key if key in told or len(told) < TOLD_EACH else OTHERS
        if key in told:
            told[key].times += 1
        return key, told.get(key)

    def _write(self, run: Run, kind: str, of_run: Hashable, key: Key) -> None:
        row = lifecycle.note(run, kind, actor=Actor.AGENT, who=key[0], text=key[1])
        told = _Told(row.pk, row.text) if row else _Told(0, "")  # the history has enough such rows already
        transaction.on_commit(lambda: self._remember(of_run, key, told))

    def _remember(self, of_run: Hashable, key: Key, new: _Told) -> None:
        with self._lock:
            if of_run not in self._told and len(self._told) >= _RUNS_REMEMBERED:
                self._told.clear()
            now = {one: other for one, other in self._told.get(of_run, {}).items() if not other.is_over}
            self._told[of_run] = now | {key: new}


refusals = Refusals()
