"""Our iperf3 servers as processes: how they are started and recognised. Works without a database and without Django's
settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pxe import daemon
from pxe.daemon import Daemon, Process

# If a host dies during its test, the server must not wait for its data longer than the next host waits for the server.
RECEIVE_TIMEOUT_MS = 20_000


def of_worker(port: int, pid_dir: Path, address: str) -> Daemon:
    """The worker's iperf3, recognised by `--pidfile`: no other process has that argument."""
    pid_file = pid_dir / f"iperf3-{port}.pid"
    arguments = ("--server", "--daemon", "--bind", address, "--port", str(port), "--pidfile", str(pid_file))
    timeout = ("--rcv-timeout", str(RECEIVE_TIMEOUT_MS))
    return Daemon("iperf3", (*arguments, *timeout), pid_file, (str(pid_file), address, str(port)))


def of_unit(port: int, pid_dir: Path) -> Daemon:
    pid_file = pid_dir / f"iperf3-unit-{port}.pid"
    return Daemon("iperf3", (), pid_file, (str(pid_file), str(port)))


def others(pid_dir: Path, wanted: Iterable[Daemon]) -> list[Process]:
    """Our iperf3 servers that are not among `wanted`."""
    servers = list(wanted)
    ours = [one for one in daemon.running("iperf3") if _is_ours(one, pid_dir)]
    return [one for one in ours if not any(server.is_it(one) for server in servers)]


def _is_ours(process: Process, pid_dir: Path) -> bool:
    return any(word.startswith(f"{pid_dir}/iperf3-") and word.endswith(".pid") for word in process.words)
