"""Hears magic packets on the rack's network, as the network card of a machine that is off does."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable

from tests.rack.netns import Namespace

PORT = 9
_SYNC = re.compile(rb"\xff{6}((?:.{6}){16})", re.DOTALL)


def woken_mac(packet: bytes) -> str | None:
    """The MAC that a packet wakes: six bytes of ff, then the address sixteen times; None for any other
    packet."""
    found = _SYNC.search(packet)
    if found is None or found[1] != found[1][:6] * 16:
        return None
    return found[1][:6].hex(":")


class WakeListener:
    """Calls `on_wake(mac)` in a thread of its own for every magic packet, repeats included."""

    def __init__(self, namespace: Namespace, on_wake: Callable[[str], None]) -> None:
        self._on_wake = on_wake
        with namespace.inside():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("", PORT))
        self._stopping, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="wake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.send(b"x")
        self._thread.join()
        for each in (self._socket, self._stop, self._stopping):
            each.close()

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._stopping], [], [])
            if self._stopping in ready:
                return
            mac = woken_mac(self._socket.recv(2048))
            if mac is not None:
                self._on_wake(mac)
