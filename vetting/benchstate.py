"""Problems of this machine as a bench, each with its remedy. This code only reads; it changes and starts nothing."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.utils import timezone

from hosts import wakemethods
from hosts.models import Host
from pxe import image, readiness, supervisor
from pxe.paths import paths
from runs import outages, power
from runs.bench import faults, service_state
from runs.models import Lease, RunEvent
from runs.wording import remedies
from vetting import health, inforce, networkstate

MIN_FREE_BYTES = 1 << 30
MIN_FREE_PERCENT = 5
CLOCK_AHEAD = timedelta(seconds=60)
ASKED_FOR_S = 1.0


@dataclass(frozen=True)
class Found:
    """One problem: the `check` that found it, `who` must act, what is wrong, and how to fix it."""

    check: str
    who: str
    what: str
    fix: str


Checks = Iterator[tuple[str, str, str]]


def problems() -> list[Found]:
    """The problems of every check, each once. A check that needs the database reports nothing if it does not answer."""
    found: dict[str, Found] = {}
    for name, check in CHECKS.items():
        with faults.confined(f"Checking the bench ({name})") as outcome:
            _look(name, check, found)
        if outcome.error:
            what = f"this could not be checked to the end ({outcome.error!r:.200})"
            found[name] = Found(name, "bench", what, "report it as a fault of Vetting; the other checks were made")
    return list(found.values())


def _look(name: str, check: Callable[[], Checks], found: dict[str, Found]) -> None:
    try:
        for who, what, fix in check():
            found.setdefault(what, Found(name, who, what, fix))
    except DatabaseError as error:
        what = f"the database does not answer: {error}".strip()
        found.setdefault("database", Found("database", "bench", what, "is it running, and is DATABASE_URL right?"))


def _database() -> Checks:
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield "bench", f"{len(plan)} migrations are not applied, the first is {plan[0][0]}", remedies.command("migrate")


def _configuration() -> Checks:
    for message in checks.run_checks():
        if not message.is_silenced() and message.level >= checks.WARNING:
            yield "configuration", message.msg, message.hint or "see docs/operations.md"


def _worker() -> Checks:
    if problem := health.why_not_at_work():
        yield "bench", problem, f"{remedies.restart('worker')}; {remedies.log_of('worker')} says why it stopped"


def _in_force() -> Checks:
    """Problems that the worker recorded last, and differences between vetting.yaml, files and running programs."""
    for told in inforce.problems_now():
        yield told.who, told.what, told.fix


def _setup() -> Checks:
    """What no host can boot without."""
    for one in readiness.problems():
        yield one.who, one.what, one.fix


def _web() -> Checks:
    web = settings.VETTING.web
    if not outages.web_answers():
        yield "bench", f"the web process does not answer on port {web.port}", remedies.restart("web")
    elif not _connects(web.boot_port):
        what = f"boot files are not served: port {web.boot_port} does not answer"
        yield "bench", what, f"is web.boot_port taken? `ss -ltnp` says by whom; then {remedies.restart('web')}"


def _connects(port: int) -> bool:
    listen = settings.VETTING.web.listen
    host = "127.0.0.1" if listen in ("0.0.0.0", "::", "") else listen
    try:
        socket.create_connection((host, port), timeout=ASKED_FOR_S).close()
    except OSError:
        return False
    return True


def _address() -> Checks:
    address = settings.VETTING.web.address
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                what = f"web.address {address} is no address of this machine: no host can reach it"
                yield "configuration", what, "`ip address` lists them; set the one in the hosts' network"
            elif isinstance(error, socket.gaierror):
                what = f"web.address {address} is a name that this machine can't resolve ({error.strerror})"
                yield "configuration", what, "set this machine's address in the hosts' network, or repair the name"


def _dhcp() -> Checks:
    mode, running = settings.VETTING.pxe.mode, supervisor.server(paths()).find()
    if mode != "off" and not running:
        what = f"pxe.mode is {mode} and our dnsmasq does not run: no host can boot"
        yield "bench", what, f"{remedies.log_of('dnsmasq')} says why"
    interface = settings.VETTING.pxe.interface
    if mode != "off" and interface not in {name for _, name in socket.if_nameindex()}:
        what = f"pxe.interface {interface} does not exist on this machine"
        yield "configuration", what, "`ip link` lists those that do; dnsmasq serves it once it appears"


def _iperf3() -> Checks:
    if settings.VETTING.iperf3.supervise == "off":
        return
    sockets = psutil.net_connections("tcp")
    listening = {one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN and one.laddr}
    if missing := [port for port in settings.VETTING.iperf3.ports if port not in listening]:
        what = f"no iperf3 listens on {', '.join(map(str, missing))}: Network can't measure"
        yield (
            "bench",
            what,
            "systemctl restart vetting-iperf3@PORT, or with iperf3.supervise: tick see the worker's log",
        )


def _boot_files() -> Checks:
    if settings.VETTING.pxe.mode == "off":
        return
    if missing := [name for name in image.LOADERS if not image.loader(name).is_file()]:
        what = f"the live image has no {', '.join(missing)}: hosts that need it can't boot"
        yield "bench", what, f"{remedies.build_image()} builds it in {image.directory()}/ipxe"


def _secrets() -> Checks:
    path = settings.DATA_DIR / "secret_key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield "bench", f"{path} can be read by others", f"chmod 600 {path}; if somebody has read it, make a new key"
    for host in Host.objects.filter(enabled=True).order_by("name"):
        for name in wakemethods.secrets_named(host.wake_options):
            if not settings.BMC_PASSWORDS.get(name):
                what = f"{host.name} can't be woken: the environment has no {name}"
                yield "configuration", what, "set it in /etc/vetting/secrets.env and restart web and worker"


def _bmcs() -> Checks:
    for one, other, address in power.shared_devices():
        what = f"{one} and {other} have the same BMC ({address}): neither is turned off or restarted by Vetting"
        yield "configuration", what, "correct the address in the wake options of one of them"


def _login() -> Checks:
    oidc = settings.VETTING.login.oidc
    if not oidc.is_on:
        return
    from vetting.oidc import provider  # takes 0.1 s and 10 MB, which other installations don't need

    if what := provider.problem(oidc):
        fix = "compare login.oidc with the provider's settings (docs/login.md); local accounts can log in meanwhile"
        yield "configuration", f"nobody can log in through the identity provider: {what}", fix


def _space() -> Checks:
    for path in {place.stat().st_dev: place for place in _places() if place.exists()}.values():
        facts = os.statvfs(path)
        free, percent = facts.f_bavail * facts.f_frsize, 100 * facts.f_bavail / max(facts.f_blocks, 1)
        if free < MIN_FREE_BYTES or percent < MIN_FREE_PERCENT:
            what = f"the disk of {path} is nearly full: {free / 1e9:.1f} GB ({percent:.0f} %) are free"
            yield "bench", what, f"make room; `{remedies.command('janitor')}` removes what is too old (artifacts, logs)"
        if facts.f_files and 100 * facts.f_favail / facts.f_files < MIN_FREE_PERCENT:
            yield "bench", f"the disk of {path} has hardly a free inode left", "remove small files from it"


def _clock() -> Checks:
    now = timezone.now()
    event = RunEvent.objects.order_by("-id").values_list("at", flat=True).first()
    newest = _latest(event, service_state.last_round(), Lease.objects.aggregate(seen=Max("web_seen_at"))["seen"])
    if newest and newest > now + CLOCK_AHEAD:
        what = f"the clock was set back: it is {now:%Y-%m-%d %H:%M} UTC, and rows are of {newest:%Y-%m-%d %H:%M} UTC"
        yield "bench", what, "set the clock (`timedatectl`); deadlines wait until it has caught up"


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def _permissions() -> Checks:
    owner = settings.DATA_DIR.stat().st_uid
    if settings.DATA_DIR.stat().st_mode & 0o007:
        what = f"{settings.DATA_DIR} is open to every user of this machine: it holds sealed keys and password hashes"
        yield "bench", what, f"chmod o= {settings.DATA_DIR}"
    for path in _places():
        if not path.exists():
            continue
        if path.stat().st_uid != owner:
            what = f"{path} belongs to user {path.stat().st_uid}, the data to {owner}: some of it can't be written"
            yield "bench", what, f"chown --reference={settings.DATA_DIR} {path}"
        elif not os.access(path, os.W_OK):
            what = f"{path} can't be written by user {os.geteuid()}"
            yield "bench", what, f"run this as the data's owner, or chown {owner} {path}"


def _places() -> list[Path]:
    """The directories that we write to, and the database's files if it has any."""
    found = [settings.DATA_DIR, settings.RUNS_DIR, settings.PXE_DIR, settings.PID_DIR]
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        found += [Path(f"{name}{suffix}") for suffix in ("", "-wal", "-shm")]
    return found


CHECKS: dict[str, Callable[[], Checks]] = {
    "database": _database,
    "configuration": _configuration,
    "worker": _worker,
    "setup": _setup,
    "in_force": _in_force,
    "web": _web,
    "address": _address,
    "dhcp": _dhcp,
    **networkstate.CHECKS,
    "iperf3": _iperf3,
    "boot_files": _boot_files,
    "secrets": _secrets,
    "bmcs": _bmcs,
    "login": _login,
    "space": _space,
    "clock": _clock,
    "permissions": _permissions,
}
