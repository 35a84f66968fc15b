"""Keep dnsmasq running with the configuration from vetting.yaml and the MACs of the enabled hosts.

dnsmasq is no child of the worker: it puts itself into the background and outlives the worker. Every tick compares the
actual state with the wanted one. With `pxe.supervise: unit` systemd starts dnsmasq, as long as there is a current order
for it (pxe/order.py).
"""

from __future__ import annotations

import logging
import os
import pwd
import signal
import socket
import time
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from typing import Any

from django.conf import settings

from pxe import allowed, daemon, dnsmasq, dnsmasqlog, image, order, unwanted
from pxe.daemon import Daemon
from pxe.order import Order
from pxe.paths import Paths, paths
from runs.bench import faults
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.files import atomic
from runs.wording import remedies

log = logging.getLogger("vetting.pxe")
STOP_WAIT_S = 0.15
RETRY_S = (0.0, 1.0, 2.0, 4.0, 5.0)


class Action(Enum):
    NOTHING = "nothing"
    START = "start"
    RESTART = "restart"
    RELOAD = "reload"


def tick() -> None:
    """Compare once. Two workers at once do no harm: the second finds the lock taken and returns.

    1. End what vetting.yaml does not ask for, and remove what would start it again.
    2. Copy iPXE's binaries to where TFTP finds them; write configuration, list of MACs and the unit's order.
    3. Decide from what runs and what it last read; start, restart or signal it.
    4. Record what it has read only after the signal was sent: after a crash in between it is signalled twice, never
       not at all.
    5. Read its log.
    """
    files = paths()
    files.make()
    with order.lock(files) as taken:
        if not taken:
            return
        problems = switch_off(files)
        if settings.VETTING.pxe.mode == "off":
            _report(problems)
            return
        _report([*problems, *_reconcile(files)])
        dnsmasqlog.tick(server(files).pid())


def switch_off(files: Paths) -> list[Problem]:
    """End what vetting.yaml does not ask for, and remove what would start it again."""
    keeper = _keeper()
    if keeper != "unit":
        order.withdraw(files)
    if keeper == "off":
        for path in (files.conf, files.hosts):
            path.unlink(missing_ok=True)
    return unwanted.end_all(unwanted.dnsmasqs(files, keeper))


def strays() -> list[Problem]:
    """Processes that run although this process's vetting.yaml does not ask for them."""
    return [unwanted.problem(one) for one in unwanted.dnsmasqs(paths(), _keeper())]


def _keeper() -> unwanted.Keeper:
    config = settings.VETTING.pxe
    return "off" if config.mode == "off" else config.supervise


def decide(pid: int | None, read: dict[str, Any], wanted: dict[str, str]) -> Action:
    """Decide what to do with dnsmasq. `read` is what the process `read["pid"]` last loaded, `wanted` what the files
    contain now (hashes). If it is not known what was loaded, load it again."""
    if pid is None:
        return Action.START
    if read.get("conf") != wanted["conf"]:
        return Action.RESTART
    if read.get("pid") != pid or read.get("hosts") != wanted["hosts"]:
        return Action.RELOAD
    return Action.NOTHING


def plan(native: tuple[str, ...]) -> dnsmasq.Plan:
    """The plan from vetting.yaml. dnsmasq runs as the worker's user."""
    config, web = settings.VETTING.pxe, settings.VETTING.web
    assert config.mode != "off" and config.subnet is not None, "there is no plan where pxe.mode is off"
    return dnsmasq.Plan(
        mode=config.mode, interface=config.interface, subnet=config.subnet, files=paths(),
        script_url=f"{web.agent_url}/ipxe/", boot_url=web.boot_url, user=pwd.getpwuid(os.geteuid()).pw_name,
        range_start=config.range_start, range_end=config.range_end, router=config.router,
        lease_minutes=config.lease_minutes, native=native,
    )  # fmt: skip


def _reconcile(files: Paths) -> list[Problem]:
    """Compare without starting anything, if vetting.yaml changed after this process read it: a running dnsmasq goes on
    and its list of MACs is kept current, but nothing is started with an outdated configuration."""
    _copy_loaders(files)
    known = allowed.now()
    changed = settings.CONFIGURATION.changed()
    if not changed:
        atomic.write_if_changed(files.conf, dnsmasq.render(plan(known.native)).encode())
    atomic.write_if_changed(files.hosts, known.hosts_file.encode())
    wanted = {"conf": order.digest(files.conf), "hosts": order.digest(files.hosts)}
    if _keeper() == "unit":
        _give_order(files, wanted, may_start=not changed)
    state = atomic.read_json(files.state)
    ours = server(files)
    action = decide(ours.pid(), state, wanted)
    if changed and action is Action.RESTART:
        action = Action.RELOAD
    if action is Action.START:
        state, problems = _start(ours, state, wanted, changed)
    else:
        state, problems = _signal(ours, action, state, wanted), _bench_problems()
    atomic.write_json(files.state, state)
    return problems


def _give_order(files: Paths, wanted: dict[str, str], may_start: bool) -> None:
    """Write the order before any signal is sent: a unit that starts then must find it. A worker that may not start
    anything renews an existing order, so that it does not expire, and writes no new one."""
    if may_start:
        order.renew(files, Order(settings.CONFIGURATION.digest, wanted["conf"], wanted["hosts"]))
    elif before := order.read(files):
        order.renew(files, replace(before, hosts=wanted["hosts"]))


def _start(
    ours: Daemon, state: dict[str, Any], wanted: dict[str, str], changed: str = ""
) -> tuple[dict[str, Any], list[Problem]]:
    """Try at once, then again with growing pauses of at most five seconds: a start that can't work costs little."""
    if changed:
        what = f"dnsmasq is not running and is not started: {changed}"
        return dict(wanted), [Problem("configuration", what, "restart web and worker")]
    if settings.VETTING.pxe.supervise == "unit":
        what = f"dnsmasq is not running ({ours.pid_file} names no such process)"
        return dict(wanted), [Problem("bench", what, "`journalctl -u vetting-dnsmasq` says why")]
    tries, now = int(state.get("tries", 0)), time.monotonic()
    if 0 < state.get("next_try", 0) - now < max(RETRY_S):
        return state, bench.problems("dnsmasq")
    problem = _adopt_or_start(ours)
    if problem is None:
        log.info("dnsmasq started, pid %s", ours.pid())
        return {"pid": ours.pid(), **wanted}, _bench_problems()
    next_try = now + RETRY_S[min(tries + 1, len(RETRY_S) - 1)]
    return {"tries": tries + 1, "next_try": next_try}, [problem]


def _adopt_or_start(ours: Daemon) -> Problem | None:
    if stray := ours.find():
        # Its pid file is gone, so it would look like a failed start for ever: end it and start anew.
        daemon.stop(stray, STOP_WAIT_S)
    try:
        said = ours.start()
    except FileNotFoundError:
        return Problem("bench", "dnsmasq is not installed", "apt install dnsmasq-base")
    return _explain(said) if said else None


def _explain(said: str) -> Problem:
    """dnsmasq's own message, and what usually helps."""
    if "Address already in use" in said or "address already in use" in said:
        fix = "another server has the port: `ss -ulpn 'sport = :67 or sport = :69'` names it; stop it"
    elif "capability" in said or "ermission" in said or "not permitted" in said:
        fix = "it may not listen on low ports: use its systemd unit (pxe.supervise: unit), or run the worker as root"
    else:
        fix = f"correct the pxe section of vetting.yaml; `dnsmasq --test -C {paths().conf}` checks what was made of it"
    return Problem("bench", f"dnsmasq does not start: {said}", fix)


def _signal(ours: Daemon, action: Action, state: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    pid = ours.pid()
    if pid is None or action is Action.NOTHING:
        return state
    if action is Action.RESTART:
        log.info("dnsmasq pid %s: other configuration, starting it anew", pid)
        daemon.stop(pid, STOP_WAIT_S)
        # What starts from here on reads the new file.
        return dict(wanted) if settings.VETTING.pxe.supervise == "unit" else _start(ours, {}, wanted)[0]
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
        log.info("dnsmasq pid %s: list of MACs read again", pid)
    return {"pid": pid, **wanted}


def stop() -> None:
    """End the dnsmasq that we started (the demo and the rack leave nothing behind)."""
    if _keeper() == "tick":
        unwanted.end_all(unwanted.dnsmasqs(paths(), "off"))


def _bench_problems() -> list[Problem]:
    """Reasons why a running dnsmasq serves nobody."""
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
                Problem(
                    "bench", what, f"{remedies.build_image()} builds the live image with it in {image.directory()}/ipxe"
                )
            )
    return problems


def _report(problems: list[Problem]) -> None:
    if bench.report("dnsmasq", problems):
        for problem in problems:
            log.error("%s", problem)


def _copy_loaders(files: Paths) -> None:
    """Copied when size or time differ: dnsmasq reads below its TFTP root only."""
    for name in image.LOADERS:
        source, target = image.loader(name), files.tftp / name
        with faults.confined(f"Copying {name} for TFTP"), suppress(FileNotFoundError):
            there = source.stat()
            if not target.exists() or (target.stat().st_size, target.stat().st_mtime_ns) != (
                there.st_size, there.st_mtime_ns,
            ):  # fmt: skip
                atomic.write(target, source.read_bytes())
                os.utime(target, ns=(there.st_atime_ns, there.st_mtime_ns))


def server(files: Paths) -> Daemon:
    return unwanted.dnsmasq(files)
