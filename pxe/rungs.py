"""Rungs of the boot ladder that this app sees: put on record for the run of a machine."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import BoundedSemaphore

from django.db import DatabaseError, close_old_connections

from pxe import image
from runs import lifecycle
from runs.models import Run, Rung

log = logging.getLogger("vetting.pxe")
OF_FILE = {f"/boot/{image.KERNEL}": Rung.KERNEL, f"/boot/{image.INITRD}": Rung.INITRD}
MAX_WAITING = 1000
_recorder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="boot-rungs")
_room = BoundedSemaphore(MAX_WAITING)


def file_sent(path: str, run_id: int, boot: int, detail: str) -> None:
    """A boot file went out whole. Returns at once: the database is asked by one thread of its own, however
    many hosts boot; where a thousand rungs wait already, this one is left out."""
    if (rung := OF_FILE.get(path)) and run_id and _room.acquire(blocking=False):
        _recorder.submit(_record_file, run_id, boot, rung, detail)


def wait_until_recorded() -> None:
    """All that was sent so far is on record (tests)."""
    _recorder.submit(int).result()


def _record_file(run_id: int, boot: int, rung: Rung, detail: str) -> None:
    close_old_connections()
    try:
        # Only the boot that is expected now: the address is all that tells who asks.
        if run := Run.objects.live_or_held().filter(pk=run_id, boot=boot).first():
            lifecycle.record_rung(run, rung, detail, boot=boot)
    except DatabaseError:
        log.exception("run %s: rung %s is not on record", run_id, rung)
    finally:
        _room.release()
        close_old_connections()


def seen_on_wire(mac: str, rung: Rung, detail: str, at: datetime) -> None:
    """dnsmasq's log says that this MAC got so far. What was before the run's start is not its own; what
    comes after its newest boot was claimed is the next boot's."""
    run = Run.objects.live_or_held().filter(host__macs__mac=mac, started_at__lte=at).first()
    if run is not None:
        claimed = run.boots.filter(number=run.boot).exclude(claimed_at=None).exists()
        lifecycle.record_rung(run, rung, detail, at, boot=run.boot + claimed)
