"""HTTP that is over after so many seconds, however the answer drips: the time-outs of `requests` begin anew with every
byte."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import urllib3
from requests.adapters import HTTPAdapter

SCHEMES = ("http", "https")


class Timed(HTTPAdapter):
    """For the calls of one `with`: its timer cuts connections that are still open when the time is over."""

    def __init__(self, total_s: float) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._total_s, self._until = total_s, time.monotonic() + total_s
        self._timer = threading.Timer(total_s, self._cut)
        self._timer.daemon = True
        super().__init__()

    def __enter__(self) -> Self:
        self._until = time.monotonic() + self._total_s
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        self._until = 0.0
        self._cut()
        self.close()

    @property
    def is_over(self) -> bool:
        """Headers that were cut look like headers that are over, so a caller asks before it believes an answer."""
        return time.monotonic() >= self._until

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        super().init_poolmanager(*given, **more)
        self._watch_pools(self.poolmanager)

    def proxy_manager_for(self, *given: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*given, **more)
        self._watch_pools(manager)
        return manager

    def _watch_pools(self, manager: Any) -> None:
        pools: tuple[Any, ...] = (urllib3.connectionpool.HTTPConnectionPool, urllib3.connectionpool.HTTPSConnectionPool)
        manager.pool_classes_by_scheme = {
            scheme: type("Pool", (pool,), {"ConnectionCls": self._watched(pool.ConnectionCls)})
            for scheme, pool in zip(SCHEMES, pools, strict=True)
        }

    def _watched(self, connection: Any) -> type:
        """The connection, known to the timer from its first packet on, before TLS."""
        timed = self

        class Watched(connection):  # type: ignore[misc]  # which class it is, is known at run time only
            def _new_conn(self) -> socket.socket:
                return timed._watch(super()._new_conn())

        return Watched

    def _watch(self, opened: socket.socket) -> socket.socket:
        """TLS takes the socket over; a duplicate of it still ends the same connection."""
        with self._lock:
            self._open.append(opened.dup())
        if self.is_over:
            self._cut()
        return opened

    def _cut(self) -> None:
        with self._lock:
            duplicates, self._open = self._open, []
        for one in duplicates:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
            finally:
                one.close()
