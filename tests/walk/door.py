"""A door between browser and web process that can be shut: no byte passes then, and no connection breaks, as when a
cable is pulled somewhere on the way."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK_BYTES = 65536


class Door:
    """Listens at `port` of loopback until closed; what comes goes on to `behind`."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._open = threading.Event()
        self._open.set()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        """What was sent meanwhile arrives now."""
        self._open.set()

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            _end(end)
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
                inner = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:  # closed
                return
            self._ends += [outer, inner]
            for way in ((outer, inner), (inner, outer)):
                threading.Thread(target=self._carry, args=way, name="carried", daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(CHUNK_BYTES):
                self._open.wait()
                target.sendall(received)
        self._open.wait()
        _end(target)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
