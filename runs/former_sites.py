"""Runs whose host booted while this machine had another `web.address`.

Nobody asks any more whether the web process answers at that address, and nobody gives its hosts the link. So their
deadlines would wait for ever, and Network would never get its go. This machine takes over the runs of its former sites.
A host that can't reach the old address is silent then, which is the bench's fault.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from runs import lifecycle
from runs.bench import last_seen
from runs.models import Actor, Lease, Run, RunEvent, WebOutage

MOVED = "site_moved"


def take_over() -> None:
    """Give the live runs of our former sites to the present one."""
    now, ours = timezone.now(), settings.VETTING.web.address
    others = Run.objects.live_or_held().exclude(site__in=("", ours)).values_list("site", flat=True)
    for site in sorted(set(others)):
        lease = Lease.objects.filter(name=Lease.web_of(site)).first()
        if _was_ours(lease, now):
            _move(site, ours, last_seen.web(lease) if lease else None, now)


def _was_ours(lease: Lease | None, now: datetime) -> bool:
    """Whether this machine alone had that address. On SQLite there is no other machine. With PostgreSQL the lease says
    which machine asked last; if another one serves the same site, it has asked since."""
    seen = last_seen.web(lease) if lease else None
    if seen is not None and timedelta() <= now - seen <= last_seen.OUTAGE_AFTER:
        return False
    is_mine = lease is not None and lease.holder.startswith(f"{settings.MACHINE}/")
    return is_mine or connection.vendor == "sqlite"


@transaction.atomic
def _move(old: str, new: str, seen: datetime | None, now: datetime) -> None:
    """The time since the web process was last seen to answer there is an outage, as it would be without the change."""
    if seen is not None and seen < now:
        WebOutage.objects.create(site=new, started_at=seen, ended_at=now)
    runs = Run.objects.live_or_held().filter(site=old)
    text = f"the bench has moved: web.address was {old} when this host booted, and is {new} now"
    for run in runs.light():
        lifecycle.note(run, MOVED, actor=Actor.WORKER, text=text)
    runs.update(site=new)


def not_heard_since(run: Run, heard: datetime) -> str:
    """That the site of this run changed after the host was last heard of, as a sentence; empty if it did not."""
    moved = RunEvent.objects.filter(run=run, kind=MOVED, at__gte=heard).order_by("id").last()
    return f"{moved.text[:1].upper()}{moved.text[1:]}. " if moved else ""
