"""One flag that stops a stage at once: an abort, a critical temperature, the end of the agent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """Work was stopped before its end. The text says why."""


class StopFlag:
    """Set once, for one reason. Waiting threads wake at once. Safe to use from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_id = 0
        self.reason = ""

    def set(self, reason: str) -> bool:
        """Stop for this reason. The first reason stays: returns False if the flag was set already.

        The callbacks run with the lock held, so that none runs after its block has ended."""
        with self._lock:
            if self._event.is_set():
                return False
            self.reason = reason
            self._event.set()
            for callback in self._callbacks.values():
                callback()
        return True

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep for `timeout_s` unless stopped; True when stopped."""
        return self._event.wait(timeout_s)

    def check(self) -> None:
        """Raise Stopped when the flag is set."""
        if self.is_set():
            raise Stopped(self.reason)

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, `callback` runs as soon as the flag is set (at once when it is set already), and never
        after the block: it may use what is closed behind it. It must not wait, nor use this flag."""
        with self._lock:
            key, self._next_id = self._next_id, self._next_id + 1
            self._callbacks[key] = callback
            late = self._event.is_set()
        try:
            if late:
                callback()
            yield
        finally:
            with self._lock:
                del self._callbacks[key]
