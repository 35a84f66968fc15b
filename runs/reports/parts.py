"""What to do, for each part of the host that a finding names. Read from the findings of the attempts that count."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Min, QuerySet

from agent.contract.actions import LADDER, action
from agent.contract.codes import CODES
from runs.judging import verdict
from runs.models import Finding, Run, Severity, StageRun
from runs.reports.stage_rows import Document, left_out
from runs.wording import component_places

CODES_OF_PART = 10
PARTS = 50
_KINDS_OF_FINDING = 2_000


def of_run(run: Run, rows: list[StageRun]) -> tuple[list[Document], int]:
    """The parts with a critical finding or a warning that counts, those with a critical one first, and how many more
    there are. `action` is the strongest of the part's worst findings, and `why` the advice that goes with it."""
    by_part: dict[tuple[str, str], list[Document]] = {}
    wanted = _wanted(run, rows)
    for row in _by_kind(wanted):
        by_part.setdefault((row["component_kind"], row["component"]), []).append(row)
    shown = list(by_part.items())[:PARTS]
    firsts = [row["first"] for _, found in shown for row in found[:CODES_OF_PART]]
    messages = Finding.objects.only("message").in_bulk(firsts)
    number = wanted.values("component_kind", "component").distinct().count() if len(by_part) > PARTS else len(by_part)
    return [_part(run, *name, found, messages) for name, found in shown], number - len(shown)


def advice(code: str, severity: str) -> Document:
    """What to do about one finding, and why."""
    known = CODES.get(code)
    return {"action": action(code, severity).value, "advice": known.advice if known else ""}


def _wanted(run: Run, rows: list[StageRun]) -> QuerySet[Finding]:
    """The critical findings and warnings that count."""
    counted = [row.pk for row in verdict.counting([row for row in rows if row.outcome])]
    return run.findings.filter(severity__in=[Severity.CRITICAL, Severity.WARNING], stage_run__in=counted).order_by()


def _by_kind(wanted: QuerySet[Finding]) -> list[Document]:
    """A row for each part, code and severity, critical before warning; some at most: a host may send thousands."""
    kinds = wanted.values("component_kind", "component", "code", "severity")
    numbered = kinds.annotate(first=Min("id"), number=Count("id")).order_by("severity", "first")
    return [dict(row) for row in numbered[:_KINDS_OF_FINDING]]


def _part(run: Run, kind: str, component: str, found: list[Document], messages: dict[int, Finding]) -> Document:
    worst = found[0]["severity"]
    asked = [advice(row["code"], worst) for row in found if row["severity"] == worst]
    strongest = max(asked, key=lambda one: LADDER.index(one["action"]))
    return {
        "component_kind": kind,
        "component": component,
        "place": component_places.describe(run.inventory, kind, component),
        "serial": component_places.serial(run.inventory, kind, component),
        "blamed": worst == Severity.CRITICAL,
        "action": strongest["action"],
        "why": strongest["advice"],
        "findings": [_told(row, messages[row["first"]]) for row in found[:CODES_OF_PART]],
        "left_out": left_out(findings=len(found) - CODES_OF_PART),
    }


def _told(row: Document, first: Finding) -> dict[str, Any]:
    """All findings of one code of a part: the first one's message, and how many there are."""
    return {
        "code": row["code"],
        "severity": row["severity"],
        "message": first.message,
        "number": row["number"],
        **advice(row["code"], row["severity"]),
    }
