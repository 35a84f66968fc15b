"""A disk in memory under the agent's own code for verified writes: fio, the wipe probe and the kernel are played, the
decision, the notes and the order of things are the agent's. Every write is checked as it happens.

A cell is CELL bytes and stands for each of them: parts of a segment are smaller than it."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from agent.contract import wire
from agent.disk_writes import diskio, safety, verified_writes, wipe_probe
from agent.disk_writes.disk_notes import Notes
from agent.disk_writes.safety import DiskFacts, Found, WipeReport
from agent.exercises.surface import MIB
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import fio
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageMemory
from agent.stages.storage import left_patterns
from tests.agent_stages.contexts import context

CELL = MIB // 4
SERIAL = "SATA-0001"
ZERO, DATA, FOREIGN, PATTERN = range(4)
NO_DIRECTORY = Path("/nonexistent")
ENDS_EARLY = frozenset({"write error", "no answer", "stopped", "silence", "silence after an error"})


class Killed(BaseException):
    """The agent is gone from this moment on; what it wrote and noted stays."""


class Violation(AssertionError):
    """A byte reached the disk that should not have, or something was said that is not so."""


@dataclass
class Script:
    """What happens to one life of the agent. Steps are counted over commands, notes and waits: `kill_at` is the step at
    which it is killed, `stop_at` that at which the stage is stopped, `silent` those at which nobody answers heartbeats.
    By number of the command to fio: `kill_in` the one in which it is killed, `faults` how others fail. `share` is how
    much of a command is done by then."""

    kill_at: int | None = None
    kill_in: int | None = None
    stop_at: int | None = None
    silent: frozenset[int] = frozenset()
    faults: dict[int, str] = field(default_factory=dict)
    share: float = 0.5
    segment_mb: int = 1
    write_max_mb: int = 0
    notes_fail: bool = False
    allowed: bool = True
    in_image: bool = True


class _Paper:
    """In the place of the notes' file."""

    def __init__(self, model: ModelDisk, name: str) -> None:
        self._model, self._name = model, name

    def with_suffix(self, suffix: str) -> _Paper:
        return _Paper(self._model, self._name + suffix)

    def read_text(self) -> str:
        if self._name not in self._model.papers:
            raise FileNotFoundError(self._name)
        return self._model.papers[self._name]

    def write_text(self, text: str) -> None:
        self._model.step()
        if self._model.script.notes_fail:
            raise OSError(28, "No space left on device")
        self._model.papers[self._name] = text

    def replace(self, other: _Paper) -> None:
        self._model.papers[other._name] = self._model.papers.pop(self._name)
        self._model.noted()
        self._model.step()


class _Stop(StopFlag):
    def __init__(self, model: ModelDisk) -> None:
        super().__init__()
        self._model = model

    def wait(self, timeout_s: float) -> bool:
        self._model.step()
        return self.is_set()


class ModelDisk:
    """One disk and what is known of it. `ours` are the cells that this attempt has overwritten with a pattern and
    nobody has written to since; `verified` those of them that read back well."""

    def __init__(self, size_mb: int, data: tuple[int, ...] = ()) -> None:
        self.facts = DiskFacts("sda", SERIAL, "0x5000c50012345678", "sata", size_mb)
        self.cells = bytearray(size_mb * MIB // CELL)
        for cell in data:
            self.cells[cell] = DATA
        self.entry = wire.AllowedDisk(SERIAL, "", "", 0, True)
        self.ours: set[int] = set()
        self.verified: set[int] = set()
        self.begun: set[int] = set()
        self._zeroed: set[int] = set()
        self.failed = self._seen_failing = False
        self.papers: dict[str, str] = {}
        self.attempt, self.boot = 1, 1
        self.read_only = True
        self.overrides: list[wire.OverrideFlags] = []
        self.commands: list[tuple[str, int, int]] = []
        self.steps, self.fresh, self.script, self.stop = 0, False, Script(), StopFlag()

    # --- between two lives of the agent ---------------------------------------------------------------------------

    def override(self) -> None:
        """The operator allows what is on the disk now to be destroyed, in the attempt that is to come."""
        seen = safety.digest(SERIAL, self.report().found)
        self.cells = bytearray(DATA if cell == FOREIGN else cell for cell in self.cells)
        self.overrides.append(wire.OverrideFlags(1, self.boot, "Storage", self.attempt, SERIAL, seen))

    def next_attempt(self) -> None:
        """Patterns of the attempt before are data like any other."""
        self.attempt += 1
        self._forget()

    def reboot(self) -> None:
        self.boot += 1
        self.papers.clear()
        self._forget()

    def _forget(self) -> None:
        self.cells = bytearray(DATA if cell == PATTERN else cell for cell in self.cells)
        self.ours, self.verified, self.begun = set(), set(), set()
        self.failed = self._seen_failing = False

    def somebody_writes(self, cell: int) -> None:
        """Into a place that is zero, and in no segment where patterns may stand: it could not be told from them."""
        if cell < len(self.cells) and self.cells[cell] == ZERO and cell not in self.begun | self._noted_as_begun():
            self.cells[cell] = FOREIGN
            self.ours.discard(cell)
            self.verified.discard(cell)

    def _noted_as_begun(self) -> set[int]:
        """Of segments that are noted and that no command has come to yet."""
        text = self.papers.get(f"notes-{self.attempt}", "")
        places = re.findall(r'"offset": (\d+), "length": (\d+), "state": "begun"', text)
        return {cell for at, n in places for cell in range(int(at) // CELL, (int(at) + int(n)) // CELL)}

    def shrink(self, size_mb: int) -> None:
        self.facts = replace(self.facts, size_mb=size_mb)
        del self.cells[size_mb * MIB // CELL :]
        self.ours = {cell for cell in self.ours if cell < len(self.cells)}

    def another_wwn(self) -> None:
        self.facts = replace(self.facts, wwn=self.facts.wwn[:-1] + ("9" if self.facts.wwn[-1] == "8" else "8"))

    # --- one life of the agent ------------------------------------------------------------------------------------

    def live(self, script: Script) -> Report | None:
        """The verified write of one life; None for an agent that was killed."""
        self.script, self.steps, self.fresh, self.commands = script, 0, False, []
        self.stop, self.read_only, self._seen_failing, self._zeroed = _Stop(self), True, False, set()
        ctx = self._context()
        notes, found = Notes(ctx), PartialReport()
        with _played(self):
            try:
                decided = verified_writes.decide(ctx, notes) if not self.stop.is_set() else verified_writes.NOTHING
                written = verified_writes.write_all(ctx, decided, ProgressBoard(ctx), notes)
                for report in (written, verified_writes.failures(notes), left_patterns.warnings(ctx, notes)):
                    found.checks += report.checks
                    found.findings += report.findings
                    found.numbers |= report.numbers
                    found.evidence |= report.evidence
            except Killed:
                return None
        if not self.read_only:
            raise Violation("the disk was left writable")
        self.noted()
        return Report(found, decided)

    def noted(self) -> None:
        """What failed, and what is blank again, is known from now on, also to an agent after a killed one."""
        self.failed |= self._seen_failing
        self.begun -= self._zeroed

    def _context(self) -> StageContext:
        script = self.script
        params = {"segment_mb": script.segment_mb, "write_max_mb": script.write_max_mb}
        ctx = context(
            "Storage", NO_DIRECTORY, params=params, disks=[self.entry], write_mode=True, boot=self.boot,
            destructive_allowed=script.allowed,
        )  # fmt: skip
        memory = StageMemory(NO_DIRECTORY, "Storage", self.attempt)
        memory.path = _Paper(self, f"notes-{self.attempt}")
        return replace(
            ctx, order=replace(ctx.order, attempt=self.attempt), memory=memory, stop=self.stop,
            overrides=self.overrides, last_continue_age_s=self._age_s, in_image=script.in_image,
        )  # fmt: skip

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.script.kill_at:
            raise Killed
        if self.steps == self.script.stop_at:
            self.stop.set("the run was ended")

    def _age_s(self) -> float:
        self.step()
        self.fresh = self.steps not in self.script.silent
        return 1.0 if self.fresh else 20.0

    def report(self) -> WipeReport:
        """As the probe tells a disk that it reads whole: each MiB from its first byte that is not zero to its last."""
        full = [cell for cell, content in enumerate(self.cells) if content]
        if not full:
            return WipeReport()
        by_place: dict[int, list[int]] = {}
        for cell in full:
            by_place.setdefault(cell * CELL // MIB, []).append(cell)
        ranges = tuple((cells[0] * CELL, (cells[-1] + 1 - cells[0]) * CELL) for cells in by_place.values())
        return WipeReport((Found("disk", safety.UNKNOWN_DATA, bytes(self.cells).hex(), "data", ranges),))

    # --- fio ------------------------------------------------------------------------------------------------------

    def command(self, argv: list[str], *, forbids: Callable[[], str] | None = None, **_: Any) -> Completed:
        if forbids is None:
            raise Violation("a segment is written to its end, whether the orchestrator answers or not")
        if self.stop.is_set():
            return Completed(argv, None, stopped=True)
        words = dict(word.split("=", 1) for word in argv if "=" in word)
        zeros, at, length = "--zero_buffers" in words, int(words["--offset"]) // CELL, int(words["--size"]) // CELL
        if self.read_only or not self.fresh:
            raise Violation(f"{'zeros' if zeros else 'patterns'} at {at} without gate 5")
        self.fresh = False
        fault = self.script.faults.get(len(self.commands), "")
        self.commands.append(("zeros" if zeros else "patterns", at, length))
        room = max(0, min(length, len(self.cells) - at))
        if room < length and not fault:
            fault = "full"
        partly = int(room * self.script.share)
        killed = self.steps + 1 == self.script.kill_at or len(self.commands) - 1 == self.script.kill_in
        done = partly if killed or fault in ENDS_EARLY else room
        self.begun |= set() if zeros else set(range(at, at + length))
        self._write(range(at, at + done), zeros)
        self._zeroed = set(range(at, at + length)) if zeros and done == length and not fault else set()
        if fault == "stopped":
            self.stop.set("the run was ended")
        self.step()
        if killed:
            raise Killed
        return self._answer(argv, zeros, range(at, at + done), length, fault)

    def _write(self, cells: range, zeros: bool) -> None:
        for cell in cells:
            if self.cells[cell] == FOREIGN:
                raise Violation(f"{'zeros' if zeros else 'patterns'} over what somebody wrote meanwhile, at {cell}")
            if self.cells[cell] == DATA and not self._is_overridden():
                raise Violation(f"data at {cell} was overwritten and nobody had allowed it")
            if zeros and cell not in self.ours:
                raise Violation(f"zeros at {cell}, where this attempt has written no pattern")
            self.cells[cell] = ZERO if zeros else PATTERN
            if not zeros:
                self.ours.add(cell)
                self.verified.discard(cell)

    def _is_overridden(self) -> bool:
        return any((one.boot, one.attempt) == (self.boot, self.attempt) for one in self.overrides)

    def _answer(self, argv: list[str], zeros: bool, cells: range, length: int, fault: str) -> Completed:
        done, wanted = len(cells) * CELL, length * CELL
        if fault.startswith("silence"):
            self._seen_failing |= fault != "silence"
            said = "fio: io_u error on file x: Input/output error: write offset=0, buflen=4096" * self._seen_failing
            why = "gate 5: the orchestrator last answered 15 s ago"
            return Completed(argv, None, stderr=said, stopped=True, forbidden=why)
        if fault in ("no answer", "stopped"):
            return Completed(argv, None, timed_out=fault == "no answer", stopped=fault == "stopped")
        bad = fault == "corruption" and not zeros
        error = 5 if fault == "write error" else 28 if fault == "full" else fio.VERIFY_ERRNO if bad else 0
        read = 0 if zeros or error else done
        if done == wanted and not error and not zeros:
            self.verified |= set(cells)
        self._seen_failing |= bad or fault == "write error"
        at = cells.start * CELL + done
        said = f"fio: io_u error on file x: Input/output error: write offset={at}, buflen=4096" if error == 5 else ""
        sides = {"read": {"io_bytes": read}, "write": {"io_bytes": done, "bw_bytes": 1e8}}
        return Completed(
            argv, 1 if error else 0, json.dumps({"jobs": [{"jobname": "x", "error": error, **sides}]}), said
        )


@dataclass(frozen=True)
class Report:
    """What an agent that came to its end has to say."""

    report: PartialReport
    decided: verified_writes.Decided

    def outcomes(self) -> set[wire.Outcome]:
        return {check.outcome for check in self.report.checks if check.name == verified_writes.CHECK}

    def refused_by(self) -> set[int]:
        return {one.gate for one in self.decided.refusals if one.serial == SERIAL}

    def left(self) -> set[int]:
        """The cells that are told not to be blank."""
        lines = [line.split() for line in self.report.evidence.get(f"left.{SERIAL}", "").splitlines()[1:]]
        return {cell for _, at, _, end in lines for cell in range(int(at) // CELL, (int(end) + 1) // CELL)}


class _AtOnce:
    """In the place of a pool of threads: the same, one after the other."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> _AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, call: Callable[[Any], Any], given: Any) -> list[Any]:
        return [call(one) for one in given]


@contextlib.contextmanager
def _played(model: ModelDisk) -> Iterator[None]:
    """The kernel, the probe and fio are the model's."""

    def check_identity(fd: int, grant: safety.WriteGrant, root: Path) -> None:
        if (grant.serial, grant.wwn, grant.size_mb) != (SERIAL, model.facts.wwn, model.facts.size_mb):
            raise diskio.NotWritten("gate 4: another disk")

    with contextlib.ExitStack() as stack:
        for place, name, value in (
            (verified_writes, "ThreadPoolExecutor", _AtOnce),
            (verified_writes, "facts", lambda: [model.facts]),
            (verified_writes.disks, "zones", lambda name: ""),
            (wipe_probe, "probe", lambda name, effort: model.report()),
            (diskio, "_open", lambda grant, root: os.open("/dev/null", os.O_RDONLY)),
            (diskio, "_check_identity", check_identity),
            (diskio, "_set_read_only", lambda fd, flag: setattr(model, "read_only", flag)),
            (fio, "run", lambda argv, timeout_s, **more: model.command(argv, **more)),
        ):
            stack.enter_context(mock.patch.object(place, name, value))
        yield
