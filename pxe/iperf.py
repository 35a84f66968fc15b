"""Keeps one `iperf3 -s` running per configured port: the other end of the Network stage.

A server takes one test at a time. Each is a process of its own in the background, like dnsmasq no child of
the worker.
"""

from __future__ import annotations

import errno
import logging
import socket

from django.conf import settings

from pxe import daemon
from pxe.daemon import Daemon
from pxe.paths import paths
from runs import bench
from runs.bench import Problem

log = logging.getLogger("vetting.pxe")
# A host that dies in its test must not keep the server waiting for data longer than the next one would wait
# for it.
RECEIVE_TIMEOUT_MS = 20_000


def server(port: int) -> Daemon:
    """`--pidfile` is the mark: no other process has that argument."""
    address, pid_file = settings.VETTING.web.address, paths().pid_dir / f"iperf3-{port}.pid"
    arguments = ("--server", "--daemon", "--bind", address, "--port", str(port), "--pidfile", str(pid_file))
    timeout = ("--rcv-timeout", str(RECEIVE_TIMEOUT_MS))
    return Daemon("iperf3", (*arguments, *timeout), pid_file, (str(pid_file), address, str(port)))


def tick() -> None:
    config = settings.VETTING.iperf3
    if config.supervise != "tick":
        bench.report("iperf3", [])
        return
    paths().make()
    problems = [problem for port in config.ports if (problem := _keep(port))]
    if bench.report("iperf3", problems):
        for problem in problems:
            log.error("%s", problem)


def stop() -> None:
    """End those that we started."""
    if settings.VETTING.iperf3.supervise != "tick":
        return
    for port in settings.VETTING.iperf3.ports:
        if pid := server(port).find():
            daemon.stop(pid, wait_s=1.0)


def _keep(port: int) -> Problem | None:
    ours = server(port)
    if ours.find():
        return None
    # iperf3 does not start while the pid in its file is anybody's, be it a zombie's or a stranger's.
    ours.pid_file.unlink(missing_ok=True)
    # iperf3 goes into the background before it binds: what would go wrong there would never be said.
    if problem := _cannot_bind(port):
        return problem
    try:
        said = ours.start()
    except FileNotFoundError:
        return Problem("bench", "iperf3 is not installed: Network can't measure throughput", "apt install iperf3")
    return Problem("bench", f"iperf3 on port {port} does not start: {said}", "see the message") if said else None


def _cannot_bind(port: int) -> Problem | None:
    address = settings.VETTING.web.address
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                what, fix = f"port {port} is taken", "stop what uses it, or change iperf3.ports"
            else:
                what = f"{address} port {port}: {error.strerror}"
                fix = "web.address must be an address of this machine"
            return Problem("configuration", f"iperf3: {what}", fix)
    return None
