"""Load that changes: all cores at work and at rest in turn, in square waves that get faster. A supply or a voltage
regulator that carries a steady load can fail at an edge.

stress-ng's processes are stopped and continued by signals, so an edge takes as long as the kernel needs to reach every
core. The results are verified as always.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, replace

from agent.contract import wire
from agent.exercises import cpu_load
from agent.host import children
from agent.host.stop import StopFlag
from agent.reports import checks
from agent.reports.partial_report import PartialReport

CHECK = "load_changes"
# How long stress-ng's workers may take to appear, and how often they are looked for.
_START_S, _POLL_S = 10.0, 0.1
# The load lasts longer than the waves by so much.
_MARGIN_S = 1.0
# Workers that were started meanwhile are found so often.
_LOOK_EVERY_S = 2.0
# Fewer edges than this fraction mean that nobody changed the load as planned: the agent itself was held up.
_LEAST_FRACTION = 0.5


@dataclass(frozen=True)
class Sweep:
    """Square waves of `seconds` in all, from `least_hz` to `most_hz`, by equal factors in equal times."""

    seconds: float
    least_hz: float
    most_hz: float

    def hz(self, at_s: float) -> float:
        share = min(1.0, at_s / self.seconds)
        return float(self.least_hz * (self.most_hz / self.least_hz) ** share)

    def half_waves(self) -> list[float]:
        """How long each half lasts, in seconds: at work, at rest, at work …; always whole waves."""
        made: list[float] = []
        at_s = 0.0
        while at_s < self.seconds:
            half_s = 0.5 / self.hz(at_s)
            made += [half_s, half_s]
            at_s += 2 * half_s
        return made

    def words(self) -> str:
        return f"{self.least_hz:g} to {self.most_hz:g} Hz"


class _SquareWave:
    """Stops and continues the workers of stress-ng by the half waves of a sweep, in a thread of its own."""

    def __init__(self, sweep: Sweep) -> None:
        self.edges = 0
        self.tools: list[int] = []
        self._halves = sweep.half_waves()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="changing-load", daemon=True)

    @property
    def planned(self) -> int:
        return len(self._halves)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        workers = self._first_workers()
        due = looked = time.monotonic()
        try:
            for number, half_s in enumerate(self._halves):
                if time.monotonic() - looked > _LOOK_EVERY_S:
                    workers, looked = self._workers(), time.monotonic()
                due += half_s
                if self._over.wait(max(0.0, due - time.monotonic())):
                    return
                is_late = time.monotonic() - due > half_s
                children.signal_all(workers, signal.SIGCONT if number % 2 else signal.SIGSTOP)
                # Edges that follow each other at once, after a delay, change no load.
                self.edges += bool(workers) and not is_late
        finally:
            children.signal_all(workers | self._workers(), signal.SIGCONT)

    def _first_workers(self) -> set[int]:
        """Those that are there once each tool has one; what there is after a while."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and not self._over.wait(_POLL_S):
            members = [children.session_members(tool) for tool in self.tools]
            if members and all(len(each) > 1 for each in members):
                break
        return self._workers()

    def _workers(self) -> set[int]:
        return {member for tool in self.tools for member in children.session_members(tool)}


def length_s(sweep: Sweep) -> float:
    """How long `run` takes, about."""
    return _MARGIN_S + sum(sweep.half_waves())


def run(sweep: Sweep, stop: StopFlag, packages: dict[int, list[int]] | None = None) -> PartialReport:
    """Makes the check `load_changes`, and for each package that gave a wrong result or none `compute`."""
    wave = _SquareWave(sweep)
    wave.start()
    try:
        load = cpu_load.run(length_s(sweep), stop, packages, on_start=wave.tools.append)
    finally:
        wave.end()
    return _judged(sweep, wave.edges, wave.planned, load)


def _judged(sweep: Sweep, edges: int, planned: int, load: PartialReport) -> PartialReport:
    """A part of the load that did not run leaves the check not tested. How fast it was says nothing here."""
    not_passed = [check for check in load.checks if check.outcome is not wire.Outcome.PASSED]
    words = f"{edges} edges, {sweep.words()}"
    if not_passed:
        check = checks.not_tested(CHECK, reason=f"{words}: {not_passed[0].reason}")
    elif edges < planned * _LEAST_FRACTION:
        check = checks.not_tested(CHECK, reason=f"only {words}, of {planned}")
    else:
        check = checks.passed(CHECK, reason=words)
    evidence = {f"changing.{name}": text for name, text in load.evidence.items()}
    return replace(load, checks=[check, *not_passed], numbers={"load_edges": float(edges)}, evidence=evidence)
