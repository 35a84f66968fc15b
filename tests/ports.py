"""Ports of loopback for processes that tests start, and that bind them only a moment later."""

from __future__ import annotations

import itertools
import os
import socket

# Below those that the kernel gives to whoever asks for any (32768 and up, /proc/sys/net/ipv4/ip_local_port_range).
_FIRST, _COUNT = 20_000, 12_000
_turns = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """One that nobody listens on, and that this process was not given before."""
    while True:
        port = _FIRST + next(_turns) % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
