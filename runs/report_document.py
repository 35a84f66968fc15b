"""The report of a run as one JSON-ready document. The page is rendered from it, so both say the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, Max, Min
from django.utils import timezone

from hosts import expectations
from runs import changes, estimate, naming, settle, stages, tokens, verdict
from runs.models import Finding, Outcome, Run, Severity, StageRun, Verdict

SCHEMA = "vetting.report"
SCHEMA_VERSION = 1

Document = dict[str, Any]

# Neither is ever stored where this reads; a tool's output may still repeat the kernel's command line.
_KEYS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)


def document(run: Run) -> Document:
    """Everything the report says, in the order in which it is read. Times are ISO 8601 in UTC."""
    rows = list(run.stage_runs.prefetch_related("findings").order_by("order", "attempt"))
    before = last_run(run)
    content = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "generated_at": _time(timezone.now()),
        "verdict": _verdict(run, rows),
        "host": _host(run),
        "run": _run(run),
        "changes": _changes(run, before),
        "stages": _stages(rows, before),
        "not_tested": list(_not_tested(rows)),
        "not_expected": list((run.expected or {}).get("not_expected") or []),
        "measurements": _measurements(run),
        "ladder": _ladder(run),
        "refusals": [{"stage": s.name, "attempt": s.attempt, **refusal} for s in rows for refusal in s.refusals],
        "overrides": _overrides(run),
        "events": _events(run),
        "inventory": run.inventory,
    }
    return without_secrets(content)


def without_secrets(value: Any) -> Any:
    """The same document with run tokens and private keys blotted out, wherever a string holds one."""
    if isinstance(value, str):
        return _KEYS.sub("[removed]", tokens.blotted(value))
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def last_run(run: Run) -> Run | None:
    """The newest earlier run of the host that got as far as an inventory."""
    return Run.objects.with_parts().filter(host_id=run.host_id, id__lt=run.pk).first()


def _verdict(run: Run, rows: list[StageRun]) -> Document:
    counted = {(attempt.name, attempt.attempt) for attempt in verdict.counting(settle.attempts(run))}
    critical = [
        finding
        for row in rows
        for finding in row.findings.all()
        if finding.severity == Severity.CRITICAL and (row.name, row.attempt) in counted
    ]
    return {
        "result": run.verdict,
        "sentence": sentence(run, critical, rows),
        "components": settle.blamed(run),
        "bench_error": run.bench_error,
        "stopped_by": run.stopped_by,
    }


def sentence(run: Run, critical: list[Finding], rows: list[StageRun]) -> str:
    """The verdict in a sentence that names the device and the number."""
    name, more = run.host.name, f" (and {len(critical) - 1} more)" if len(critical) > 1 else ""
    gaps = [_gap(row) for row in _newest(rows) if _is_gap(row)]
    missing = f"; not tested: {'; '.join(gaps)}." if gaps else f": {run.stopped_by}"
    words = {
        Verdict.PASSED: f"{name} passed: no test found a reason not to run guests on it.",
        Verdict.FAILED: f"{name} failed: {critical[0].message + more if critical else run.stopped_by}",
        Verdict.INCOMPLETE: f"{name} is neither passed nor failed{missing}",
        Verdict.ERROR: f"{name} was not tested: {run.bench_error or run.stopped_by}",
    }
    none = f"{name} has no verdict. State of the run: {naming.state_in_words(run.state)}. {run.stopped_by}".strip()
    return words.get(Verdict(run.verdict), none)


def _gap(row: StageRun) -> str:
    return f"{naming.state_in_words(row.name)} ({row.reason or 'no reason given'})"


def _is_gap(row: StageRun) -> bool:
    return row.counts and row.outcome == Outcome.NOT_TESTED


def _newest(rows: Iterable[StageRun]) -> list[StageRun]:
    """The last attempt of each stage, in order."""
    return list({row.name: row for row in rows}.values())


def _host(run: Run) -> Document:
    system = (run.inventory or {}).get("system") or {}
    return {
        "name": run.host.name,
        "macs": run.host.mac_list,
        "address": run.agent_address,
        **{key: system.get(key, "") for key in ("manufacturer", "product", "serial", "uuid")},
    }


def _run(run: Run) -> Document:
    profile = run.profile
    return {
        "id": run.pk,
        "link": settings.VETTING.web.link_base + run.get_absolute_url(),
        "state": run.state,
        "repair": run.repair,
        "requested_by": run.requested_by,
        "profile": run.profile_name,
        "profile_title": profile.get("title", ""),
        "storage_mode": (profile.get("storage") or {}).get("mode", "read"),
        "on_failure": profile.get("on_failure", "hold"),
        "destructive_allowed": run.destructive_allowed,
        "compared_since": _time(run.compared_since),
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "duration_s": _seconds(run.started_at, run.ended_at),
        "estimated_s": estimate.total_s(profile),
        "estimate_error_percent": estimate.error_percent(run),
    }


def _changes(run: Run, before: Run | None) -> Document:
    diffs = run.spec_diffs.values(
        "path", "severity", "expected", "actual", "message", "adopted_at", attempt=F("stage_run__attempt")
    )
    known = before is not None and run.inventory is not None
    return {
        "last_run": {"id": before.pk, "at": _time(before.created_at), "verdict": before.verdict} if before else None,
        "since_last_run": changes.as_rows(changes.compare(before.inventory, run.inventory)) if known else None,
        "against_expected": [{**row, "adopted_at": _time(row["adopted_at"])} for row in diffs],
        "has_expected_spec": expectations.names_parts(run.expected),
    }


def _stages(rows: list[StageRun], before: Run | None) -> list[Document]:
    """Every stage of the registry, those that never began included."""
    earlier = _numbers_of(before)
    by_name = {stage.name: [row for row in rows if row.name == stage.name] for stage in stages.STAGES}
    return [
        {
            "name": stage.name,
            "title": stage.title,
            "outcome": by_name[stage.name][-1].outcome if by_name[stage.name] else "not_reached",
            "passed_on_retry": _passed_on_retry(by_name[stage.name]),
            "attempts": [_attempt(row, earlier.get(stage.name, {})) for row in by_name[stage.name]],
        }
        for stage in stages.STAGES
    ]


def _passed_on_retry(attempts: list[StageRun]) -> bool:
    """In one boot: what was found before stands, and the verdict with it."""
    if not attempts or attempts[-1].outcome != Outcome.PASSED:
        return False
    return any(row.outcome == Outcome.FAILED and row.boot == attempts[-1].boot for row in attempts)


def _attempt(row: StageRun, earlier: dict[str, float]) -> Document:
    return {
        "attempt": row.attempt,
        "boot": row.boot,
        "outcome": row.outcome,
        "counts": row.counts,
        "reason": row.reason,
        "started_at": _time(row.go_at),
        "ended_at": _time(row.ended_at),
        "duration_s": _seconds(row.go_at, row.ended_at),
        "timeout_s": row.timeout_s,
        "checks": row.checks,
        "findings": [_finding(finding) for finding in row.findings.all()],
        "counters": row.counters,
        "numbers": [{"name": k, "value": v, "last_run": earlier.get(k)} for k, v in sorted(row.numbers.items())],
        "refusals": row.refusals,
        "evidence": row.evidence,
    }


def _finding(finding: Finding) -> Document:
    fields = ("code", "severity", "component_kind", "component", "message", "value", "limit", "unit")
    return {**{name: getattr(finding, name) for name in fields}, "at": _time(finding.at)}


def _numbers_of(run: Run | None) -> dict[str, dict[str, float]]:
    if run is None:
        return {}
    return {row.name: row.numbers for row in run.stage_runs.order_by("attempt")}


def _not_tested(rows: list[StageRun]) -> Iterable[Document]:
    """Stages and checks of the last attempts that have no answer, each with its reason."""
    for row in _newest(rows):
        if row.outcome == Outcome.NOT_TESTED:
            yield {
                "stage": row.name,
                "check": "",
                "component": "",
                "reason": row.reason,
                "counts": row.counts,
            }
        for check in row.checks:
            if check["outcome"] == Outcome.NOT_TESTED:
                yield {
                    "stage": row.name,
                    "check": check["name"],
                    "component": check.get("component", ""),
                    "reason": check.get("reason", ""),
                    "counts": row.counts,
                }


def _measurements(run: Run) -> list[Document]:
    """Lowest, highest and mean of everything that was measured, temperatures first."""
    keys = ("component_kind", "component", "name", "unit")
    figures = {"lowest": Min("value"), "highest": Max("value"), "mean": Avg("value"), "count": Count("id")}
    rows = run.measurements.order_by().values(*keys).annotate(**figures)
    return sorted(rows, key=lambda row: (row["name"] != "temp", row["name"], row["component"]))


def _ladder(run: Run) -> list[Document]:
    rows = list(run.rungs.order_by("boot", "at", "id"))
    first = {row.boot: row.at for row in reversed(rows)}
    return [
        {
            "boot": row.boot,
            "rung": row.rung,
            "title": row.get_rung_display(),
            "at": _time(row.at),
            "after_s": _seconds(first[row.boot], row.at),
            "detail": row.detail,
            "seen": row.seen,
        }
        for row in rows
    ]


def _overrides(run: Run) -> list[Document]:
    rows = run.overrides.values("stage", "attempt", "boot", "serial", "digest", by=F("given_by"), at=F("given_at"))
    return [{**row, "at": _time(row["at"])} for row in rows.order_by("given_at")]


def _events(run: Run) -> list[Document]:
    fields = ("at", "actor", "who", "kind", "state_before", "state_after", "text")
    return [{**row, "at": _time(row["at"])} for row in run.events.order_by("id").values(*fields)]


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if start and end else None
