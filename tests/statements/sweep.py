"""A call, with a fault at each of its statements in turn."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from zlib import crc32

import time_machine
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from agentapi.refusals import refusals
from pxe.link import ownport
from runs import intake, invariants, tokens
from runs.measurements import series_ids
from tests.statements import snapshots, state
from tests.statements.faults import AT_COMMITS_ALONE, COMMIT, Cut, Fault, Injector, injected, reopen
from vetting.doctor import INVARIANTS

Done = set[int]
# Answers whether it was answered; where not, its caller makes it again. `Done` is for those that are several.
Act = Callable[[Done], bool]
TRIES = 3


def forget() -> None:
    """What a process that has just started does not know; and that enough time has gone by to try again."""
    ownport._looked_at = None
    refusals._told.clear()


class Caller(Enum):
    """Who makes the call again, and when: an agent and an operator until they are answered, a tick comes always."""

    AGENT = "agent"
    OPERATOR = "operator"
    TICK = "tick"


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the rows that the call needs, and returns the call. `meanwhile` is what has changed until it is
    made again; `allows` a difference that the page on what happens if a part dies speaks of."""

    name: str
    caller: Caller
    prepare: Callable[[], Act]
    meanwhile: Callable[[], object] = forget
    allows: Callable[[str, Fault | None], bool] = lambda difference, fault: False


@dataclass
class Outcome:
    """`positions`: statements and commits of the call; `faults`: how many were tried; `broken`: what was wrong."""

    positions: int = 0
    faults: int = 0
    broken: list[str] = field(default_factory=list)


def sweep(scenario: Scenario, *, whole: bool, every: int = 1) -> Outcome:
    """Each position with each fault that it can have. Where it is not the `whole`, each commit and every so-many-th
    statement with one of them, in turn."""
    act = scenario.prepare()
    world = World()
    counted = Injector()
    expected = _without_a_fault(scenario, act, world, counted)
    outcome = Outcome(positions=len(counted.seen))
    for at, fault in _positions(scenario, counted.seen, whole, every):
        outcome.faults += 1
        if wrong := _with_a_fault(scenario, act, world, Injector(fault, at), expected):
            where = f"{scenario.name}, {fault} at {at} of {len(counted.seen)} ({counted.seen[at - 1][:100]})"
            outcome.broken.append("\n  ".join([where, *wrong[:12]]))
    return outcome


class World:
    """The rows and files as they are now, to come back to. `broken` are the invariants that do not hold at the end of
    the call even without a fault: some rows were made by hand."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.at = timezone.now()
        self.rows = snapshots.take()
        self._files = settings.RUNS_DIR.with_name("runs-before")
        shutil.rmtree(self._files, ignore_errors=True)
        shutil.copytree(settings.RUNS_DIR, self._files) if settings.RUNS_DIR.exists() else self._files.mkdir()

    @contextmanager
    def restored(self) -> Iterator[None]:
        self.rows.restore()
        if _names(settings.RUNS_DIR) or _names(self._files):
            shutil.rmtree(settings.RUNS_DIR, ignore_errors=True)
            shutil.copytree(self._files, settings.RUNS_DIR)
        shutil.rmtree(settings.PXE_DIR, ignore_errors=True)  # where dnsmasq's log was read to
        forget()
        intake._sensor_limits.cache_clear()
        series_ids.forget()
        state.SENT.clear()
        with time_machine.travel(self.at):
            yield


def _positions(scenario: Scenario, seen: list[str], whole: bool, every: int) -> Iterator[tuple[int, Fault]]:
    turn = crc32(scenario.name.encode())
    for at, text in enumerate(seen, start=1):
        if not whole and text != COMMIT and (at + turn) % every:
            continue
        faults = [fault for fault in Fault if text == COMMIT or fault not in AT_COMMITS_ALONE]
        for fault in faults if whole else [faults[(at + turn) % len(faults)]]:
            yield at, fault


def _without_a_fault(scenario: Scenario, act: Act, world: World, counted: Injector) -> state.State:
    """The end as it should be; the same where the call was made twice."""
    with world.restored():
        with injected(counted):
            assert act(set()), f"{scenario.name} is not answered, even without a fault"
        if scenario.caller is Caller.TICK:
            _again(scenario, act, set())
        once = state.read()
        world.broken = _invariants()
        if scenario.caller is Caller.AGENT:
            act(set())
            assert not (more := state.differences(once, state.read())), f"{scenario.name} counts twice: {more}"
        return once


def _with_a_fault(scenario: Scenario, act: Act, world: World, injector: Injector, expected: state.State) -> list[str]:
    done: Done = set()
    with world.restored():
        answered = _strike(act, done, injector)
        wrong = [] if injector.happened else ["the statement was not reached: the call differs from time to time"]
        if not answered or scenario.caller is Caller.TICK:
            answered = _again(scenario, act, done)
        if not answered:
            wrong.append(f"not answered after {TRIES} tries more")
        if different := state.differences(expected, state.read()):  # what is as without the fault breaks nothing
            wrong += [line for line in different if not scenario.allows(line, injector.fault)]
            wrong += sorted(_invariants() - world.broken)
    return wrong


def _strike(act: Act, done: Done, injector: Injector) -> bool:
    if injector.fault is Fault.KILLED:
        return _strike_a_child(act, done, injector)
    close_old_connections()
    try:
        with injected(injector):
            return act(done)
    except Cut:
        reopen()
        tokens._memo._known.clear()
        return False


def _strike_a_child(act: Act, done: Done, injector: Injector) -> bool:
    connection.close()
    if (child := os.fork()) == 0:
        try:
            with injected(injector):
                act(done)
        finally:
            os._exit(0)
    injector.happened = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return False


def _again(scenario: Scenario, act: Act, done: Done) -> bool:
    answered = False
    for _ in range(TRIES):
        scenario.meanwhile()
        close_old_connections()
        answered = act(done)
        if answered and scenario.caller is not Caller.TICK:
            break
    return answered


def _invariants() -> set[str]:
    return {f"{one.invariant} of run {one.run}: {one.says}" for one in invariants.check(invariants=INVARIANTS)}


def _names(folder: Path) -> list[Any]:
    return list(folder.iterdir()) if folder.exists() else []
