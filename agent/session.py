"""The agent's session in one boot: say hello, claim the run, run each stage as told, hold the host if the run failed,
power off at the end.

One thread, the caller's, decides. The heartbeat, the running stage and SIGTERM put their events into its queue, so the
result does not depend on which of them came first.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TypeVar

from agent import retrying
from agent.attempt_runner import AttemptRunner
from agent.contract import codec, wire
from agent.events import Events, Quit, RunIsOver, Timing
from agent.hold_keeper import HoldKeeper
from agent.host import clock
from agent.link import delivery, instructions
from agent.link.errors import BadMessage, NotAllowed
from agent.link.heartbeat import Heartbeat
from agent.link.instructions import Action, Instruction
from agent.probes.bmc import watchdog as bmc_watchdog
from agent.runtime import Runtime
from agent.sensors.critical_limit import CriticalTemperature
from agent.sensors.sidecar import Sidecar

T = TypeVar("T")


class Agent:
    """`run` returns when the host is about to power off, or after `quit`."""

    def __init__(self, runtime: Runtime, timing: Timing | None = None) -> None:
        self.runtime, self.timing = runtime, timing or Timing()
        self.events = Events()
        self.instruction = Instruction("")
        self.claim: wire.ClaimAnswer | None = None
        self.done: set[tuple[str, int]] = set()
        self.sidecar: Sidecar | None = None
        self.heartbeat = Heartbeat(
            runtime.client.another(), runtime.identity.boot_id, self._heard, runtime.say, self.timing.heartbeat_s
        )
        self.attempts = AttemptRunner(runtime, self.timing, self.events, self.heartbeat, self._announce)
        self.hold = HoldKeeper(runtime, self.timing, self._announce)
        self._claim_due = 0.0
        self._early_looks: Counter[tuple[str, int]] = Counter()
        self._announced = ""
        self._is_off = False
        self._bmc_watchdog: wire.BmcWatchdog | None = None

    def quit(self) -> None:
        """End the session. May be called from a signal handler or another thread."""
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
        self._wait_for_power_off()

    def _arrive(self) -> None:
        runtime = self.runtime
        runtime.kernel_log.start()
        self._hello()
        self._stop_bmc_watchdog()
        runtime.outbox.start(runtime.client.another())
        self._claim()
        self.heartbeat.start()  # after the claim: the orchestrator refuses a heartbeat before it
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
            answer = self._call_until_answered("hello", message, wire.HelloAnswer)
            if answer.cmd is wire.Cmd.SHUTDOWN:
                raise RunIsOver(answer.reason)
            if answer.cmd is not wire.Cmd.ABORT:
                clock.follow(answer.now, self.runtime.set_clock, self.runtime.say)
                return
            self._announce("error", f"the orchestrator refuses this agent: {answer.reason}")
            self.events.pause(self.timing.refused_s)

    def _stop_bmc_watchdog(self) -> None:
        """Once for each boot, and again by the next agent of this boot, which finds it stopped. Outside the image the
        timer belongs to the installed system."""
        if self.runtime.in_image and self._bmc_watchdog is None:
            self._bmc_watchdog = bmc_watchdog.stop(self.runtime.say, self.runtime.root)

    def _claim(self) -> None:
        me = self.runtime.identity
        message = wire.Claim(me.boot_id, me.dmi_uuid, me.macs, self._bmc_watchdog)
        self.claim = self._call_until_answered("claim", message, wire.ClaimAnswer)
        self._claim_due = time.monotonic() + self.timing.refused_s
        self.instruction = instructions.from_claim(self.claim)
        self._announce("info", f"{self.claim.host}, run {self.claim.run}, boot {self.claim.boot}: claimed")

    def _claimed(self) -> wire.ClaimAnswer:
        assert self.claim is not None, "nothing is done before the first claim was answered"
        return self.claim

    def _call_until_answered(self, call: str, message: object, answer: type[T]) -> T:
        return retrying.call_until_answered(
            lambda: self.runtime.client.post(call, message, answer), self.events, self.timing, self._announce
        )

    def _step(self) -> None:
        """Do what the newest instruction asks for, until the next event."""
        state = self.instruction.state
        action = instructions.decide(self.instruction, {order.name for order in self._claimed().stages}, self.done)
        if action is Action.SHUT_DOWN:
            raise RunIsOver(self.instruction.reason)
        if action is Action.TEST and self.attempts.is_blocked:
            self._announce("error", f"{state} does not start: the attempt before it has not stopped yet")
            self._listen(self.timing.refused_s)
        elif action is Action.TEST:
            self._test()
        elif action is Action.HOLD:
            self._listen(self.hold.keep())
        elif action is Action.AWAIT_GO:
            self.hold.close()
            self._announce("info", f"{state} waits for its turn")
            self._await_go()
        elif self._is_claim_outdated() and time.monotonic() >= self._claim_due:
            self._claim()
        else:
            self._listen(self.timing.retry_cap_s)

    def _is_claim_outdated(self) -> bool:
        """Whether the orchestrator names a stage to run that this claim does not list. It happens when the host was
        claimed for a hold only, and the stage was ordered again since."""
        return self.instruction.go and self.instruction.key not in self.done

    def _await_go(self) -> None:
        """Wait for the go. A stage that finds the link free gets it within a second or two, so the agent asks early a
        few times. Afterwards another host has the link, and a heartbeat every 5 s is enough."""
        looks = self._early_looks[self.instruction.key]
        is_early = looks < self.timing.early_looks
        event = self.events.next(self.timing.early_look_s if is_early else self.timing.refused_s)
        if isinstance(event, Instruction):
            self.instruction = event
        elif event is None and is_early:
            self._early_looks[self.instruction.key] += 1
            self.heartbeat.beat_early()

    def _listen(self, timeout_s: float) -> None:
        event = self.events.next(timeout_s)
        if isinstance(event, Instruction):
            self.instruction = event

    def _heard(self, answer: wire.HeartbeatAnswer) -> None:
        """Runs in the heartbeat's thread. A running stage is stopped at once; all else waits for the deciding
        thread."""
        instruction = instructions.from_heartbeat(answer)
        self.attempts.stop_if_told(instruction)
        self.events.put(instruction)

    def _too_hot(self, finding: wire.Finding) -> None:
        """Runs in the side-car's thread. The load is stopped first, then the finding is logged and shown."""
        if self.attempts.too_hot(finding):
            self.runtime.say("error", finding.message)

    def _announce(self, level: str, text: str) -> None:
        """Log and show `text`, unless it was the last announcement already."""
        if text != self._announced:
            self._announced = text
            self.runtime.say(level, text)

    def _test(self) -> None:
        self.hold.close()
        self._stop_bmc_watchdog()  # the kernel may find a slow BMC after the claim only
        self.done.add(self.instruction.key)
        result, self.instruction = self.attempts.run(self.instruction, self._claimed())
        if result is not None:
            self._send(result)
        self.attempts.end()

    def _send(self, result: wire.Result) -> None:
        """Send a result until it is answered; the answer is the next instruction. If the orchestrator refuses the
        result, because the run went on without us, drop it and claim again."""
        self.done.add((result.stage, result.attempt))
        try:
            answer = retrying.call_until_reachable(
                lambda: self._deliver(result), self.events, self.timing, self._announce
            )
            self.instruction = instructions.from_result(answer)
        except (NotAllowed, BadMessage) as error:
            self._announce("error", f"the result of {result.stage} was refused: {error}")
            self._claim()
        self.runtime.results.answered(result.stage, result.attempt)

    def _deliver(self, result: wire.Result) -> wire.ResultAnswer:
        """One try. Measurements go before the result, each time: the orchestrator books a broken limit on the stage
        that is current when the measurement arrives."""
        self.runtime.outbox.flush(self.timing.flush_timeout_s)
        return delivery.deliver(self.runtime.client, result, self.runtime.outbox.log)

    def _shut_down(self, reason: str) -> None:
        """Close the hold first, while the host still runs; then make sure that it can be woken again; then power
        off."""
        self._is_off = True
        self.attempts.stop(f"the run was ended: {reason}")
        self.runtime.hold.close()
        self.runtime.power.arm_wake_on_lan()
        self._announce("info", f"the run is over{f' ({reason})' if reason else ''}: powering off")
        self.runtime.outbox.finish()
        self.runtime.power.off()

    def _wait_for_power_off(self) -> None:
        """Wait for systemd to end this process. If it does not, the agent ends, is started again, and gets the same
        instruction."""
        until = time.monotonic() + self.timing.poweroff_timeout_s
        while (left_s := until - time.monotonic()) > 0:
            self.events.next(left_s)

    def _finish(self) -> None:
        self.attempts.abandon("the agent is ending")
        self.heartbeat.finish()
        if self.sidecar is not None:
            self.sidecar.finish()
        self.runtime.kernel_log.finish()
        self.runtime.outbox.finish()
        self.runtime.client.close()
