"""Network namespaces that stand for machines, each with a cable to the one of the database. Needs root."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_NEWNET = 0x40000000


class Network:
    """`database` is the namespace of the server; `names` are the machines."""

    def __init__(self, names: Sequence[str]) -> None:
        self._prefix = f"vts{os.getpid()}"
        self.database = f"{self._prefix}db"
        self.names = tuple(names)

    def space(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def server_address(self, name: str) -> str:
        """Where this machine reaches the database."""
        return f"10.99.{self.names.index(name)}.1"

    def make(self) -> None:
        _ip("netns", "add", self.database)
        _in(self.database, "link", "set", "lo", "up")
        for number, name in enumerate(self.names):
            space, port = self.space(name), f"to-{name}"
            _ip("netns", "add", space)
            _in(space, "link", "set", "lo", "up")
            _in(self.database, "link", "add", port, "type", "veth", "peer", "name", "up0", "netns", space)
            for where, link, address in ((self.database, port, 1), (space, "up0", 2)):
                _in(where, "address", "add", f"10.99.{number}.{address}/24", "dev", link)
                _in(where, "link", "set", link, "up")

    def remove(self) -> None:
        for space in (self.database, *map(self.space, self.names)):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def cut(self, name: str) -> None:
        """Nothing passes any more in either direction, and nobody is told."""
        _in(self.database, "link", "set", f"to-{name}", "down")

    def mend(self, name: str) -> None:
        _in(self.database, "link", "set", f"to-{name}", "up")

    def enter(self, name: str) -> None:
        """This process is on that machine from now on."""
        descriptor = os.open(f"/run/netns/{self.space(name)}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)


@contextmanager
def network(*names: str) -> Iterator[Network]:
    made = Network(names)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def _in(space: str, *words: str) -> None:
    _ip("-n", space, *words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
