"""The life of one rack run: the machine is woken, vetted, broken when its file says so, and the end is
compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.rack import disks, faults, outcome, starve
from tests.rack.desk import DeskRefused
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.guestport import GuestSilent
from tests.rack.machinefile import OperatorStep
from tests.rack.outcome import Found, Seen, failed_stage
from tests.rack.qmp import QmpError
from tests.rack.rack import Rack
from tests.rack.ssh import Login

POLL_S = 0.5
BUTTON_AFTER_S = 2.0
# A failed run goes on to FailedHolding with the agent's next call, five seconds later at most; under load it
# takes longer.
HOLD_GRACE_S = 30.0
# One that has reset by itself and is on its way up again holds as soon as it is there.
REBOOT_GRACE_S = 180.0
LOGIN_WITHIN_S = 60.0
ENDS = ("Completed", "Released", "Cancelled")


@dataclass
class Planned:
    """Something that happens `after_s` after the run's first entry into `when`."""

    when: str
    after_s: float
    what: str
    do: Callable[[], None]


def vet(rack: Rack) -> tuple[Seen, list[str]]:
    """What came of the rack's machine, and each way in which that is not what its file says. Logs and database stay
    where there is one, and where the rack broke."""
    life = Life(rack)
    try:
        seen = life.live()
    except RackBroken:
        rack.keep_files = True
        raise
    failures = outcome.failures(rack.machine.outcome, seen)
    failures += [f"not over after {rack.machine.limit_s} s"] if life.overdue else []
    rack.keep_files |= bool(failures)
    return seen, failures


class Life:
    def __init__(self, rack: Rack) -> None:
        self._rack = rack
        self._events: list[dict[str, Any]] = []
        self._entered: dict[str, float] = {}
        self._planned = list(self._plan())
        self._steps = list(rack.machine.operator)
        self._step_done_at = 0.0
        self._logged_in: bool | None = None
        self._login: Login | None = None
        self._before: list[str] = []
        self._touched_too_early: set[str] = set()
        self.overdue = False

    def live(self) -> Seen:
        """From switching on to the end; raises RackBroken when the bench failed."""
        machine, vm = self._rack.machine, self._rack.vm
        self._before = disks.digests(machine, vm.bay)
        try:
            self._rack.register()
            run = self._rack.start_run()
        except DeskRefused as error:  # an unknown profile, an override of nothing, a spec that is none
            raise BadMachineFile(f"{machine.name}: {error}") from error
        self._rack.progress.say(f"run {run} of {machine.name}, profile {machine.profile}")
        snapshot = self._follow()
        if machine.bad_core and "CPUStress" in self._entered:
            self._rack.progress.say(f"* {vm.miscalculated()}")
        touched = disks.touched(machine, self._before, disks.digests(machine, vm.bay))
        given_up = {step.serial for step in machine.operator if step.do == "override_wipe" and step.serial}
        return self._seen(snapshot, (touched - given_up) | self._touched_too_early)

    def _follow(self) -> dict[str, Any]:
        deadline = time.monotonic() + self._rack.machine.limit_s
        while True:
            snapshot = self._look()
            self._try_the_key(snapshot)
            self._let_happen()
            self._starve()
            self._act(snapshot)
            if self._is_over(snapshot):
                return snapshot
            if time.monotonic() > deadline:
                self.overdue = True
                return snapshot
            time.sleep(POLL_S)

    def _look(self) -> dict[str, Any]:
        """The run as it is now, with all of its events."""
        if self._rack.broken is not None:
            raise self._rack.broken
        if not self._rack.orchestrator.is_up:
            raise RackBroken(f"the orchestrator has ended:\n{self._rack.orchestrator.last_words()}")
        snapshot = self._rack.snapshot(after_event=self._events[-1]["id"] if self._events else 0)
        self._rack.progress.show(snapshot)
        self._events += snapshot["events"]
        for event in snapshot["events"]:
            self._entered.setdefault(event["after"], event["at"])
        return {**snapshot, "events": self._events}

    def _plan(self) -> Iterator[Planned]:
        machine = self._rack.machine
        if machine.wake == "operator":
            yield Planned("WaitingWoL", BUTTON_AFTER_S, "the power button is pressed", self._press_power)
        for bad in machine.bad_ram:
            if (after_s := machine.goes_bad_after_s(bad)) is not None:
                what = f"{bad.dimm} goes bad at {bad.offset_mb:g} MiB: {bad.kind}"
                yield Planned("Memory", after_s, what, lambda bad=bad: self._rack.vm.go_bad(bad))
        if machine.bad_core:
            what = f"core {machine.bad_core.cpu} calculates wrongly with p = {machine.bad_core.p:g}"
            yield Planned("CPUStress", 0, what, self._rack.vm.miscalculate)
        for event in machine.events:
            what = " ".join(filter(None, (event.do, event.target, event.text)))
            for action in faults.actions(machine, event):
                yield Planned(
                    event.when,
                    event.after_s + action.after_s,
                    what,
                    lambda a=action: a.do(self._rack.bench()),
                )

    def _let_happen(self) -> None:
        now = time.time()
        due = [p for p in self._planned if p.when in self._entered and now >= self._entered[p.when] + p.after_s]
        for planned in due:
            self._planned.remove(planned)
            self._rack.progress.say(f"* {planned.what}")
            try:
                planned.do()
            except (QmpError, GuestSilent, OSError) as error:
                raise RackBroken(f"{planned.what} could not be done: {error}") from error

    def _starve(self) -> None:
        """Loops that compete with the orchestrator, for as long as the file says."""
        loops, wanted = self._rack.loops, self._rack.machine.bench
        if not wanted.busy_loops:
            return
        is_due = starve.is_due(wanted, self._events)
        if is_due is loops.are_running:
            return
        (loops.start if is_due else loops.stop)()
        self._rack.progress.say(f"* {wanted.busy_loops} busy loops {'begin' if is_due else 'end'}")

    def _press_power(self) -> None:
        self._rack.vm.press_power()

    def _act(self, snapshot: dict[str, Any]) -> None:
        """The operator's steps, in their order; the next one waits until the run has moved on after the
        last."""
        if not self._steps or self._key_is_untried() or not self._is_due(self._steps[0], snapshot):
            return
        step = self._steps.pop(0)
        if step.do == "override_wipe":
            now = disks.digests(self._rack.machine, self._rack.vm.bay)
            self._touched_too_early |= disks.touched(self._rack.machine, self._before, now) & {step.serial or ""}
        named = {word: value for word in ("serial", "stage") if (value := getattr(step, word))}
        self._rack.progress.say(f"* operator: {step.do} {' '.join(named.values())}".rstrip())
        try:
            self._rack.desk.ask(step.do, run=self._rack.run, **named)
        except DeskRefused as error:
            raise RackBroken(f"the operator's step was refused: {error}") from error
        more_disks = bool(self._steps) and step.do == self._steps[0].do == "override_wipe"
        self._step_done_at = self._step_done_at if more_disks else time.time()

    def _is_due(self, step: OperatorStep, snapshot: dict[str, Any]) -> bool:
        entries = [event["at"] for event in self._events if event["after"] == step.when != event["before"]]
        if snapshot["state"] != step.when or not entries or time.time() < entries[0] + step.after_s:
            return False
        return entries[-1] > self._step_done_at

    def _try_the_key(self, snapshot: dict[str, Any]) -> None:
        """The key travels in the answer to the agent's call: the door is open a moment after the run is held."""
        if not self._rack.machine.outcome.ssh or self._logged_in is not None or snapshot["state"] != "FailedHolding":
            return
        self._login = self._login or self._rack.login()
        trouble = self._login.trouble() if self._login else "the host has not said where it is held"
        if not trouble or time.time() > self._entered["FailedHolding"] + LOGIN_WITHIN_S:
            self._logged_in = not trouble
            self._rack.progress.say(f"* the hold's key {f'does not log in: {trouble}' if trouble else 'logs in'}")

    def _is_over(self, snapshot: dict[str, Any]) -> bool:
        state = snapshot["state"]
        if state in ENDS:
            return True
        if state == "Failed":
            comes_back = self._rack.machine.cycle_hung or _is_rebooting(snapshot["rungs"])
            grace_s = REBOOT_GRACE_S if comes_back else HOLD_GRACE_S
            return time.time() > self._events[-1]["at"] + grace_s
        waits_for_nobody = not self._steps and not self._key_is_untried() and self._steps_took_effect()
        return state == "FailedHolding" and waits_for_nobody

    def _key_is_untried(self) -> bool:
        return self._rack.machine.outcome.ssh and self._logged_in is None

    def _steps_took_effect(self) -> bool:
        """After the last step the run leaves the hold, for good or to come back to it."""
        return any(event["at"] > self._step_done_at and event["after"] == "FailedHolding" for event in self._events)

    def _seen(self, snapshot: dict[str, Any], touched: set[str]) -> Seen:
        def parts(severity: str) -> tuple[str, ...]:
            return tuple(sorted({f["component"] for f in snapshot["findings"] if f["severity"] == severity}))

        claimed = next((rung["at"] for rung in snapshot["rungs"] if rung["rung"] == "claimed"), None)
        on = self._rack.vm.powered_on_at[:1]
        ended = [self._entered[state] for state in (*ENDS, "Failed", "FailedHolding") if state in self._entered]
        return Seen(
            state=snapshot["state"],
            verdict=snapshot["verdict"],
            stage=failed_stage(snapshot),
            components=parts("critical"),
            warnings=parts("warning"),
            findings=tuple(sorted({finding["code"] for finding in snapshot["findings"]})),
            found=tuple(Found(**finding) for finding in snapshot["findings"]),
            touched=frozenset(touched),
            ssh=self._logged_in,
            boot_s=round(claimed - on[0], 1) if claimed and on else None,
            run_s=round(max(ended) - claimed, 1) if claimed and ended else None,
            estimate_off_percent=snapshot["estimate_off_percent"],
        )


def _is_rebooting(rungs: list[dict[str, Any]]) -> bool:
    """A later boot than the first has begun and was not claimed."""
    newest = max((rung["boot"] for rung in rungs), default=1)
    return newest > 1 and not any(rung["boot"] == newest and rung["rung"] == "claimed" for rung in rungs)
