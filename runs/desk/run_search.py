"""The search of runs in the administration. It never reads every run: numbers, verdicts, states, hosts and parts are
found by indexes, and free text only in the newest runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db import connection
from django.db.models import Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.text import smart_split, unescape_string_literal

from hosts.models import Host, HostMac
from runs.desk.request_numbers import whole_number
from runs.machine import State
from runs.models import Finding, Run, Verdict
from runs.querysets import RunQuerySet
from runs.wording import naming

NEWEST = 2_000
"""Free text is searched in this many of the newest runs."""
MOST_WORDS = 8
SHORTEST_PART = 3
HELP = (
    "Searches for a run's number, host, MAC, verdict, state, or the beginning of a part's serial. In the newest "
    f"{NEWEST:,} runs also for what was repaired, who started the run and why it stopped. All words must match."
)
_STATES = {name.lower(): state for state in State for name in (state.value, naming.state_in_words(state))}
_OF_MAC = re.compile(r"[0-9a-f:]{2,17}")
_HIGHEST = chr(0x10FFFF)


def found(runs: QuerySet[Run], text: str) -> QuerySet[Run]:
    """The runs that match every word. A text in quotes is one word."""
    for word in list(_words(text))[:MOST_WORDS]:
        first, *others = _fitting(word)
        runs = runs.filter(pk__in=first.union(*others))
    return runs


def _words(text: str) -> Iterator[str]:
    for word in smart_split(text):
        is_quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
        yield unescape_string_literal(word) if is_quoted else word


def _fitting(word: str) -> Iterator[QuerySet[Run, int] | QuerySet[Finding, int]]:
    """The numbers of the runs that this word matches, one query for each way to match."""
    runs, lower = Run.objects.order_by(), word.lower()
    of_hosts = Host.objects.order_by().filter(name__icontains=word).values("pk")
    yield _ids(runs.filter(host__in=of_hosts))
    if _OF_MAC.fullmatch(lower):
        with_macs = HostMac.objects.order_by().filter(mac__icontains=word).values("host")
        yield _ids(runs.filter(host__in=with_macs))
    if (number := whole_number(word)) is not None:
        yield _ids(runs.filter(pk=number))
    if lower in Verdict.values and lower:
        yield _ids(runs.filter(verdict=lower))
    if lower in _STATES:
        yield _ids(runs.filter(state=_STATES[lower]))
    if len(word) >= SHORTEST_PART:
        yield Finding.objects.order_by().filter(_begins(word)).values_list("run", flat=True)
    fits = Q(repair__icontains=word) | Q(requested_by__icontains=word) | Q(stopped_by__icontains=word)
    yield _ids(_newest(runs).filter(fits))


def _ids(runs: RunQuerySet) -> QuerySet[Run, int]:
    return runs.values_list("pk", flat=True)


def _newest(runs: RunQuerySet) -> RunQuerySet:
    oldest = Run.objects.order_by("-pk").values("pk")[NEWEST - 1 : NEWEST]
    return runs.filter(pk__gte=Coalesce(Subquery(oldest), Value(0)))


def _begins(word: str) -> Q:
    """A filter for components that begin with this word, as typed or in capital letters. PostgreSQL uses an index for a
    beginning; for SQLite it must be a range."""
    if connection.vendor == "postgresql":
        return Q(component__startswith=word) | Q(component__startswith=word.upper())
    ranges = [Q(component__gte=one, component__lt=one + _HIGHEST) for one in (word, word.upper())]
    return ranges[0] | ranges[1]
