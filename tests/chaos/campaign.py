"""One campaign: a bench, its machines, the faults of one seed, and what is true afterwards."""

from __future__ import annotations

import contextlib
import heapq
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.bench import START_LIMIT_S, Bench, end_with
from tests.chaos.machines import Machine
from tests.chaos.pace import STARVED_FROM, Pace
from tests.chaos.plan import NET, Fault, Step, steps
from tests.chaos.proxy import Proxy

SMALL_DISK = "64m"
SETTLE_S, LONGEST_S = 180.0, 900.0
OPERATOR_EVERY_S = 0.5
LOOK_EVERY_S = 0.05
# Of the time in which faults happen; what is started then comes to its end within the rest, about.
STARTS_MORE = 0.5
BAD_EVERY, FAILS_IN = 3, "SMART"


@dataclass(frozen=True)
class Wanted:
    """What to do. `database` is the address of an empty one that has its tables."""

    seed: int
    seconds: float
    machines: int
    bounded: bool
    folder: Path
    database: str


@dataclass
class Told:
    """What was done, with the time at which it was, and what was found wrong. `late` is what has not come to its end
    in time; `shared_by` how many wanted each core."""

    events: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    took_s: float = 0
    started_s: float = 0
    settled_s: float = 0
    shared_by: float = 1
    runs: list[str] = field(default_factory=list)

    @property
    def is_starved(self) -> bool:
        """Late on a machine on which nobody is in time: that says nothing."""
        return bool(self.late) and not self.violations and self.shared_by > STARVED_FROM


class Campaign:
    def __init__(self, wanted: Wanted) -> None:
        self.wanted, self.told = wanted, Told()
        self.bench = Bench(wanted.folder / "data", wanted.database)
        self.proxy = Proxy(self.bench.port)
        self.machines: list[Machine] = []
        self.bad: set[int] = set()
        self.lost: set[int] = set()
        self.pks: list[int] = []
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._over = threading.Event()

    def run(self) -> Told:
        self._pace, started = Pace(), time.monotonic()
        self.bench.start()
        _django(self.bench.env)
        self._register_hosts()
        self.bench.await_answer()
        self._await_a_round()
        self._began, self._fairly_began_s = time.monotonic(), self._pace.fair_s()
        self.told.started_s = self._began - started
        operator = threading.Thread(target=self._operate, daemon=True)
        operator.start()
        for machine in self.machines:
            machine.start()
        self._happen()
        happened_s = self._now()
        if self.wanted.bounded:
            self._heal()
            self._await_the_end()
        self.told.settled_s = self._now() - happened_s
        self._over.set()
        operator.join()
        self._stop()
        self._audit()
        self.told.took_s, self.told.shared_by = time.monotonic() - started, self._pace.shared_by()
        self._pace.stop()
        return self.told

    # --- before and after -----------------------------------------------------------------------------------------

    def _register_hosts(self) -> None:
        from tests.chaos import hosts

        for number in range(1, self.wanted.machines + 1):
            is_bad = number % BAD_EVERY == 0
            host, facts = hosts.register(number)
            self.pks.append(host.pk)
            if is_bad:
                self.bad.add(host.pk)
            mine = {"journal": str(self._journal(number)), "seed": self.wanted.seed}
            facts |= {**mine, "fails_in": FAILS_IN if is_bad else ""}
            self.machines.append(Machine(facts, self.proxy.url, self.wanted.folder))

    def _await_a_round(self) -> None:
        """The worker is there: from here on its absence is a fault of the plan."""
        from runs.bench import service_state

        end = time.monotonic() + START_LIMIT_S
        while service_state.last_round() is None:
            assert time.monotonic() < end, f"the worker did no round: {self.wanted.folder}/worker.log"
            time.sleep(0.2)

    def _journal(self, number: int) -> Path:
        return self.wanted.folder / f"journal-{number}"

    def _stop(self) -> None:
        """As if the plug was pulled: the agents first, so that nothing is under way."""
        self._heal() if self.wanted.bounded else None
        for machine in self.machines:
            machine.stop()
        self.bench.stop()
        self.proxy.close()
        self._heal()

    def _audit(self) -> None:
        from django.db import connection

        from runs.models import Run
        from tests.chaos import audit

        connection.close()
        journals = [self._journal(machine.facts["number"]) for machine in self.machines]  # type: ignore[arg-type]
        found = audit.violations(journals, self.bad, self.lost, bounded=self.wanted.bounded)
        self.told.late = [said for said in found if audit.is_late(said)]
        self.told.violations = [said for said in found if not audit.is_late(said)]
        self.told.runs = [f"{run.pk} {run.state} {run.verdict}" for run in Run.objects.order_by("id")]

    def _await_the_end(self) -> None:
        from tests.chaos import audit

        end_s = self._pace.fair_s() + SETTLE_S
        while self._pace.fair_s() < end_s and self._now() < LONGEST_S:
            with contextlib.suppress(_database_error()):
                if audit.all_over({pk for pk, one in zip(self.pks, self.machines, strict=True) if one.is_on}):
                    return
            time.sleep(0.5)

    def _operate(self) -> None:
        """Releases who is held, after a retry, and vets again who is done, while there is time."""
        from tests.chaos import hosts

        while not self._over.wait(OPERATOR_EVERY_S):
            with contextlib.suppress(_database_error()):
                hosts.operate(start_more=self._now_of_plan() < STARTS_MORE * self.wanted.seconds)

    # --- faults ---------------------------------------------------------------------------------------------------

    def _happen(self) -> None:
        chosen = self.wanted
        for step in steps(chosen.seed, chosen.seconds, chosen.machines, bounded=chosen.bounded):
            self._wait_until(step.at_s)
            self.told.events.append(f"{self._now():6.2f} s  {step}  -> {self._strike(step) or 'done'}")
        self._wait_until(chosen.seconds)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _now_of_plan(self) -> float:
        """Slower than ours where others use this machine: hosts and processes get as far until the next fault."""
        return self._pace.fair_s() - self._fairly_began_s

    def _wait_until(self, at_s: float) -> None:
        """Ends what is over meanwhile."""
        while self._now_of_plan() < at_s:
            time.sleep(LOOK_EVERY_S)
            self._end_what_is_over(self._now())

    def _end_what_is_over(self, now_s: float) -> None:
        while self._undo and self._undo[0][0] <= now_s:
            heapq.heappop(self._undo)[2]()

    def _heal(self) -> None:
        self._end_what_is_over(float("inf"))

    def _later(self, step: Step, undo: Callable[[], None]) -> None:
        heapq.heappush(self._undo, (self._now() + step.lasts_s, len(self.told.events), undo))

    def _strike(self, step: Step) -> str:
        if step.fault in NET:
            self.proxy.now.add(step.fault)
            self._later(step, lambda: self.proxy.now.discard(step.fault))
            return ""
        return _STRIKES[step.fault](self, step)

    def _target(self, step: Step) -> Any:
        if step.target.startswith("machine"):
            return self.machines[int(step.target.split()[1]) - 1].process()
        return self.bench.process(step.target)

    def _kill(self, step: Step) -> str:
        return "" if end_with(self._target(step), signal.SIGKILL) else "it does not run"

    def _freeze(self, step: Step) -> str:
        process = self._target(step)
        if not end_with(process, signal.SIGSTOP):
            return "it does not run"
        self._later(step, lambda: end_with(process, signal.SIGCONT) and None)
        return ""

    def _crash(self, step: Step) -> str:
        self.bench.crash()
        return ""

    def _reset(self, step: Step) -> str:
        index = int(step.target.split()[1]) - 1
        self.lost.add(self.pks[index])
        self.machines[index].reset()
        return ""

    def _move_clock(self, step: Step) -> str:
        self.bench.move_clock(step.hours)
        self._later(step, lambda: self.bench.move_clock(0))
        return ""

    def _fill(self, step: Step) -> str:
        if not os.path.ismount(self.bench.folder):
            return "left out: a small disk can be mounted by root alone"
        filler = self.bench.folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"\0" * 65536):
                pass
        self._later(step, lambda: filler.unlink(missing_ok=True))
        return ""

    def _lock(self, step: Step) -> str:
        from tests.chaos import databases

        threading.Thread(target=databases.lock, args=(self.wanted.database, step.lasts_s), daemon=True).start()
        return ""

    def _hang_up(self, step: Step) -> str:
        from tests.chaos import databases

        return databases.drop_connections(self.wanted.database)


_STRIKES: dict[Fault, Callable[[Campaign, Step], str]] = {
    Fault.KILL: Campaign._kill,
    Fault.FREEZE: Campaign._freeze,
    Fault.CRASH: Campaign._crash,
    Fault.RESET: Campaign._reset,
    Fault.CLOCK: Campaign._move_clock,
    Fault.FULL: Campaign._fill,
    Fault.LOCK: Campaign._lock,
    Fault.HANG_UP: Campaign._hang_up,
}


def _django(env: dict[str, str]) -> None:
    os.environ |= env
    import django

    django.setup()


def _database_error() -> type[Exception]:
    from django.db import Error

    return Error


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own below `folder`, where we may mount one."""
    data = folder / "data"
    data.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "vetting-chaos", str(data)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            kept = folder / "kept"
            shutil.copytree(data, kept, ignore=shutil.ignore_patterns("filler"))
            subprocess.run(["umount", "-l", str(data)], check=False)
            data.rmdir()
            kept.rename(data)
