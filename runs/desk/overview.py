"""Lists of hosts, each with its newest run and last verdict. The number of queries does not grow with the number of
hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet

from hosts import bulk, expectations
from hosts.models import DOCUMENTS as HOST_DOCUMENTS
from hosts.models import Host
from runs.machine import HELD, LIVE, State
from runs.models import Run, Verdict
from runs.querysets import RunQuerySet
from runs.wording import naming

_AT_ONCE = 500
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
        if self.run is None:
            return "never"
        if self.run.state in HELD:
            return "held"
        if self.run.state == State.QUEUED:
            return "queued"
        return "vetting" if self.run.state in LIVE else "idle"


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


def newest_runs(hosts: Iterable[Host]) -> dict[int, Run]:
    """Host → its newest run, without the documents of the run."""
    known = {host.pk: host for host in hosts}
    ids = Run.objects.filter(host__in=known).order_by().values("host").annotate(newest=Max("id")).values("newest")
    runs = {run.host_id: run for run in Run.objects.filter(pk__in=ids).light()}
    for pk, run in runs.items():
        run.host = known[pk]
    return runs


def last_verdicts(host_ids: Iterable[int]) -> dict[int, str]:
    """The verdict of each host's newest run that has one."""
    judged = Run.objects.filter(host_id__in=list(host_ids)).exclude(verdict=Verdict.NONE)
    newest = judged.order_by().values("host").annotate(newest=Max("id")).values("newest")
    return dict(Run.objects.filter(pk__in=newest).values_list("host_id", "verdict"))


def in_state(hosts: QuerySet[Host], state: str) -> QuerySet[Host]:
    """The hosts in this state, which is a word of STATES. Raises KeyError for another."""
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


def as_data(standing: Standing) -> dict[str, Any]:
    """One flat object for scripts."""
    host, run = standing.host, standing.run
    return {
        "name": host.name,
        "enabled": host.enabled,
        "health": host.health,
        "profile": host.profile_name,
        "model": host.model,
        "macs": host.mac_list,
        "wake_method": host.wake_method,
        "has_expected_spec": expectations.names_parts(host.expected),
        "destructive_allowed": host.destructive_allowed,
        "state": standing.state,
        "last_verdict": standing.last_verdict or None,
        "run": run_as_data(run) if run else None,
    }


def run_as_data(run: Run) -> dict[str, Any]:
    times = {key: _iso(getattr(run, key)) for key in ("created_at", "started_at", "ended_at")}
    return {
        "run": run.pk,
        "host": run.host.name,
        "state": run.state,
        "verdict": run.verdict or None,
        "profile": run.profile_name,
        "repair": run.repair,
        "requested_by": run.requested_by,
        "stopped_by": run.stopped_by,
        **times,
    }


def newest_first(runs: RunQuerySet, *, verdict: str = "", states: Sequence[str] = ()) -> RunQuerySet:
    """The runs with this verdict and in one of these states, if given; newest first."""
    rows = runs.light().select_related("host").defer(*(f"host__{name}" for name in HOST_DOCUMENTS)).order_by("-id")
    rows = rows.filter(verdict=Verdict(verdict)) if verdict else rows
    return rows.filter(state__in=states) if states else rows


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
