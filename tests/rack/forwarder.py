"""A door into the rack's network: connections to 127.0.0.1:PORT out here go on to the orchestrator's web in
there."""

from __future__ import annotations

import select
import socket
import threading

from tests.rack.netns import Namespace

CHUNK_BYTES = 65536


class Forwarder:
    """Listens until closed. `port` is the one that was got when 0 was asked for."""

    def __init__(self, namespace: Namespace, inner_port: int, port: int = 0) -> None:
        self._namespace = namespace
        self._inner_port = inner_port
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(outer,), name="forwarded", daemon=True).start()

    def _serve(self, outer: socket.socket) -> None:
        with outer:
            try:
                inner = self._namespace.connect(self._inner_port)
            except OSError:  # the web is not up: the browser sees the connection closed, and asks again
                return
            with inner:
                _pass_on(outer, inner)


def _pass_on(outer: socket.socket, inner: socket.socket) -> None:
    """Both ways until either side ends. A stream of events may be silent for long: no time limit."""
    outer.settimeout(None)
    inner.settimeout(None)
    while True:
        ready, _, _ = select.select([outer, inner], [], [])
        for source in ready:
            try:
                received = source.recv(CHUNK_BYTES)
                (inner if source is outer else outer).sendall(received)
            except OSError:
                return
            if not received:
                return
