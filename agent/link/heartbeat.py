"""Tells the orchestrator every 5 s that the host is alive, from a thread that does nothing else."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.contract import wire
from agent.host import identity
from agent.link.client import Client, spread
from agent.link.errors import CallFailed, Unreachable


@dataclass(frozen=True)
class AtWork:
    """The stage attempt that runs now. `stage` is empty when the agent idles."""

    stage: str = ""
    attempt: int = 0


IDLE = AtWork()


class Heartbeat:
    """`on_answer` is called in the heartbeat's own thread with each answer. `say` gets a sentence when the orchestrator
    becomes unreachable, and when it answers again."""

    def __init__(
        self,
        client: Client,
        boot_id: str,
        on_answer: Callable[[wire.HeartbeatAnswer], None],
        say: Callable[[str, str], None],
        interval_s: float = wire.HEARTBEAT_INTERVAL_S,
    ) -> None:
        self.client, self.boot_id, self.on_answer, self.say = client, boot_id, on_answer, say
        self.interval_s = interval_s
        self._at_work = IDLE
        self._progress: list[wire.Progress] = []
        self._continued: dict[AtWork, float] = {}
        self._silent_since: float | None = None
        self._link_until = -math.inf
        self._held_off_s = 0.0
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Stop the thread. A call that is in progress may still take its time-out; nobody waits for it."""
        self._over = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def work_on(self, at_work: AtWork) -> None:
        """Send a heartbeat at once, so that the orchestrator's `continue` for this attempt comes without a delay of 5
        s."""
        self._at_work, self._progress = at_work, []
        self._wake.set()

    def beat_early(self) -> None:
        """Send the next heartbeat at once, unless the orchestrator is overloaded and said when to come back."""
        if not self._held_off_s:
            self._wake.set()

    def progress(self, progress: list[wire.Progress]) -> None:
        self._progress = [one for one in progress if math.isfinite(one.percent)]

    def last_continue_age_s(self, at_work: AtWork) -> float:
        """Seconds since the agent sent the last heartbeat that was answered `continue` for this attempt. Infinite
        before the first."""
        sent = self._continued.get(at_work)
        return math.inf if sent is None else time.monotonic() - sent

    def link_s(self) -> float:
        """For how many more seconds the bench's link is lent to this host, counted from when the heartbeat was sent."""
        return max(0.0, self._link_until - time.monotonic())

    def _run(self) -> None:
        while not self._over:
            started = time.monotonic()
            self._wake.clear()
            self._beat()
            self._wake.wait(max(self._held_off_s, self.interval_s - (time.monotonic() - started)))
        self.client.close()

    def _beat(self) -> None:
        sent, at_work, self._held_off_s = time.monotonic(), self._at_work, 0.0
        message = wire.Heartbeat(self.boot_id, at_work.stage, at_work.attempt, identity.uptime_s(), self._progress)
        try:
            answer = self.client.post("heartbeat", message, wire.HeartbeatAnswer)
        except CallFailed as error:
            self._unanswered(error)
            return
        self._answered(answer, at_work, sent)

    def _answered(self, answer: wire.HeartbeatAnswer, at_work: AtWork, sent: float) -> None:
        if self._silent_since is not None:
            self.say("info", f"the orchestrator answers again after {sent - self._silent_since:.0f} s")
            self._silent_since = None
        of_this = (answer.next_state, answer.attempt) == (at_work.stage, at_work.attempt)
        if answer.cmd is wire.Cmd.CONTINUE and of_this and answer.go:
            self._continued = {at_work: sent}
        self._link_until = sent + answer.link_s if of_this and math.isfinite(answer.link_s) else -math.inf
        self.on_answer(answer)

    def _unanswered(self, error: CallFailed) -> None:
        if isinstance(error, Unreachable):  # wait two intervals at most: the host must not look lost
            self._held_off_s = spread(min(error.retry_after_s, 2 * self.interval_s))
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            going_on = "testing goes on" if isinstance(error, Unreachable) else "somebody must look"
            self.say("warning", f"no answer to the heartbeat, {going_on}: {error}")
