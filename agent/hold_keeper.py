"""Keeps a failed host open for a person: opens the hold, renews it, closes it before the next stage."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.contract import wire
from agent.events import Timing
from agent.host.hold import HoldFailed
from agent.link.errors import CallFailed
from agent.runtime import Runtime


class HoldKeeper:
    """`announce` takes a level and a sentence for the log and the host's screen."""

    def __init__(self, runtime: Runtime, timing: Timing, announce: Callable[[str, str], None]) -> None:
        self.runtime, self.timing, self._announce = runtime, timing, announce
        self._due = 0.0

    def keep(self) -> float:
        """Open the hold, or renew it when that is due: the answer may bring another key, and the call tells who is
        logged in. Returns the seconds until the next renewal. A failure is announced and tried again then."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self.timing.hold_refresh_s
            try:
                self._open()
            except HoldFailed as error:
                self._announce("error", f"the host can't be held open: {error}")
            except CallFailed as error:
                self._announce("warning", f"the hold is not confirmed: {error}")
        return self._due - time.monotonic()

    def close(self) -> None:
        """Close the hold, if it is open. Counters and kernel log start anew, so that the next stage is not blamed for
        what happened while a person used the host."""
        if not self.runtime.hold.is_open:
            return
        self.runtime.hold.close()
        self.runtime.book.forget()
        self.runtime.kernel_log.take(self.runtime.names())
        self.runtime.kernel_log.commit()
        self._due = 0.0
        self._announce("info", "the hold is closed")

    def _open(self) -> None:
        hold, address = self.runtime.hold, self.runtime.address()
        message = hold.message(self.runtime.identity.boot_id, address)
        answer = self.runtime.client.post("hold", message, wire.HoldAnswer)
        hold.admit(answer.authorized_key)
        self._announce("info", f"the run has failed: the host is held open for SSH at {address}")
