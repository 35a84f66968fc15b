"""The agent's life in one boot: hello, claim, stage after stage as ordered, a hold if it failed, off at
the end.

One thread (the caller's) decides. The heartbeat, the stage at work and SIGTERM put what they have to say
into its queue, so that nothing it does depends on which of them was first.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TypeVar

from agent import retrying
from agent.attempt import Attempt, carry_out, too_hot_result
from agent.contract import codec, wire
from agent.events import Events, Finished, Quit, RunIsOver, Timing
from agent.host import clock
from agent.host.hold import HoldFailed
from agent.link import delivery, orders
from agent.link.errors import BadMessage, CallFailed, NotAllowed
from agent.link.heartbeat import IDLE, AtWork, Heartbeat
from agent.link.orders import Action, Word
from agent.runtime import Runtime
from agent.sensors.critical_limit import CriticalTemperature
from agent.sensors.sidecar import Sidecar
from agent.stage import StageContext, StageMemory

T = TypeVar("T")


class Agent:
    """`run` returns when the host is about to power off, or after `quit`."""

    def __init__(self, runtime: Runtime, timing: Timing | None = None) -> None:
        self.runtime, self.timing = runtime, timing or Timing()
        self.events = Events()
        self.word = Word("")
        self.claim: wire.ClaimAnswer | None = None
        self.done: set[tuple[str, int]] = set()
        self.running: Attempt | None = None
        self._left_behind: threading.Thread | None = None
        self.sidecar: Sidecar | None = None
        self.heartbeat = Heartbeat(
            runtime.client.another(), runtime.identity.boot_id, self._heard, runtime.say, self.timing.heartbeat_s
        )
        self._hold_due = self._claim_due = 0.0
        self._announced = ""
        self._is_off = False

    def quit(self) -> None:
        """From a signal handler or another thread."""
        self.events.put(Quit())

    def run(self) -> None:
        try:
            self._live()
        except Quit:
            pass
        finally:
            self._finish()

    def _live(self) -> None:
        try:
            self._arrive()
            while not self._is_off:
                self._step()
        except RunIsOver as over:
            self._shut_down(str(over))
        self._await_the_end()

    def _arrive(self) -> None:
        runtime = self.runtime
        runtime.kernel_log.start()
        self._hello()
        runtime.outbox.start(runtime.client.another())
        self._claim()
        self.heartbeat.start()  # one that came before the claim would be refused
        limit = CriticalTemperature(self._claimed().sensor_limits)
        self.sidecar = Sidecar(
            runtime.root,
            limit,
            runtime.outbox.measure,
            self._too_hot,
            runtime.say,
            runtime.slow_sensors,
            self.timing.sample_s,
        )
        self.sidecar.start()
        for result in runtime.results.waiting():
            self._send(result)

    def _hello(self) -> None:
        me = self.runtime.identity
        while True:
            message = wire.Hello(me.boot_id, self.runtime.address(), me.macs, me.dmi_uuid, codec.fingerprint())
            answer = self._until_answered("hello", message, wire.HelloAnswer)
            if answer.cmd is wire.Cmd.SHUTDOWN:
                raise RunIsOver(answer.reason)
            if answer.cmd is not wire.Cmd.ABORT:
                clock.follow(answer.now, self.runtime.set_clock, self.runtime.say)
                return
            self._announce("error", f"the orchestrator does not want this agent: {answer.reason}")
            self.events.pause(self.timing.refused_s)

    def _claim(self) -> None:
        me = self.runtime.identity
        message = wire.Claim(me.boot_id, me.dmi_uuid, me.macs)
        self.claim = self._until_answered("claim", message, wire.ClaimAnswer)
        self._claim_due = time.monotonic() + self.timing.refused_s
        self.word = orders.from_claim(self.claim)
        self._announce("info", f"{self.claim.host}, run {self.claim.run}, boot {self.claim.boot}: claimed")

    def _claimed(self) -> wire.ClaimAnswer:
        assert self.claim is not None, "nothing is done before the first claim was answered"
        return self.claim

    def _until_answered(self, call: str, message: object, answer: type[T]) -> T:
        return retrying.until_answered(
            lambda: self.runtime.client.post(call, message, answer), self.events, self.timing, self._announce
        )

    def _step(self) -> None:
        """Do what the newest word asks for, until something else is heard."""
        action = orders.decide(self.word, {order.name for order in self._claimed().stages}, self.done)
        if action is Action.SHUT_DOWN:
            raise RunIsOver(self.word.reason)
        if action is Action.TEST and self._left_behind is not None and self._left_behind.is_alive():
            self._announce("error", f"{self.word.state} does not start: what was told to stop before still runs")
            self._listen(self.timing.refused_s)
        elif action is Action.TEST:
            self._test()
        elif action is Action.HOLD:
            self._keep_held()
        elif action is Action.AWAIT_GO:
            self._leave_hold()
            self._announce("info", f"{self.word.state} waits for its turn")
            self._listen(self.timing.refused_s)
        elif self._knows_too_little() and time.monotonic() >= self._claim_due:
            self._claim()
        else:
            self._listen(self.timing.retry_cap_s)

    def _knows_too_little(self) -> bool:
        """A stage may start that no claim of ours ordered: claimed as a mere hold, and retried since."""
        return self.word.go and self.word.key not in self.done

    def _listen(self, timeout_s: float) -> None:
        event = self.events.next(timeout_s)
        if isinstance(event, Word):
            self.word = event

    def _heard(self, answer: wire.HeartbeatAnswer) -> None:
        """In the heartbeat's thread: what can't wait is done here, the rest in its turn."""
        word, running = orders.from_heartbeat(answer), self.running
        if running is not None and (why := orders.breaks_off(word, running.key)):
            running.stop.set(why)
        self.events.put(word)

    def _too_hot(self, finding: wire.Finding) -> None:
        """In the side-car's thread: the load is stopped first, then it is said in the log and on the screen."""
        running = self.running
        if running is not None and running.too_hot(finding):
            self.runtime.say("error", finding.message)

    def _announce(self, level: str, text: str) -> None:
        """On the screen when it is news."""
        if text != self._announced:
            self._announced = text
            self.runtime.say(level, text)

    def _test(self) -> None:
        self._leave_hold()
        order = next(order for order in self._claimed().stages if order.name == self.word.state)
        attempt = Attempt(replace(order, attempt=self.word.attempt))
        self._begin(attempt, self.word.overrides)
        result = self._until_finished(attempt)
        self.done.add(attempt.key)
        if result is not None:
            self._announce("info", f"{order.title}: {result.outcome}{_because(result.reason)}")
            self._keep(result)
        else:
            self.runtime.say("error", f"{order.name} did not stop in time: {attempt.stop.reason}")
            self._left_behind = attempt.thread
            result = self._what_is_known(attempt)
        if result is not None:
            self._send(result)
        self._end_of_work()

    def _keep(self, result: wire.Result) -> None:
        """The result first, then where the next stage's counting begins: killed in between, an error is blamed
        twice, never lost."""
        self.runtime.results.keep(result)
        self.runtime.book.commit()
        self.runtime.kernel_log.commit()

    def _what_is_known(self, attempt: Attempt) -> wire.Result | None:
        """Of one that was left behind. Who orders a stop knows why; a part that ran too hot only we know of."""
        if not attempt.hot:
            return None
        result = too_hot_result(attempt, self.runtime.identity.boot_id)
        self.runtime.results.keep(result)
        return result

    def _begin(self, attempt: Attempt, overrides: list[wire.OverrideFlags]) -> None:
        order, runtime = attempt.order, self.runtime
        at_work = AtWork(order.name, order.attempt)
        context = StageContext(
            order=order,
            claim=self._claimed(),
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
        self.running, runtime.outbox.stage = attempt, order.name
        self.heartbeat.work_on(at_work)
        again = f", attempt {order.attempt}" if order.attempt > 1 else ""
        self._announce("info", f"{order.title}{again} begins")
        attempt.thread = threading.Thread(target=self._carry_out, args=(attempt, context), name="stage", daemon=True)
        attempt.thread.start()

    def _carry_out(self, attempt: Attempt, context: StageContext) -> None:
        """In the stage's thread."""
        result = carry_out(attempt, context, self.runtime)
        if result is not None:
            self.events.put(Finished(attempt, result))

    def _until_finished(self, attempt: Attempt) -> wire.Result | None:
        """The result; None when the stage was told to stop and didn't: stuck in the I/O of a dying disk, most
        likely. It is left behind then, because the hold must come up."""
        stopped_at = float("inf")
        while (left_s := stopped_at + self._patience_s(attempt) - time.monotonic()) > 0:
            event = self.events.next(min(left_s, self.timing.refused_s))
            if isinstance(event, Finished) and event.attempt is attempt:
                return event.result
            if isinstance(event, Word) and orders.breaks_off(event, attempt.key):
                self.word = event
            if attempt.stop.is_set():
                stopped_at = min(stopped_at, time.monotonic())
        attempt.leave(attempt.stop.reason)
        return None

    def _patience_s(self, attempt: Attempt) -> float:
        """One that ran too hot has much to tell: once its load is off, its counters are waited for."""
        reading = attempt.hot and attempt.tested.is_set() and not orders.breaks_off(self.word, attempt.key)
        return self.timing.counters_patience_s if reading else self.timing.stop_patience_s

    def _end_of_work(self) -> None:
        self.running, self.runtime.outbox.stage = None, ""
        self.heartbeat.work_on(IDLE)

    def _send(self, result: wire.Result) -> None:
        """Until it is answered; the answer says what comes next. A result for a run that moved on without
        us is dropped, and the claim asked again."""
        self.done.add((result.stage, result.attempt))
        try:
            answer = retrying.until_reachable(lambda: self._deliver(result), self.events, self.timing, self._announce)
            self.word = orders.from_result(answer)
        except (NotAllowed, BadMessage) as error:
            self._announce("error", f"the result of {result.stage} was not taken: {error}")
            self._claim()
        self.runtime.results.answered(result.stage, result.attempt)

    def _deliver(self, result: wire.Result) -> wire.ResultAnswer:
        """One try. What was measured goes first each time, also after an outage or a restart: a broken limit is booked
        on the stage that is current when it arrives."""
        self.runtime.outbox.flush(self.timing.flush_patience_s)
        return delivery.deliver(self.runtime.client, result, self.runtime.outbox.log)

    def _keep_held(self) -> None:
        """Open the hold, and renew it now and then: a new key, or who is logged in, travels with it."""
        if time.monotonic() >= self._hold_due:
            self._hold_due = time.monotonic() + self.timing.hold_refresh_s
            try:
                self._hold()
            except HoldFailed as error:
                self._announce("error", f"the host can't be held open: {error}")
            except CallFailed as error:
                self._announce("warning", f"the hold is not confirmed: {error}")
        self._listen(self._hold_due - time.monotonic())

    def _hold(self) -> None:
        hold, address = self.runtime.hold, self.runtime.address()
        message = hold.message(self.runtime.identity.boot_id, address)
        answer = self.runtime.client.post("hold", message, wire.HoldAnswer)
        hold.admit(answer.authorized_key)
        self._announce("info", f"the run has failed: the host is held open for SSH at {address}")

    def _leave_hold(self) -> None:
        """What happened while a person had the machine is not counted against the stage that follows."""
        if not self.runtime.hold.is_open:
            return
        self.runtime.hold.close()
        self.runtime.book.forget()
        self.runtime.kernel_log.take(self.runtime.names())
        self.runtime.kernel_log.commit()
        self._hold_due = 0.0
        self._announce("info", "the hold is closed")

    def _shut_down(self, reason: str) -> None:
        """The key and the logins go first, while the machine is still up; then it must be possible to
        wake it."""
        self._is_off = True
        if self.running is not None:
            self.running.stop.set(f"the run was ended: {reason}")
        self.runtime.hold.close()
        self.runtime.power.arm_wake_on_lan()
        self._announce("info", f"the run is over{_because(reason)}: powering off")
        self.runtime.outbox.finish()
        self.runtime.power.off()

    def _await_the_end(self) -> None:
        """systemd ends us on the way down. Where it doesn't, the next agent is told the same again."""
        until = time.monotonic() + self.timing.poweroff_patience_s
        while (left_s := until - time.monotonic()) > 0:
            self.events.next(left_s)

    def _finish(self) -> None:
        if self.running is not None:
            self.running.leave("the agent is ending")
        self.heartbeat.finish()
        if self.sidecar is not None:
            self.sidecar.finish()
        self.runtime.kernel_log.finish()
        self.runtime.outbox.finish()
        self.runtime.client.close()


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
