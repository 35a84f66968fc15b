"""Keeps dnsmasq running with what the database says: the configuration from vetting.yaml, the MACs of enabled
hosts.

dnsmasq is no child of the worker: it puts itself into the background and outlives it. Every tick compares
what is with what should be. `pxe.supervise: unit` leaves the starting to systemd, whose unit starts it again
at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import pwd
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

from django.conf import settings

from hosts.models import HostMac
from pxe import daemon, dnsmasq, dnsmasqlog, image
from pxe.daemon import Daemon
from pxe.paths import Paths, paths
from runs import atomic, bench
from runs.bench import Problem

log = logging.getLogger("vetting.pxe")
STOP_WAIT_S = 0.15
RETRY_S = (0.0, 1.0, 2.0, 4.0, 5.0)


class Action(Enum):
    NOTHING = "nothing"
    START = "start"
    RESTART = "restart"
    RELOAD = "reload"


def tick() -> None:
    """One comparison. Two workers at once do no harm: the second finds the lock taken and leaves.

    1. Copy iPXE's binaries to where TFTP finds them; write configuration and list of MACs.
    2. Decide from what runs and what it last read; start, restart or signal it.
    3. Only after the signal went out put on record what it has read: a death in between signals twice, never
       not.
    4. Read its log.
    """
    files = paths()
    files.make()
    with _lock(files) as taken:
        if not taken:
            return
        if settings.VETTING.pxe.mode == "off":
            _switch_off(files)
            return
        _reconcile(files)
        dnsmasqlog.tick(server(files).pid())


def decide(pid: int | None, read: dict[str, Any], wanted: dict[str, str]) -> Action:
    """`read` is what the process `read["pid"]` last loaded, `wanted` what the files say now (hashes). Where it is not
    known what was loaded, it is loaded anew."""
    if pid is None:
        return Action.START
    if read.get("conf") != wanted["conf"]:
        return Action.RESTART
    if read.get("pid") != pid or read.get("hosts") != wanted["hosts"]:
        return Action.RELOAD
    return Action.NOTHING


def plan() -> dnsmasq.Plan:
    """From vetting.yaml. dnsmasq runs as whoever runs the worker."""
    config, web = settings.VETTING.pxe, settings.VETTING.web
    return dnsmasq.Plan(
        mode=config.mode, interface=config.interface, subnet=config.subnet, files=paths(),
        script_url=f"{web.agent_url}/ipxe/", boot_url=web.boot_url, user=pwd.getpwuid(os.geteuid()).pw_name,
        range_start=config.range_start, range_end=config.range_end, router=config.router,
        lease_minutes=config.lease_minutes,
    )  # fmt: skip


def known_macs() -> list[dnsmasq.KnownMac]:
    rows = HostMac.objects.filter(host__enabled=True).values_list("mac", "host__boot_binary")
    return [dnsmasq.KnownMac(mac, binary) for mac, binary in rows]


def _reconcile(files: Paths) -> None:
    _copy_loaders(files)
    conf, hosts = dnsmasq.render(plan()).encode(), dnsmasq.render_hosts(known_macs()).encode()
    atomic.write_if_changed(files.conf, conf)
    atomic.write_if_changed(files.hosts, hosts)
    wanted = {"conf": _digest(conf), "hosts": _digest(hosts)}
    state_path = files.root / "dnsmasq.state.json"
    state = atomic.read_json(state_path)
    ours = server(files)
    action = decide(ours.pid(), state, wanted)
    if action is Action.START:
        state = _start(ours, state, wanted)
    elif action is not Action.NOTHING:
        state = _signal(ours, action, state, wanted)
    atomic.write_json(state_path, state)
    if action is not Action.START or state.get("pid"):
        bench.report("dnsmasq", _bench_problems())


def _start(ours: Daemon, state: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """A first try at once, more with growing pauses, at most five seconds: a start that can't work costs
    little."""
    if settings.VETTING.pxe.supervise == "unit":
        what = f"dnsmasq is not running ({ours.pid_file} names no such process)"
        _report(Problem("bench", what, "systemctl status vetting-dnsmasq says why"))
        return dict(wanted)
    tries, now = int(state.get("tries", 0)), time.monotonic()
    if 0 < state.get("next_try", 0) - now < max(RETRY_S):
        return state
    problem = _adopt_or_start(ours)
    if problem is None:
        log.info("dnsmasq started, pid %s", ours.pid())
        return {"pid": ours.pid(), **wanted}
    _report(problem)
    return {"tries": tries + 1, "next_try": now + RETRY_S[min(tries + 1, len(RETRY_S) - 1)]}


def _adopt_or_start(ours: Daemon) -> Problem | None:
    if stray := ours.find():
        # Its pid file is gone: it can't be told from a failed start for ever, so it makes room.
        daemon.stop(stray, STOP_WAIT_S)
    try:
        said = ours.start()
    except FileNotFoundError:
        return Problem("bench", "dnsmasq is not installed", "apt install dnsmasq-base")
    return _explain(said) if said else None


def _explain(said: str) -> Problem:
    """dnsmasq's own words, and what usually helps."""
    if "Address already in use" in said or "address already in use" in said:
        fix = "another server has the port: `ss -ulpn 'sport = :67 or sport = :69'` names it; stop it"
    elif "capability" in said or "ermission" in said or "not permitted" in said:
        fix = "it may not listen on low ports: use its systemd unit (pxe.supervise: unit), or run the worker as root"
    else:
        fix = f"correct the pxe section of vetting.yaml; `dnsmasq --test -C {paths().conf}` checks what was made of it"
    return Problem("bench", f"dnsmasq does not start: {said}", fix)


def _signal(ours: Daemon, action: Action, state: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    pid = ours.pid()
    if pid is None:
        return state
    if action is Action.RESTART:
        log.info("dnsmasq pid %s: other configuration, starting it anew", pid)
        daemon.stop(pid, STOP_WAIT_S)
        # What starts from here on reads the new file.
        return dict(wanted) if settings.VETTING.pxe.supervise == "unit" else _start(ours, {}, wanted)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
        log.info("dnsmasq pid %s: list of MACs read again", pid)
    return {"pid": pid, **wanted}


def stop(wait_s: float = 1.0) -> None:
    """End the dnsmasq that we started (the demo and the rack leave nothing behind)."""
    if settings.VETTING.pxe.supervise == "tick" and (pid := server(paths()).find()):
        daemon.stop(pid, wait_s)


def _switch_off(files: Paths) -> None:
    if settings.VETTING.pxe.supervise == "tick" and (pid := server(files).pid()):
        daemon.stop(pid, STOP_WAIT_S)
    bench.report("dnsmasq", [])


def _bench_problems() -> list[Problem]:
    """It runs, but does it serve anybody?"""
    interface = settings.VETTING.pxe.interface
    problems = []
    if interface not in {name for _, name in socket.if_nameindex()}:
        what = f"pxe.interface {interface} does not exist on this machine"
        problems.append(
            Problem("configuration", what, "`ip link` lists those that do; dnsmasq serves it once it appears")
        )
    for name in image.LOADERS:
        if not (paths().tftp / name).is_file():
            what = f"{name} is missing: hosts that need it get nothing over TFTP"
            problems.append(
                Problem("bench", what, f"make image builds the live image with it in {image.directory()}/ipxe")
            )
    return problems


def _report(problem: Problem) -> None:
    if bench.report("dnsmasq", [problem]):
        log.error("%s", problem)


def _copy_loaders(files: Paths) -> None:
    """Copied when size or time differ: dnsmasq reads below its TFTP root only."""
    for name in image.LOADERS:
        source, target = image.loader(name), files.tftp / name
        with suppress(FileNotFoundError):
            there = source.stat()
            if not target.exists() or (target.stat().st_size, target.stat().st_mtime_ns) != (
                there.st_size, there.st_mtime_ns,
            ):  # fmt: skip
                atomic.write(target, source.read_bytes())
                os.utime(target, ns=(there.st_atime_ns, there.st_mtime_ns))


def server(files: Paths) -> Daemon:
    """Our dnsmasq: the one with our configuration file."""
    argument = f"--conf-file={files.conf}"
    return Daemon("dnsmasq", (argument,), files.pid, (argument,))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _lock(files: Paths) -> Iterator[bool]:
    with (files.root / "supervisor.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
