"""A thread beside the ticks, so that one slow tick does not stop the round.

During a round the thread shows that the worker is alive (`Lease.ticked_at`), whatever a tick does. A tick that takes
longer than `LIMIT_S` is interrupted and paused for a while. If it can't be interrupted, its process ends after `END_S`,
and another process continues the round. Log, pages and /healthz say which tick it was.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections

from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.database import commits
from runs.database import limits as dblimits
from runs.models import Lease
from runs.wording import remedies

log = logging.getLogger("vetting.rounds")
LOOK_EVERY_S = 0.5
RENEW_EVERY_S = 3.0
SLOW_S = 5.0
# The longest wait of a tick is the measurement over loopback: 8 s at most.
LIMIT_S = 15.0
END_S = 30.0
PAUSES_S = (5.0, 15.0, 60.0)
SOURCE = "round"
# A tick that holds the database's write lock must not keep the thread from looking at the clock.
_IMPATIENT = dblimits.Limits(lock_s=1, statement_s=5)


class Overdue(BaseException):
    """The tick took too long. It is no Exception, so that no handler inside a tick catches it."""


class Watch:
    """The watch of one session. `renew` shows that it is alive, `hand_over` lets another session take over."""

    def __init__(self, renew: Callable[[], Any], hand_over: Callable[[], Any]) -> None:
        self._renew, self._hand_over = renew, hand_over
        self._doing: tuple[str, float] = ("", 0.0)  # the running tick and its start; empty between two ticks
        self._is_busy, self._renewed = False, time.monotonic()
        self._over = threading.Event()
        self._main, self._connection = threading.get_ident(), connections[DEFAULT_DB_ALIAS]
        self._thread = threading.Thread(target=self._run, name="tick-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._before = signal.signal(signal.SIGUSR1, self._interrupted)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        signal.signal(signal.SIGUSR1, self._before)

    @contextmanager
    def round(self) -> Iterator[None]:
        self._is_busy, self._renewed = True, time.monotonic()
        try:
            yield
        finally:
            self._is_busy = False

    @contextmanager
    def tick(self, name: str) -> Iterator[None]:
        """Raises Overdue inside, once it took too long."""
        self._doing = name, time.monotonic()
        try:
            yield
        finally:
            self._doing = "", 0.0

    def _interrupted(self, *args: Any) -> None:
        """The signal's handler, in the main thread. The tick may have ended after the signal was sent."""
        name, since = self._doing
        if name and time.monotonic() - since > LIMIT_S:
            raise Overdue(name)

    def _run(self) -> None:
        dblimits.use(_IMPATIENT)
        while not self._over.wait(LOOK_EVERY_S):
            try:
                self._look(time.monotonic())
            except DatabaseError as error:
                log.warning("the round could not be shown to go on: %s", error)
        connection.close()

    def _look(self, now: float) -> None:
        name, since = self._doing
        if name and now - since > END_S:
            self._end(name, now - since)
        if name and now - since > LIMIT_S:
            self._interrupt()
        if self._is_busy and now - self._renewed > RENEW_EVERY_S:
            self._renewed = now
            self._renew()

    def _interrupt(self) -> None:
        """Interrupt Python code by a signal, and a query through the database's driver."""
        signal.pthread_kill(self._main, signal.SIGUSR1)
        raw = self._connection.connection
        if stop := getattr(raw, "interrupt", None) or getattr(raw, "cancel", None):
            stop()

    def _end(self, name: str, took_s: float) -> None:
        """End this process, since the tick can't be interrupted."""
        log.critical("tick %s does not end: its process %s is ended after %.0f s", name, os.getpid(), took_s)
        try:
            pause(name, took_s)
            self._hand_over()
        finally:
            os._exit(1)


def is_paused(paused: dict[str, Any], name: str) -> bool:
    """Whether the tick is paused. A time too far ahead does not count: the clock was set back."""
    until: float = paused.get(name, {}).get("until", 0)
    return 0 < until - time.time() <= PAUSES_S[-1]


def pause(name: str, took_s: float) -> None:
    """Pause this tick for a while and report it; the pause grows with each time in a row that it took too long."""
    paused = known()
    times = paused.get(name, {}).get("times", 0) + 1
    until = time.time() + PAUSES_S[min(times, len(PAUSES_S)) - 1]
    _keep(paused | {name: {"until": until, "times": times, "took_s": round(took_s)}})
    log.error("tick %s took %.0f s and was stopped, %s times in a row", name, took_s, times)


def forgive(name: str) -> None:
    """Reset the pause after the tick ended in time."""
    _keep({other: what for other, what in known().items() if other != name})
    log.warning("tick %s ends in time again", name)


@commits.remembered
def known() -> dict[str, Any]:
    """The paused ticks of this machine."""
    lease = Lease.objects.filter(name=Lease.round_of(settings.MACHINE))
    return lease.values_list("paused", flat=True).first() or {}


def _keep(paused: dict[str, Any]) -> None:
    Lease.objects.update_or_create(name=Lease.round_of(settings.MACHINE), defaults={"paused": paused})
    bench.report(SOURCE, [_told(name, what) for name, what in sorted(paused.items())])


def _told(name: str, what: dict[str, Any]) -> Problem:
    times = "once" if what["times"] == 1 else f"{what['times']} times in a row"
    return Problem(
        "bench",
        f"The worker's tick {name} took {what['took_s']} s and was stopped, {times}; the others go on",
        f"{remedies.log_of('worker')} says where it was; it is tried again within a minute",
    )
