"""The order file for dnsmasq's unit: whether to run, with which files, and since when.

The worker renews it every few seconds: while it stays the same it is not written to the disk, but its time is that of a
file in the machine's memory. systemd starts the unit only if the file exists and vetting/keeper.py finds it current. It
is not current without a worker, after a reboot, or after a change of vetting.yaml.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pxe.paths import Paths
from runs.bench.process import this_boot
from runs.files import atomic, volatile

RENEW_AFTER_S = 5.0
CURRENT_FOR_S = 60.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Order:
    """Hashes of vetting.yaml, dnsmasq.conf and dnsmasq.hosts. `at_s` is when it was renewed. It counts from the
    machine's boot, so that setting the clock has no effect; `boot` identifies that boot."""

    configuration: str
    conf: str
    hosts: str
    boot: str = ""
    at_s: float = 0.0

    def age_s(self) -> float:
        """Its age in seconds; infinite for an order of another boot."""
        age = _now_s() - self.at_s
        return age if self.boot == this_boot() and age >= 0 else math.inf

    def holds_for(self, wanted: Order) -> bool:
        """Whether it is of this boot and has the hashes of `wanted`."""
        mine, theirs = (replace(one, boot="", at_s=0.0) for one in (self, wanted))
        return mine == theirs and self.age_s() < math.inf


def read(files: Paths) -> Order | None:
    try:
        order = Order(**atomic.read_json(files.order))
    except TypeError:
        return None
    if not isinstance(order.at_s, int | float):
        return None
    return replace(order, at_s=max(order.at_s, _renewed_s(files)))


def renew(files: Paths, wanted: Order) -> None:
    """Write the order if it changed, or if it can't be shown in any other way that it still holds."""
    before = read(files)
    if before and before.holds_for(wanted) and (before.age_s() < RENEW_AFTER_S or _show_renewed(files)):
        return
    atomic.write_json(files.order, asdict(replace(wanted, boot=this_boot(), at_s=_now_s())))
    _renewal(files).unlink(missing_ok=True)


def withdraw(files: Paths) -> None:
    files.order.unlink(missing_ok=True)
    _renewal(files).unlink(missing_ok=True)


def _renewal(files: Paths) -> Path:
    """The file whose time says when the order was renewed, counted from the machine's boot."""
    return volatile.folder(files.pid_dir) / "order-renewed"


def _renewed_s(files: Paths) -> float:
    """When it was renewed last; 0 if it was not since it was written."""
    try:
        return _renewal(files).stat().st_mtime_ns / 1e9
    except OSError:
        return 0.0


def _show_renewed(files: Paths) -> bool:
    try:
        volatile.set_time(_renewal(files), int(_now_s() * 1e9))
    except OSError:
        return False
    return True


def refusal(files: Paths, configuration: Path) -> str:
    """Why dnsmasq must not start now; empty if it may."""
    order = read(files)
    if order is None:
        return "there is no order to run it"
    if order.age_s() > CURRENT_FOR_S:
        return "its order is of another boot, or nobody renewed it: the worker gives a new one"
    if digest(configuration) != order.configuration:
        return f"{configuration} was changed since: restart vetting-web and vetting-worker"
    if (digest(files.conf), digest(files.hosts)) != (order.conf, order.hosts):
        return "its files are not those of its order: the worker writes them anew"
    return ""


def digest(path: Path | None) -> str:
    """The hash of the file's content; empty if there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError:
        return ""


@contextmanager
def lock(files: Paths, wait_s: float = 0.0) -> Iterator[bool]:
    """A lock for writing dnsmasq's files or reading all of them. False if another process holds it."""
    ends = time.monotonic() + wait_s
    with (files.root / "supervisor.lock").open("a") as file:  # "w" would write the file's time each second
        taken = _taken(file.fileno())
        while not taken and time.monotonic() < ends:
            time.sleep(_LOOK_EVERY_S)
            taken = _taken(file.fileno())
        yield taken


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
