"""The fragments of a run's page. Each is a template with its context. The page includes all of them; a live update
renders only the requested ones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Min, OuterRef, Prefetch, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404
from django.utils import timezone

from hosts import bounds
from runs import adopting, disk_writes, hold, lacking, ladder, left_out, photos, power
from runs.bench import newcomers, service_state
from runs.desk import actions, history_rows, log_viewer, shown
from runs.files.log_search import Filter
from runs.judging import verdict
from runs.machine import AGENT_SILENT, LIVE, STAGE_STATES, State
from runs.models import Finding, LadderRung, Outcome, Run, RunEvent, Rung, StageRun
from runs.profiles import durations, estimate
from runs.reports import write
from runs.reports.exports import EXPORTS
from runs.stages import BY_NAME


@dataclass(frozen=True)
class Step:
    """One rung of the ladder. `reached` is None until it is reached; `after_s` counts from the rung before."""

    label: str
    reached: LadderRung | None
    after_s: float | None


@dataclass(frozen=True)
class StageLine:
    """One stage of the timeline with its attempts, newest last. Without attempts it has not begun."""

    name: str
    title: str
    summary: str
    attempts: list[StageRun]
    fraction: float
    planned_s: float | None

    @property
    def newest(self) -> StageRun | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def earlier(self) -> list[StageRun]:
        """The attempts before the newest, latest first, as many as a page shows."""
        return self.attempts[-2::-1][: bounds.SHOWN_ATTEMPTS.most]

    @property
    def still_earlier(self) -> int:
        return max(0, len(self.attempts) - 1 - bounds.SHOWN_ATTEMPTS.most)

    @property
    def percent(self) -> int:
        return round(self.fraction * 100)


_EVENTS = RunEvent.objects.filter(run=OuterRef("pk")).order_by().values("run").annotate(count=Count("pk"))
PAGE_VERSION = F("progress_seq") + Coalesce(Subquery(_EVENTS.values("count")), 0)
"""Rises with every commit that changes what a run's page shows: the run's events and its changes of progress, counted.
The newest event's id would not do: on PostgreSQL a row can become visible after one with a higher id."""


def load(run_id: int) -> Run:
    """The run with everything that the fragments need, and its `page_version`. Raises Http404 if it does not exist.

    The version is read in the first query, with the run's row, and all else after it. So what is made of this run is at
    least as new as its version says.
    """
    stages = Prefetch("stage_runs", StageRun.objects.defer("evidence"))
    query = Run.objects.annotate(counted=PAGE_VERSION).select_related("host").prefetch_related(stages, "rungs")
    run = query.filter(pk=run_id).first()
    if run is None:
        raise _no_run(run_id)
    run.page_version = vars(run)["counted"]
    return run


def version(run_id: int) -> int:
    """The present `page_version`, in one query. Raises Http404 if there is no such run."""
    runs = Run.objects.annotate(counted=PAGE_VERSION).filter(pk=run_id)
    for number in runs.values_list("counted", flat=True):
        return int(number)
    raise _no_run(run_id)


def _no_run(run_id: int) -> Http404:
    return Http404(f"There is no run {run_id}.")


def summary(run: Run) -> dict[str, Any]:
    """The context of the fragment at the top of the page: verdict, state, times, actions."""
    now = timezone.now()
    at_work = not service_state.is_silent()
    return {
        "actions": actions.available(run),
        "position": durations.standing(run.profile, run.state, run.stage_runs.all(), now, at_work=at_work),
        "testing": run.state in STAGE_STATES,
        "over": run.is_over,
        "estimated_s": estimate.total_s(run.profile) if run.frozen.stages else None,
        "estimate_error": estimate.error_percent(run),
        "elapsed_s": elapsed_s(run, now),
        "writes": disk_writes.writes(run.profile),
        "blamed": blamed(run),
        "gaps": gaps(run.stage_runs.all()),
        "reported": run.report_at is not None,
        "power": power.of_run(run),
        "held": run.state == State.FAILED_HOLDING,  # its actions are shown with the hold
        "bench_error": ladder.without_hint(run.bench_error),  # the rest is shown with the boot
    }


def elapsed_s(run: Run, now: datetime) -> float:
    return ((run.ended_at or now) - (run.started_at or run.created_at)).total_seconds()


def held(run: Run) -> dict[str, Any]:
    session = hold.current(run) if run.state == State.FAILED_HOLDING else None
    return {
        "held": run.state == State.FAILED_HOLDING,
        "session": session,
        "held_until": run.state_since + timedelta(hours=settings.VETTING.deadlines.hold_hours),
        "hold_actions": [action for action in actions.available(run) if action is not actions.CANCEL],
        "command": hold.ssh_command(session) if session else "",
        "fingerprint": fingerprint(session.host_key) if session else "",
        "refusals": shown.first(actions.refusals(run), bounds.SHOWN_REFUSALS),
        "retry_stage": run.retry_stage,
    }


def fingerprint(host_key: str) -> str:
    """The fingerprint of an OpenSSH public key line as ssh shows it at the first login: `SHA256:…`. Empty for a text
    that is no key."""
    parts = host_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def findings(run: Run) -> dict[str, Any]:
    some = shown.findings(run.findings.all())
    stages = {row.pk: row for row in run.stage_runs.all()}
    return {
        "findings": [(row, stages.get(row.stage_run_id or 0)) for row in some.rows],
        "more_findings": some.more,
        "left_out": [
            (row, stages.get(row.stage_run_id or 0), left_out.words(row.what, row.count)) for row in run.left_out.all()
        ],
    }


def blamed(run: Run) -> list[Finding]:
    """The first critical finding of each component in the attempts that count: the parts to look at."""
    counted = [row.pk for row in verdict.counting(run.stage_runs.all())]
    critical = run.findings.filter(severity="critical", stage_run__in=counted).order_by()
    firsts = critical.values("component").annotate(first=Min("pk")).order_by("first").values_list("first", flat=True)
    return list(run.findings.filter(pk__in=list(firsts[: bounds.SHOWN_ROWS.most])))


def gaps(rows: Iterable[StageRun]) -> list[StageRun]:
    """The stages that had to be tested and whose newest attempt was not: the reasons why a run is incomplete."""
    newest = {row.name: row for row in rows if row.counts}
    return [row for row in newest.values() if row.outcome == Outcome.NOT_TESTED]


def boot(run: Run) -> dict[str, Any]:
    """The rungs of the newest boot. If the boot was given up, also advice on the rung at which it stopped."""
    reached = _reached(run)
    steps: list[Step] = []
    before: datetime | None = run.started_at
    for rung in Rung:
        row = reached.get(rung)
        steps.append(Step(rung.label, row, _gap(before, row)))
        before = row.at if row else before
    given_up = run.state == State.FAILED and Rung.CLAIMED not in reached
    advice = ladder.told(run, {rung: row.at for rung, row in reached.items()}) if given_up else None
    waited_for = run.started_at is not None and (given_up or run.state in AGENT_SILENT)
    return {
        "steps": steps,
        "boot": run.boot,
        "claimed": Rung.CLAIMED in reached,
        "advice": advice,
        "newcomers": newcomers.since(run.started_at) if waited_for else [],
    }


def _reached(run: Run) -> dict[str, LadderRung]:
    """The rungs of the newest boot."""
    return {row.rung: row for row in run.rungs.all() if row.boot == max(run.boot, 1)}


def _gap(before: datetime | None, row: LadderRung | None) -> float | None:
    return max(0.0, (row.at - before).total_seconds()) if row and before else None


def timeline(run: Run) -> dict[str, Any]:
    planned = durations.plan(run.profile)
    attempts: dict[str, list[StageRun]] = {}
    for row in run.stage_runs.all():
        attempts.setdefault(row.name, []).append(row)
    lines = [_line(name, attempts.get(name, []), planned) for name in BY_NAME]
    goes_on = run.state in LIVE
    return {
        "lines": [line for line in lines if line.attempts or goes_on],
        "not_reached": [line.title for line in lines if not line.attempts and not goes_on],
        "goes_on": goes_on,
    }


def _line(name: str, attempts: list[StageRun], planned: dict[str, float]) -> StageLine:
    stage = BY_NAME[name]
    newest = attempts[-1] if attempts else None
    fraction = durations.stage_fraction(newest, planned.get(name, 0.0), timezone.now())
    return StageLine(name, stage.title, stage.summary, attempts, fraction, planned.get(name))


def lacks(run: Run) -> dict[str, Any]:
    return {"lacks": lacking.of(run)}


def differences(run: Run) -> dict[str, Any]:
    return {
        "differences": shown.first(adopting.shown(run)),
        "open_count": len(adopting.still_open(run)),
        "lacks_spec": adopting.lacks_spec(run),
    }


def counters(run: Run) -> dict[str, Any]:
    moved = [(row, delta) for row in run.stage_runs.all() for delta in row.counters]
    return {"moved": shown.first(moved), "counted": any(row.outcome != Outcome.RUNNING for row in run.stage_runs.all())}


def files(run: Run) -> dict[str, Any]:
    may_write = run.is_over or run.state == State.FAILED_HOLDING
    rows = list(run.artifacts.all()[: bounds.SHOWN_ROWS.most])
    artifacts = [row for row in rows if not row.name.startswith(photos.PREFIX)]
    return {
        "artifacts": artifacts,
        "photos": [row.name for row in rows if row not in artifacts],
        "may_have_photos": photos.may_have(run),
        "exports": EXPORTS if any(file.name == write.JSON_NAME for file in artifacts) else (),
        "troubled": [job for job in run.jobs.all() if job.problem],
        "report_due": run.report_due,
        "may_write_report": may_write,
    }


def history(run: Run) -> dict[str, Any]:
    return {"history": history_rows.of(run)}


def log(run: Run) -> dict[str, Any]:
    return log_viewer.context(run, Filter(), log_viewer.LINES)


Context = Callable[[Run], dict[str, Any]]
PARTS: dict[str, tuple[str, Context]] = {
    "summary": ("runs/_summary.html", summary),
    "hold": ("runs/_hold.html", held),
    "findings": ("runs/_findings.html", findings),
    "lacking": ("runs/_lacking.html", lacks),
    "stages": ("runs/_stages.html", timeline),
    "diff": ("runs/_diff.html", differences),
    "counters": ("runs/_counters.html", counters),
    "ladder": ("runs/_ladder.html", boot),
    "log": ("runs/_log.html", log),
    "files": ("runs/_files.html", files),
    "history": ("runs/_history_newest.html", history),
}

LIVE_PARTS = tuple(name for name in PARTS if name != "log")
"""The fragments that are rendered for everybody. The log is not among them: its script fetches the new lines. Of the
history it is the number of events and the newest one: a script fetches the new rows while they are unfolded."""
BY_PERMISSION = frozenset(("ladder", "summary", "hold", "lacking", "diff", "files"))
"""The fragments with buttons that not everybody may use. All others are rendered without any permission."""


def context(run: Run, names: Iterable[str] = tuple(PARTS)) -> dict[str, Any]:
    """The context of these fragments, in one dictionary. Raises KeyError for an unknown fragment."""
    merged: dict[str, Any] = {"run": run, "host": run.host}
    for name in names:
        merged |= PARTS[name][1](run)
    return merged
