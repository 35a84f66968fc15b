"""Lists of hosts, each with its newest run and last verdict. The number of queries does not grow with the number of
hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from hosts import bulk
from hosts.models import DOCUMENTS as HOST_DOCUMENTS
from hosts.models import Host
from runs.machine import HELD, LIVE, State
from runs.models import Run, Verdict
from runs.querysets import RunQuerySet
from runs.wording import naming

_AT_ONCE = 500
_TIMES = ("created_at", "started_at", "ended_at")
STATES: Mapping[str, str] = {
    "held": "Held for a person",
    "vetting": "Being vetted",
    "queued": "Waiting for a slot",
    "idle": "Nothing is happening",
    "never": "Never vetted",
}


@dataclass(frozen=True)
class Standing:
    """A host with its newest run; `run` is None for a host that was never vetted."""

    host: Host
    run: Run | None
    last_verdict: str

    @property
    def state(self) -> str:
        """A word of STATES."""
        return word_of(self.run.state if self.run else None)


def word_of(newest: str | None) -> str:
    """The word of STATES for a host whose newest run is in this state; None if it has none."""
    if newest is None:
        return "never"
    if newest in HELD:
        return "held"
    if newest == State.QUEUED:
        return "queued"
    return "vetting" if newest in LIVE else "idle"


def standings(hosts: QuerySet[Host], most: int | None = None) -> Iterator[Standing]:
    """These hosts by name, at most so many, with their MACs, newest runs and last verdicts. Some hundred are read at
    once."""
    rows = hosts.prefetch_related("macs").order_by("name")[:most]
    for some in bulk.batches(rows.iterator(_AT_ONCE), _AT_ONCE):
        yield from standings_of(some)


def standings_of(hosts: Sequence[Host]) -> list[Standing]:
    """The same for hosts that were fetched already, in their order."""
    runs, verdicts = newest_runs(hosts), last_verdicts([host.pk for host in hosts])
    return [Standing(host, runs.get(host.pk), verdicts.get(host.pk, "")) for host in hosts]


def busy_hosts() -> dict[str, str]:
    """The hosts that can't be disabled now: name → why."""
    return {run.host.name: why_busy(run) for run in Run.objects.live_or_held().select_related("host")}


def why_busy(run: Run) -> str:
    return f"run {run.pk} ({naming.state_in_words(run.state)}) goes on: cancel or release it first"


_RUNS = Run.objects.filter(host=OuterRef("pk")).order_by("-id")
NEWEST_RUN = Subquery(_RUNS.values("pk")[:1])
"""The newest run of a host. It costs one look-up in the index, however many runs the host has had."""
LAST_VERDICT = Subquery(_RUNS.exclude(verdict=Verdict.NONE).values("verdict")[:1])
"""The verdict of a host's newest run that has one."""


def newest_runs(hosts: Iterable[Host]) -> dict[int, Run]:
    """Host → its newest run, without the documents of the run."""
    known = {host.pk: host for host in hosts}
    ids = Host.objects.filter(pk__in=known).order_by().annotate(newest=NEWEST_RUN).values("newest")
    runs = {run.host_id: run for run in Run.objects.filter(pk__in=ids).light()}
    for pk, run in runs.items():
        run.host = known[pk]
    return runs


def last_verdicts(host_ids: Iterable[int]) -> dict[int, str]:
    """The verdict of each host's newest run that has one."""
    hosts = Host.objects.filter(pk__in=list(host_ids)).order_by().annotate(last=LAST_VERDICT)
    return {pk: verdict for pk, verdict in hosts.values_list("pk", "last") if verdict}


def in_state(hosts: QuerySet[Host], state: str) -> QuerySet[Host]:
    """The hosts in this state. Raises KeyError if `state` is no word of STATES."""
    chosen = {
        "held": Run.objects.held(),
        "vetting": Run.objects.live().exclude(state=State.QUEUED),
        "queued": Run.objects.filter(state=State.QUEUED),
    }
    if state in chosen:
        return hosts.filter(pk__in=chosen[state].values("host"))
    was_vetted = Exists(Run.objects.filter(host=OuterRef("pk")))
    if state == "never":
        return hosts.exclude(was_vetted)
    STATES[state]
    return hosts.filter(was_vetted).exclude(pk__in=Run.objects.live_or_held().values("host"))


def run_as_data(run: Run) -> dict[str, Any]:
    """One flat object for scripts."""
    return run_data(run.host.name, vars(run))


RUN_FIELDS = ("id", "state", "verdict", "profile_name", "repair", "requested_by", "stopped_by", *_TIMES)
"""What `run_data` needs of a run."""


def run_data(host: str, run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": run["id"],
        "host": host,
        "state": run["state"],
        "verdict": run["verdict"] or None,
        "profile": run["profile_name"],
        "repair": run["repair"],
        "requested_by": run["requested_by"],
        "stopped_by": run["stopped_by"],
        **{key: _iso(run[key]) for key in _TIMES},
    }


def newest_first(runs: RunQuerySet, *, verdict: str = "", states: Sequence[str] = ()) -> RunQuerySet:
    """The runs with this verdict and in one of these states, if given; newest first."""
    rows = runs.light().select_related("host").defer(*(f"host__{name}" for name in HOST_DOCUMENTS)).order_by("-id")
    rows = rows.filter(verdict=Verdict(verdict)) if verdict else rows
    return rows.filter(state__in=states) if states else rows


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
