"""Keeps one `iperf3 -s` running per configured port: the other end of the Network stage.

A server takes one test at a time. Each is a process of its own in the background, like dnsmasq no child of the worker.
"""

from __future__ import annotations

import errno
import logging
import socket

from django.conf import settings

from pxe import daemon, unwanted
from pxe.daemon import Daemon, Process
from pxe.link import servers
from pxe.paths import paths
from runs.bench import faults
from runs.bench import problems as bench
from runs.bench.problems import Problem

log = logging.getLogger("vetting.pxe")


def tick() -> None:
    paths().make()
    problems = switch_off()
    if settings.VETTING.iperf3.supervise == "tick":
        for port in settings.VETTING.iperf3.ports:
            with faults.confined(f"The iperf3 server on port {port}"):
                problems += [problem] if (problem := _keep(port)) else []
    elif missing := _units_that_do_not_run():
        names = " ".join(missing)
        problems.append(Problem("bench", f"{names} not running", f"sudo systemctl enable --now {names}"))
    if bench.report("iperf3", problems):
        for problem in problems:
            log.error("%s", problem)


def switch_off() -> list[Problem]:
    """End our iperf3 servers that vetting.yaml does not ask for: other ports, another address, another supervisor."""
    return unwanted.end_all(_unwanted())


def strays() -> list[Problem]:
    """Servers that run although this process's vetting.yaml does not ask for them."""
    return [unwanted.problem(one) for one in _unwanted()]


def stop() -> None:
    """End the servers that we started."""
    if settings.VETTING.iperf3.supervise == "tick":
        unwanted.end_all(servers.others(paths().pid_dir, wanted=[]))


def server(port: int) -> Daemon:
    return servers.of_worker(port, paths().pid_dir, settings.VETTING.web.address)


def _unwanted() -> list[Process]:
    return servers.others(paths().pid_dir, _wanted())


def _wanted() -> list[Daemon]:
    config = settings.VETTING.iperf3
    if config.supervise == "unit":
        return [servers.of_unit(port, paths().pid_dir) for port in config.ports]
    return [server(port) for port in config.ports] if config.supervise == "tick" else []


def _units_that_do_not_run() -> list[str]:
    config = settings.VETTING.iperf3
    if config.supervise != "unit":
        return []
    there = list(daemon.running("iperf3"))
    wanted = {port: servers.of_unit(port, paths().pid_dir) for port in config.ports}
    missing = [port for port, one in wanted.items() if not any(map(one.is_it, there))]
    return [f"vetting-iperf3@{port}" for port in missing]


def _keep(port: int) -> Problem | None:
    ours = server(port)
    if ours.find():
        return None
    # iperf3 does not start while the pid in its file belongs to any process, even a zombie or another program.
    ours.pid_file.unlink(missing_ok=True)
    # iperf3 goes into the background before it binds, so an error there would be lost.
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
