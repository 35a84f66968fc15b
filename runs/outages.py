"""Times in which nobody could hear a host: they do not count against its deadlines.

Our web process did not answer, the bench was short of CPU, or its own port had no link.
"""

from __future__ import annotations

import http.client
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runs import former_sites
from runs.bench import fitness, last_seen, process
from runs.bench.last_seen import OUTAGE_AFTER
from runs.database import commits
from runs.models import Lease, Run, WebOutage

LOOK_EVERY = timedelta(seconds=3)


@commits.remembered
def somebody_is_waited_for() -> bool:
    return Run.objects.live_or_held().exists()


def look_at_web() -> None:
    """Ask our site's web process whether it answers, every few seconds. A gap since its last answer is an outage, also
    if this worker was not running to ask."""
    site = settings.VETTING.web.address
    now = timezone.now()
    if _is_recent(last_seen.read(Lease.web_of(site)), now):
        return
    lease, _ = Lease.objects.get_or_create(name=Lease.web_of(site))
    if _is_recent(seen := last_seen.web(lease), now):
        return
    former_sites.take_over()
    if not web_answers():
        return
    is_calm = seen is not None and timedelta() <= now - seen <= OUTAGE_AFTER
    if not (is_calm and not somebody_is_waited_for() and last_seen.note(lease.name, now)):
        _write_answer(lease, seen, now)


def _is_recent(seen: datetime | None, now: datetime) -> bool:
    return seen is not None and timedelta() <= now - seen < LOOK_EVERY  # otherwise the clock was set back


def _write_answer(lease: Lease, seen: datetime | None, now: datetime) -> None:
    """Write when the web process answered, and the outage before it. On SQLite only for a run that goes on, since
    nobody else has a deadline: a restart of the machine may then not lose when an outage began.

    While the database can't be written (its disk is full), no host's call can be kept either. So the time is noted
    after the row: otherwise the outage would have no length, and every host would be called silent afterwards."""
    with transaction.atomic():
        if seen is not None and now - seen > OUTAGE_AFTER:
            WebOutage.objects.create(site=settings.VETTING.web.address, started_at=seen, ended_at=now)
        Lease.objects.filter(name=lease.name).update(web_seen_at=now, holder=process.mine())
    last_seen.note(lease.name, now)


def web_answers(timeout_s: float = 1.0) -> bool:
    config = settings.VETTING.web
    host = "127.0.0.1" if config.listen in ("0.0.0.0", "::", "") else config.listen
    try:
        connection = http.client.HTTPConnection(host, config.port, timeout=timeout_s)
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def not_counted(since: datetime, until: datetime, limit_s: float, site: str = "") -> timedelta:
    """How much of this span does not count against a deadline of `limit_s` seconds, of a host at this site.

    All outages of the site's web process, and the other time in which the bench was short of CPU or its port without a
    link: the latter at most `bench.deadline_extends_max` times the deadline.
    """
    outages = web_outages(since, until, site)
    down = fitness.total(outages)
    unfit = fitness.total([*outages, *unfit_spans(since, until, site)]) - down
    return down + min(unfit, timedelta(seconds=limit_s * settings.VETTING.bench.deadline_extends_max))


def web_outages(since: datetime, until: datetime, site: str = "") -> list[fitness.Span]:
    """When in this span the site's web process did not answer, an outage that goes on included. A run that has not
    booted has no site: ours counts."""
    site = site or settings.VETTING.web.address
    outages = WebOutage.objects.filter(site__in=(site, ""), ended_at__gt=since, started_at__lt=until)
    spans = [(max(outage.started_at, since), min(outage.ended_at, until)) for outage in outages]
    lease = Lease.objects.filter(name=Lease.web_of(site)).first()
    if lease and (seen := last_seen.web(lease)) and until - seen > OUTAGE_AFTER:
        spans.append((max(seen, since), until))
    return spans


def unfit_spans(since: datetime, until: datetime, site: str) -> list[fitness.Span]:
    """When in this span the bench was short of CPU, or could not be reached since its own port had no link. A link
    needs two ends: if the host is cabled to the bench without a switch, it may be the host's fault. So this counts
    within bounds, and its end is an error and not a wait for ever."""
    return [*fitness.starved(since, until), *fitness.without_link(since, until, site)]
