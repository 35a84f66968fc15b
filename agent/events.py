"""The events that the agent's deciding thread waits for, and how long it waits."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass

from agent.attempt import Attempt
from agent.contract import wire
from agent.link.instructions import Instruction


@dataclass(frozen=True)
class Timing:
    """How long to wait for what. Tests shorten it."""

    retry_first_s: float = 1.0
    retry_cap_s: float = 15.0
    refused_s: float = 30.0
    hold_refresh_s: float = 15.0
    stop_timeout_s: float = 20.0
    counters_timeout_s: float = 600.0  # a BMC's event log of 4,000 entries takes two minutes, each of many drives 30 s
    flush_timeout_s: float = 30.0
    poweroff_timeout_s: float = 120.0
    heartbeat_s: float = wire.HEARTBEAT_INTERVAL_S
    sample_s: float = wire.SAMPLE_INTERVAL_S
    early_look_s: float = 1.0  # the dispatcher looks every second whether the link is free
    early_looks: int = 4


class Quit(Exception):
    """SIGTERM: end now, and leave everything so that the next agent of this boot can continue."""


class RunIsOver(Exception):
    """`shutdown` came while the agent waited for something else."""


@dataclass(frozen=True)
class Finished:
    """The stage thread has ended, with this result."""

    attempt: Attempt
    result: wire.Result


class Events:
    """The heartbeat, the stage thread and the signal handler put events in. Only the deciding thread takes them out."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Instruction | Finished | Quit] = queue.SimpleQueue()

    def put(self, event: Instruction | Finished | Quit) -> None:
        self._queue.put(event)

    def next(self, timeout_s: float) -> Instruction | Finished | None:
        """The next event, or None if there is none in time. Raises Quit."""
        try:
            event = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(event, Quit):
            raise event
        return event

    def pause(self, seconds: float) -> None:
        """Wait, but react to the end of the run: raises Quit, or RunIsOver on `shutdown`. Other instructions are
        dropped, since the next heartbeat brings them again."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            event = self.next(left_s)
            if isinstance(event, Instruction) and event.cmd is wire.Cmd.SHUTDOWN:
                raise RunIsOver(event.reason)
