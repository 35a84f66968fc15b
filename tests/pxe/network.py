"""Two network namespaces joined by a cable: the orchestrator's side and a machine's side.

They have no name: when the last process, socket and file descriptor in them has gone, so have they, whatever
happened to the test. Entering one moves the calling thread only, and what it starts meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
SERVER_ADDRESS = "10.77.0.1"
SERVER_INTERFACE = "pxe0"
CLIENT_INTERFACE = "nic0"
CLIENT_ADDRESS = "10.77.0.2"
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """`server` and `client` are descriptors of the namespaces."""

    def __init__(self) -> None:
        self.server = _fresh_namespace()
        self.client = _fresh_namespace()
        with self.on_server():
            _ip("link", "add", SERVER_INTERFACE, "type", "veth", "peer", "name", CLIENT_INTERFACE)
            _ip("link", "set", CLIENT_INTERFACE, "netns", f"/proc/{os.getpid()}/fd/{self.client}")
            _ip("address", "add", f"{SERVER_ADDRESS}/24", "dev", SERVER_INTERFACE)
            _ip("link", "set", SERVER_INTERFACE, "up")
            _ip("link", "set", "lo", "up")
        with self.on_client():
            _ip("address", "add", f"{CLIENT_ADDRESS}/24", "dev", CLIENT_INTERFACE)
            _ip("link", "set", CLIENT_INTERFACE, "up")

    @contextmanager
    def on_server(self) -> Iterator[None]:
        with _inside(self.server):
            yield

    @contextmanager
    def on_client(self) -> Iterator[None]:
        with _inside(self.client):
            yield

    def close(self) -> None:
        os.close(self.server)
        os.close(self.client)


def _fresh_namespace() -> int:
    """Made in a thread of its own, which ends: only the descriptor keeps it."""
    made: list[int | OSError] = []

    def make() -> None:
        if _libc.unshare(CLONE_NEWNET):
            made.append(OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)"))
        else:
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


@contextmanager
def _inside(namespace: int) -> Iterator[None]:
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        yield
    finally:
        _enter(before)
        os.close(before)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
