"""Which process does the round of this machine, and which machine leads.

Several machines may work on one database. Each does its own round: dnsmasq, iperf3, the load, the jobs. What must be
done once for all (dispatch, deadlines, messages) is done by the machine that leads. Both are leases: rows that the
holder renews every second and that run out after ten. If a machine is cut off or ends, another one leads after that.

SQLite has one machine. There the holder renews its round's lease in the machine's memory (runs/bench/last_seen.py), so
that nothing is written to the disk while nothing happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from runs.bench import last_seen, process
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.database import clock, commits
from runs.models import Lease
from runs.wording import remedies

log = logging.getLogger("vetting.rounds")
LEASE = timedelta(seconds=10)
# Deadlines compare times that different machines have written.
CLOCK_DIFFERS_S = 5.0
SILENT_AFTER = timedelta(seconds=60)
CLOCK, MACHINES = "clock", "machines"


def is_alone() -> bool:
    """Whether this machine is the only one that works on the database."""
    return connection.vendor == "sqlite"


def local() -> str:
    """The name of the lease of this machine's round."""
    return Lease.round_of(settings.MACHINE)


def take(me: str, name: str) -> bool:
    """Take this lease if nobody holds it."""
    lease, _ = Lease.objects.get_or_create(name=name)
    if lease.holder != me and is_shown(lease):
        return False
    now = clock.now()
    # No lease lasts this long: the clock was set back, and the holder may be dead.
    far = Q(until__gt=now + 2 * LEASE)
    free = Q(until=None) | Q(until__lt=now) | Q(holder=me) | far
    if name == Lease.ROUND:  # this machine leads already, by a process that did its round before
        free |= Q(holder__startswith=process.here())
    taken = Lease.objects.filter(free, name=name).update(holder=me, until=now + LEASE)
    return taken == 1


def is_shown(lease: Lease) -> bool:
    """Whether this is the lease of a round that goes on, on SQLite."""
    seen = last_seen.read(lease.name) if lease.until and lease.name == local() else None
    return seen is not None and abs(timezone.now() - seen) < LEASE


def take_round(me: str) -> bool:
    """Whether `me` does the rounds of this machine from now on."""
    if take(me, local()):
        return True
    holder = Lease.objects.values_list("holder", flat=True).get(name=local())
    if holder and not holder.startswith(process.here()):
        log.error("another machine, or an earlier boot, is called %s (%s): VETTING_MACHINE", settings.MACHINE, holder)
    return False


def take_lead(me: str) -> bool:
    """Whether this machine leads. One whose clock is wrong must not."""
    ahead_s = clock.ahead_s()
    bench.report(CLOCK, [_clock_differs(ahead_s)] if abs(ahead_s) > CLOCK_DIFFERS_S else [])
    return abs(ahead_s) <= CLOCK_DIFFERS_S and take(me, Lease.ROUND)


def renew(me: str) -> tuple[bool, bool]:
    """Show that the round goes on. Returns whether `me` still does this machine's round, and whether it leads."""
    if is_alone():
        return _show(me)
    now = clock.now()
    held = _held(me).update(until=now + LEASE, ticked_at=now)
    if held == 2:
        return True, True
    return _held(me).filter(name=local()).exists(), False


def _show(me: str) -> tuple[bool, bool]:
    """The same without a write to the disk, unless it can't be shown in any other way."""
    held, now = _names_held(me), timezone.now()
    for name in held:
        if not last_seen.note(name, now):
            Lease.objects.filter(name=name, holder=me).update(ticked_at=now)
    return local() in held, Lease.ROUND in held


def _held(me: str) -> QuerySet[Lease]:
    """What `me` has taken and not handed over: a commit may have happened though its answer was lost."""
    return Lease.objects.filter(holder=me).exclude(until=None)


@commits.remembered
def _names_held(me: str) -> frozenset[str]:
    return frozenset(_held(me).values_list("name", flat=True))


def free_round(me: str) -> None:
    """Let another process do this machine's round. The machine goes on leading."""
    _free(Lease.objects.filter(name=local(), holder=me), until=None)


def _free(leases: QuerySet[Lease], **fields: Any) -> None:
    """Also write down when the round was last seen, since the machine may start again before anybody does a round."""
    if seen := last_seen.read(local()):
        fields["ticked_at"] = seen
    leases.update(**fields)


def drop() -> None:
    """Free what dead processes of this boot of this machine hold."""
    ours = Q(holder="") | Q(holder__startswith=process.here())
    _free(Lease.objects.filter(ours, name__in=(Lease.ROUND, local())), until=None, holder="")


def tick() -> None:
    """For the machine that leads: tell which machines do no rounds any more. (SQLite has one machine.)"""
    if not is_alone():
        bench.report(MACHINES, list(_silent_machines()))


def _silent_machines() -> Iterator[Problem]:
    machines = Lease.objects.filter(name__startswith=Lease.round_of("")).exclude(name=local())
    for lease in machines.filter(ticked_at__lt=clock.now() - SILENT_AFTER).order_by("name"):
        name = lease.name.removeprefix(Lease.round_of(""))
        forget = remedies.command(f"machines --forget {name}")
        yield Problem(
            "bench",
            f"{name} has done no round since {lease.ticked_at:%Y-%m-%d %H:%M} UTC: the deadlines of its hosts wait",
            f"start vetting-worker there, or `{forget}` if it does not come back",
        )


def _clock_differs(ahead_s: float) -> Problem:
    way = "ahead of" if ahead_s > 0 else "behind"
    return Problem(
        "bench",
        f"The clock of {settings.MACHINE} is more than {CLOCK_DIFFERS_S:.0f} s {way} the database's: it does not lead",
        "set the clocks of all machines (`timedatectl` shows whether NTP does)",
    )
