"""The private network of one rack run: a network namespace with a bridge, and sockets inside it for the rack.

The namespace's name carries the pid and the start time of its owner, so that one whose owner is gone can be
told.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rack.errors import RackBroken

BRIDGE = "br0"
ADDRESS = "10.77.0.1"
PREFIX = 24
SUBNET = "10.77.0.0/24"
BROADCAST = "10.77.0.255"
RANGE = ("10.77.0.50", "10.77.0.150")
NAME_PREFIX = "vetting-"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Namespace:
    name: str

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    def enter_command(self, command: Sequence[str]) -> list[str]:
        """`command` as it is run inside."""
        return ["ip", "netns", "exec", self.name, *command]

    def ip(self, *words: str) -> None:
        run_ip("-n", self.name, *words)

    def tc(self, *words: str) -> None:
        run_tool("tc", "-n", self.name, *words)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread, and no other, is inside meanwhile; a socket made here stays inside for good, and
        so would a thread or process started here."""
        with open("/proc/thread-self/ns/net", "rb") as outside, open(self.path, "rb") as inner:
            _set_net_namespace(inner.fileno())
            try:
                yield
            finally:
                _set_net_namespace(outside.fileno())

    def connect(self, port: int, address: str = ADDRESS, timeout_s: float = 10) -> socket.socket:
        """A TCP connection from inside; raises OSError."""
        with self.inside():
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect((address, port))
        except OSError:
            connection.close()
            raise
        return connection

    def pids(self) -> list[int]:
        """Every process that lives inside."""
        answer = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return [int(word) for word in answer.stdout.split()]


def create() -> Namespace:
    """A namespace of our own with the bridge in it, which has the orchestrator's address. Needs root."""
    namespace = Namespace(f"{NAME_PREFIX}{os.getpid()}-{start_time(os.getpid())}-{os.urandom(2).hex()}")
    run_ip("netns", "add", namespace.name)
    try:
        _furnish(namespace)
    except RackBroken:
        delete(namespace)
        raise
    return namespace


def _furnish(namespace: Namespace) -> None:
    namespace.ip("link", "set", "lo", "up")
    namespace.ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    namespace.ip("address", "add", f"{ADDRESS}/{PREFIX}", "broadcast", BROADCAST, "dev", BRIDGE)
    # A bridge without a live port has no carrier, and a magic packet would go nowhere while no machine is on.
    namespace.ip("link", "add", "carrier0", "type", "veth", "peer", "name", "carrier1")
    for device in ("carrier0", "carrier1"):
        namespace.ip("link", "set", device, "up")
    namespace.ip("link", "set", "carrier0", "master", BRIDGE)
    namespace.ip("link", "set", BRIDGE, "up")
    namespace.ip("route", "add", "255.255.255.255/32", "dev", BRIDGE)  # magic packets may go to all networks


def delete(namespace: Namespace) -> None:
    """Its devices go with it. A namespace that is gone already is fine."""
    if namespace.path.exists():
        run_ip("netns", "delete", namespace.name)


def all_of_racks() -> list[Namespace]:
    directory = Path("/run/netns")
    names = os.listdir(directory) if directory.is_dir() else []
    return [Namespace(name) for name in names if name.startswith(NAME_PREFIX)]


def owner_is_gone(namespace: Namespace) -> bool:
    """The process that made it has ended: no such pid, or the pid is another process's by now."""
    pid, _, rest = namespace.name.removeprefix(NAME_PREFIX).partition("-")
    try:
        return start_time(int(pid)) != int(rest.partition("-")[0])
    except (OSError, ValueError):
        return pid.isdigit()


def start_time(pid: int) -> int:
    """Clock ticks after boot (proc(5), field 22 of stat); raises OSError when there is no such process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[19])


def run_ip(*words: str) -> None:
    run_tool("ip", *words)


def run_tool(*command: str) -> None:
    """Raises RackBroken with the tool's own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RackBroken(f"{command[0]} is not installed (apt install iproute2)") from error
    if done.returncode:
        hint = "; the rack needs root" if os.geteuid() else ""
        raise RackBroken(f"{' '.join(command)}: {done.stderr.strip()}{hint}")


def _set_net_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise RackBroken(f"cannot enter a network namespace: {os.strerror(error)}")
