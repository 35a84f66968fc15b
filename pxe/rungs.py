"""Record the rungs of the boot ladder that this app sees."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import BoundedSemaphore

from django.db import DatabaseError, close_old_connections
from django.db.models import QuerySet

from hosts.models import HostMac
from pxe import image
from runs import ladder, lifecycle
from runs.machine import AGENT_SILENT
from runs.models import Actor, Run, Rung

log = logging.getLogger("vetting.pxe")
OF_FILE = {f"/boot/{image.KERNEL}": Rung.KERNEL, f"/boot/{image.INITRD}": Rung.INITRD}
MAX_WAITING = 1000
_recorder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="boot-rungs")
_room = BoundedSemaphore(MAX_WAITING)


def file_sent(path: str, run_id: int, boot: int, detail: str) -> None:
    """A boot file was sent completely. Returns at once: one thread writes all rungs to the database, however many hosts
    boot. If a thousand rungs are waiting, this one is dropped."""
    if (rung := OF_FILE.get(path)) and run_id and _room.acquire(blocking=False):
        _recorder.submit(_record, run_id, boot, lambda run: lifecycle.record_rung(run, rung, detail, boot=boot))


def file_not_read(run_id: int, boot: int, why: str) -> None:
    """Write into the run's history that a boot file could not be read on this machine. Returns at once: the recorder's
    thread writes it."""
    if run_id and _room.acquire(blocking=False):
        _recorder.submit(
            _record, run_id, boot, lambda run: lifecycle.note(run, ladder.FILE_NOT_READ, actor=Actor.WORKER, text=why)
        )


def wait_until_recorded() -> None:
    """Wait until everything sent so far is recorded (tests)."""
    _recorder.submit(int).result()


def _record(run_id: int, boot: int, write: Callable[[Run], object]) -> None:
    close_old_connections()
    try:
        # Only for the boot that is expected now: the address is the only thing that identifies the client.
        if run := Run.objects.live_or_held().filter(pk=run_id, boot=boot).first():
            write(run)
    except DatabaseError:
        log.exception("run %s: a step of its boot is not on record", run_id)
    finally:
        _room.release()
        close_old_connections()


def not_answered(mac: str, why: str) -> None:
    """Our dnsmasq had no address for this MAC, or for any machine if it is empty: written into the history of the runs
    whose boot waits for that."""
    for run in _waiting(mac):
        lifecycle.note(run, ladder.NO_ADDRESS_GIVEN, actor=Actor.WORKER, text=why)


def asked_in_vain(mac: str, text: str) -> None:
    """A machine that is no host asked to boot: written into the history of each run that waits for its boot, since it
    may be that host by another port."""
    if HostMac.objects.filter(mac=mac).exists():
        return  # its host is disabled
    for run in _waiting():
        lifecycle.note(run, ladder.ASKED_IN_VAIN, actor=Actor.WORKER, text=text)


def said_on_wire(mac: str, kind: str, text: str) -> None:
    """Written into the history of this MAC's run, or of all without one, if it waits for its boot."""
    for run in _waiting(mac):
        lifecycle.note(run, kind, actor=Actor.WORKER, text=text)


def _waiting(mac: str = "") -> QuerySet[Run]:
    """The runs whose host was woken and has not claimed; with a MAC, its host's."""
    waiting = Run.objects.filter(state__in=AGENT_SILENT).exclude(started_at=None)
    return waiting.filter(host__macs__mac=mac) if mac else waiting


def seen_on_wire(mac: str, rung: Rung, detail: str, at: datetime) -> None:
    """dnsmasq's log shows that this MAC reached this rung. Lines from before the run's start don't belong to it. Lines
    after its newest boot was claimed belong to the next boot."""
    run = Run.objects.live_or_held().filter(host__macs__mac=mac, started_at__lte=at).first()
    if run is not None:
        claimed = run.boots.filter(number=run.boot).exclude(claimed_at=None).exists()
        lifecycle.record_rung(run, rung, detail, at, boot=run.boot + claimed)
