"""Runs one attempt of a stage at a time: starts it in its own thread, waits for the result, and abandons an attempt
that does not stop when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from agent.attempt import Attempt, carry_out, too_hot_result
from agent.contract import wire
from agent.events import Events, Finished, Timing
from agent.link import instructions
from agent.link.heartbeat import IDLE, AtWork, Heartbeat
from agent.link.instructions import Instruction
from agent.runtime import Runtime
from agent.stage import StageContext, StageMemory


class AttemptRunner:
    """`run` and `end` belong to the deciding thread. `stop_if_told` and `too_hot` may be called from any thread."""

    def __init__(
        self,
        runtime: Runtime,
        timing: Timing,
        events: Events,
        heartbeat: Heartbeat,
        announce: Callable[[str, str], None],
    ) -> None:
        self.runtime, self.timing, self.events = runtime, timing, events
        self.heartbeat, self._announce = heartbeat, announce
        self._running: Attempt | None = None
        self._abandoned_thread: threading.Thread | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether an abandoned attempt still runs. No other attempt may start meanwhile."""
        return self._abandoned_thread is not None and self._abandoned_thread.is_alive()

    def run(self, instruction: Instruction, claim: wire.ClaimAnswer) -> tuple[wire.Result | None, Instruction]:
        """Run the stage that `instruction` names. Returns its result, already kept in a file, and the newest
        instruction. The result is None for an attempt that was abandoned on the orchestrator's order: the orchestrator
        knows why. Call `end` once the result is sent."""
        order = next(order for order in claim.stages if order.name == instruction.state)
        attempt = Attempt(replace(order, attempt=instruction.attempt))
        self._begin(attempt, instruction.overrides, claim)
        result, newest = self._wait(attempt, instruction)
        if result is not None:
            self._announce("info", f"{order.title}: {result.outcome}{f' ({result.reason})' if result.reason else ''}")
            self._keep(result)
            return result, newest
        self.runtime.say("error", f"{order.name} did not stop in time: {attempt.stop.reason}")
        self._abandoned_thread = attempt.thread
        return self._result_of_abandoned(attempt), newest

    def end(self) -> None:
        """Tell the heartbeat and the log that no stage is at work."""
        self._running, self.runtime.outbox.stage = None, ""
        self.heartbeat.work_on(IDLE)

    def stop(self, why: str) -> None:
        """Tell the running attempt, if there is one, to stop."""
        if self._running is not None:
            self._running.stop.set(why)

    def stop_if_told(self, instruction: Instruction) -> None:
        """Stop the running attempt if `instruction` asks for that."""
        running = self._running
        if running is not None and (why := instructions.stop_reason(instruction, running.key)):
            running.stop.set(why)

    def too_hot(self, finding: wire.Finding) -> bool:
        """Stop the running attempt because a part is too hot. Returns whether the finding is new."""
        running = self._running
        return running is not None and running.too_hot(finding)

    def abandon(self, why: str) -> None:
        """Stop the running attempt, if there is one, and drop its result."""
        if self._running is not None:
            self._running.abandon(why)

    def _begin(self, attempt: Attempt, overrides: list[wire.OverrideFlags], claim: wire.ClaimAnswer) -> None:
        order, runtime = attempt.order, self.runtime
        at_work = AtWork(order.name, order.attempt)
        context = StageContext(
            order=order,
            claim=claim,
            inventory=runtime.inventory,
            overrides=overrides,
            progress=self.heartbeat.progress,
            log=runtime.outbox.log,
            measure=runtime.outbox.measure,
            stop=attempt.stop,
            last_continue_age_s=lambda: self.heartbeat.last_continue_age_s(at_work),
            in_image=runtime.in_image,
            memory=StageMemory(runtime.directory, order.name, order.attempt),
            link_s=self.heartbeat.link_s,
        )
        self._running, runtime.outbox.stage = attempt, order.name
        self.heartbeat.work_on(at_work)
        again = f", attempt {order.attempt}" if order.attempt > 1 else ""
        self._announce("info", f"{order.title}{again} begins")
        attempt.thread = threading.Thread(target=self._carry_out, args=(attempt, context), name="stage", daemon=True)
        attempt.thread.start()

    def _carry_out(self, attempt: Attempt, context: StageContext) -> None:
        """Runs in the stage's thread."""
        result = carry_out(attempt, context, self.runtime)
        if result is not None:
            self.events.put(Finished(attempt, result))

    def _wait(self, attempt: Attempt, newest: Instruction) -> tuple[wire.Result | None, Instruction]:
        """The result, and the newest instruction. The result is None when the stage was told to stop and did not, most
        likely because it hangs in the I/O of a failing disk. It is abandoned then, so that the hold can open."""
        stopped_at = float("inf")
        while (left_s := stopped_at + self._stop_timeout_s(attempt, newest) - time.monotonic()) > 0:
            event = self.events.next(min(left_s, self.timing.refused_s))
            if isinstance(event, Finished) and event.attempt is attempt:
                return event.result, newest
            if isinstance(event, Instruction) and instructions.stop_reason(event, attempt.key):
                newest = event
            if attempt.stop.is_set():
                stopped_at = min(stopped_at, time.monotonic())
        attempt.abandon(attempt.stop.reason)
        return None, newest

    def _stop_timeout_s(self, attempt: Attempt, newest: Instruction) -> float:
        """How long a stopped attempt may take. One that ran too hot gets the time to read its error counters, once its
        load is off and unless the orchestrator has ordered a stop as well."""
        reads_counters = attempt.hot and attempt.tested.is_set() and not instructions.stop_reason(newest, attempt.key)
        return self.timing.counters_timeout_s if reads_counters else self.timing.stop_timeout_s

    def _keep(self, result: wire.Result) -> None:
        """Write the result first, then the counters that the next stage starts from. If the agent is killed in between,
        an error is blamed on two stages; in the other order it would be lost."""
        self.runtime.results.keep(result)
        self.runtime.book.commit()
        self.runtime.kernel_log.commit()

    def _result_of_abandoned(self, attempt: Attempt) -> wire.Result | None:
        """Only the agent knows that a part ran too hot, so it reports that. Any other stop was ordered by the
        orchestrator, which knows the reason."""
        if not attempt.hot:
            return None
        result = too_hot_result(attempt, self.runtime.identity.boot_id)
        self.runtime.results.keep(result)
        return result
