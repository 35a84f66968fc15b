"""The stages of a run's report: each attempt with its findings, cut to a useful length.

A stage's row may have two megabytes and thousands of findings. So attempts are read one at a time, and long lists are
cut, the worst entries first. `left_out` says how many entries each list lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, Value, When

from agent.contract.actions import action
from runs import stages
from runs.models import Finding, Outcome, Run, Severity, StageRun
from runs.reports import memory_modules

Document = dict[str, Any]
ATTEMPTS = 20  # of a stage, the newest
FINDINGS = 200
ROWS = 500  # of any other list
EVIDENCE = 50  # pieces
EVIDENCE_CHARS = 64_000
_WORST_FIRST = {Outcome.FAILED: 0, Outcome.NOT_TESTED: 1}
_BY_SEVERITY = Case(
    When(severity=Severity.CRITICAL, then=Value(0)),
    When(severity=Severity.WARNING, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)
HEAVY = ("progress", "checks", "counters", "numbers", "refusals", "evidence")


def light(run: Run) -> list[StageRun]:
    """The attempts of the run in order, without large fields."""
    return list(run.stage_runs.defer(*HEAVY).order_by("order", "attempt"))


def of_run(rows: list[StageRun], before: Run | None) -> list[Document]:
    """Every registered stage, also those that never began."""
    earlier = dict(before.stage_runs.order_by("attempt").values_list("name", "numbers")) if before else {}
    by_name = {stage.name: [row for row in rows if row.name == stage.name] for stage in stages.STAGES}
    return [
        {
            "name": stage.name,
            "title": stage.title,
            "outcome": by_name[stage.name][-1].outcome if by_name[stage.name] else "not_reached",
            "passed_on_retry": _passed_on_retry(by_name[stage.name]),
            "attempts": [_attempt(row.pk, earlier.get(stage.name, {})) for row in by_name[stage.name][-ATTEMPTS:]],
            "left_out": left_out(attempts=len(by_name[stage.name]) - ATTEMPTS),
        }
        for stage in stages.STAGES
    ]


def not_tested(found: list[Document]) -> Iterable[Document]:
    """Stages and checks of the last attempts that were not tested, each with its reason."""
    for stage in found:
        for attempt in stage["attempts"][-1:]:
            if attempt["outcome"] == Outcome.NOT_TESTED:
                yield _gap(stage, attempt, "", "", attempt["reason"])
            for check in attempt["checks"]:
                if check["outcome"] == Outcome.NOT_TESTED:
                    yield _gap(stage, attempt, check["name"], check.get("component", ""), check.get("reason", ""))


def refusals(found: list[Document]) -> list[Document]:
    return [
        {"stage": stage["name"], "attempt": attempt["attempt"], **refusal}
        for stage in found
        for attempt in stage["attempts"]
        for refusal in attempt["refusals"]
    ]


def left_out(**more: int) -> dict[str, int]:
    """For each list that was cut, how many entries were left out."""
    return {name: count for name, count in more.items() if count > 0}


def _gap(stage: Document, attempt: Document, check: str, component: str, reason: str) -> Document:
    where = {"stage": stage["name"], "check": check, "component": component}
    return {**where, "reason": reason, "counts": attempt["counts"]}


def _passed_on_retry(attempts: list[StageRun]) -> bool:
    """Whether the stage passed on a retry within one boot: earlier findings, and the verdict, still count then."""
    if not attempts or attempts[-1].outcome != Outcome.PASSED:
        return False
    return any(row.outcome == Outcome.FAILED and row.boot == attempts[-1].boot for row in attempts)


def _attempt(pk: int, earlier: dict[str, float]) -> Document:
    row = StageRun.objects.get(pk=pk)
    checks = row.checks if len(row.checks) <= ROWS else sorted(row.checks, key=_rank)
    findings, all_findings = _findings(row), row.findings.count()
    modules = memory_modules.rows(row.checks, row.numbers)
    return {
        "attempt": row.attempt,
        "boot": row.boot,
        "outcome": row.outcome,
        "counts": row.counts,
        "reason": row.reason,
        "started_at": time(row.go_at),
        "ended_at": time(row.ended_at),
        "duration_s": seconds(row.go_at, row.ended_at),
        "timeout_s": row.timeout_s,
        "checks": checks[:ROWS],
        "findings": findings,
        "counters": row.counters[:ROWS],
        "numbers": [{"name": k, "value": v, "last_run": earlier.get(k)} for k, v in sorted(row.numbers.items())[:ROWS]],
        "modules": modules[: memory_modules.MOST],
        "refusals": row.refusals[:ROWS],
        "evidence": {name: _cut(text) for name, text in list(row.evidence.items())[:EVIDENCE]},
        "left_out": left_out(
            checks=len(row.checks) - ROWS,
            findings=all_findings - len(findings),
            counters=len(row.counters) - ROWS,
            numbers=len(row.numbers) - ROWS,
            modules=len(modules) - memory_modules.MOST,
            refusals=len(row.refusals) - ROWS,
            evidence=len(row.evidence) - EVIDENCE,
        ),
    }


def _rank(check: Document) -> int:
    return _WORST_FIRST.get(check["outcome"], 2)


def _findings(row: StageRun) -> list[Document]:
    """All findings in their order; if there are very many, the worst."""
    few = list(row.findings.order_by("id")[: FINDINGS + 1])
    if len(few) > FINDINGS:
        few = list(row.findings.order_by(_BY_SEVERITY, "id")[:FINDINGS])
    return [_finding(finding) for finding in few]


def _finding(finding: Finding) -> Document:
    fields = ("code", "severity", "component_kind", "component", "message", "value", "limit", "unit")
    told = {name: getattr(finding, name) for name in fields}
    return {**told, "action": action(finding.code, finding.severity).value, "at": time(finding.at)}


def _cut(text: Any) -> Any:
    if not isinstance(text, str) or len(text) <= EVIDENCE_CHARS:
        return text
    return f"{text[:EVIDENCE_CHARS]}\n… and {len(text) - EVIDENCE_CHARS} more characters"


def time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if start and end else None


def that_count(stage: Document) -> list[Document]:
    """Of a stage in a report: the attempts of its newest boot, which count for the verdict."""
    attempts: list[Document] = stage["attempts"]
    return [attempt for attempt in attempts if attempt["boot"] == attempts[-1]["boot"]]
