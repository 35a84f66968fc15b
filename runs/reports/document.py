"""The report of a run as one JSON-ready document. The page is rendered from it, so both say the same.

Its size does not depend on how much a host sent: long lists and texts are cut, and `left_out` says what is missing.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db.models import F, Max
from django.utils import timezone

from hosts import expectations
from runs import left_out as not_kept
from runs import tokens
from runs.judging import inventory_changes, run_verdict, verdict
from runs.models import Outcome, Run, Severity, StageRun, Verdict
from runs.profiles import estimate
from runs.reports import measured, parts, stage_rows
from runs.reports.stage_rows import ROWS, Document, left_out, seconds, time
from runs.wording import naming

SCHEMA = "vetting.report"
SCHEMA_VERSION = 1
COMPONENTS = 50
TEXT_CHARS = 4_000

# Secrets are never stored in the rows that a report reads, but a tool's output may repeat the kernel's command line.
_KEYS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)
# Values that are not cut: a whole inventory, and tools' output, which was cut when it was read.
_WHOLE = frozenset({"evidence", "inventory"})


def document(run: Run) -> Document:
    """The whole report, in reading order. Times are ISO 8601 in UTC."""
    rows = stage_rows.light(run)
    before = last_run(run)
    stages, (curves, curves_more) = stage_rows.of_run(rows, before), measured.figures(run)
    to_do, more_to_do = parts.of_run(run, rows)
    gaps, events = list(stage_rows.not_tested(stages)), run.events.count()
    refused, blamed = stage_rows.refusals(stages), run_verdict.blamed(run)
    content = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "generated_at": time(timezone.now()),
        "verdict": _verdict(run, rows, blamed),
        "parts": to_do,
        "host": _host(run),
        "run": _run(run),
        "changes": _changes(run, before),
        "stages": stages,
        "not_kept": not_kept.document(run),
        "not_tested": gaps[:ROWS],
        "not_expected": _not_expected(run),
        "measurements": curves[:ROWS],
        "ladder": _ladder(run),
        "refusals": refused[:ROWS],
        "overrides": _overrides(run),
        "events": _events(run),
        "inventory": run.inventory,
        "left_out": left_out(
            not_tested=len(gaps) - ROWS,
            measurements=len(curves) - ROWS,
            measurements_of_more_curves=curves_more,
            refusals=len(refused) - ROWS,
            components=len(blamed) - COMPONENTS,
            parts=more_to_do,
            events=events - ROWS,
            ladder=run.rungs.count() - ROWS,
        ),
    }
    cut: Document = cut_texts(without_secrets(content))
    return cut


def _not_expected(run: Run) -> list[str]:
    """The topics by which the run's stages were judged: those that somebody added after the last result are left
    out."""
    judged_at = run.stage_runs.aggregate(last=Max("ended_at"))["last"] or run.created_at
    later = run.events.filter(kind="adopted", at__gt=judged_at).values_list("data", flat=True)
    added = {topic for data in later for topic in data.get("not_expected") or []}
    return [topic for topic in (run.expected or {}).get("not_expected") or [] if topic not in added]


def cut_texts(value: Any) -> Any:
    """The document with every text cut to a useful length."""
    if isinstance(value, str) and len(value) > TEXT_CHARS:
        return f"{value[:TEXT_CHARS]}… and {len(value) - TEXT_CHARS} more characters"
    if isinstance(value, dict):
        return {key: item if key in _WHOLE else cut_texts(item) for key, item in value.items()}
    return [cut_texts(item) for item in value] if isinstance(value, list) else value


def without_secrets(value: Any) -> Any:
    """The same document without run tokens and private keys, in whatever string they are."""
    if isinstance(value, str):
        return _KEYS.sub("[removed]", tokens.without_tokens(value))
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def last_run(run: Run) -> Run | None:
    """The host's newest earlier run that has an inventory."""
    return Run.objects.with_parts().filter(host_id=run.host_id, id__lt=run.pk).first()


def _verdict(run: Run, rows: list[StageRun], blamed: list[str]) -> Document:
    return {
        "result": run.verdict,
        "sentence": sentence(run, rows),
        "components": blamed[:COMPONENTS],
        "bench_error": run.bench_error,
        "stopped_by": run.stopped_by,
    }


def sentence(run: Run, rows: list[StageRun]) -> str:
    """The verdict in a sentence that names the device and the number."""
    name = run.host.name
    newest = {row.name: row for row in rows}.values()
    gaps = [
        f"{naming.state_in_words(row.name)} ({row.reason or 'no reason given'})"
        for row in newest
        if row.counts and row.outcome == Outcome.NOT_TESTED
    ]
    missing = f"; not tested: {'; '.join(gaps)}." if gaps else f": {run.stopped_by}"
    words = {
        Verdict.PASSED: f"{name} passed: no test found a reason not to run guests on it.",
        Verdict.FAILED: f"{name} failed: {_worst(run, rows) or run.stopped_by}",
        Verdict.INCOMPLETE: f"{name} is neither passed nor failed{missing}",
        Verdict.ERROR: f"{name} was not tested: {run.bench_error or run.stopped_by}",
    }
    none = f"{name} has no verdict. State of the run: {naming.state_in_words(run.state)}. {run.stopped_by}".strip()
    return words.get(Verdict(run.verdict), none)


def _worst(run: Run, rows: list[StageRun]) -> str:
    """The first critical finding that counts, and how many more there are."""
    over = [row for row in rows if row.outcome]
    counted = [row.pk for row in verdict.counting(over)]
    critical = run.findings.filter(severity=Severity.CRITICAL, stage_run__in=counted)
    first = critical.order_by("stage_run__order", "stage_run__attempt", "id").values_list("message", flat=True).first()
    count = critical.count()
    return f"{first} (and {count - 1} more)" if count > 1 else first or ""


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
        "compared_since": time(run.compared_since),
        "created_at": time(run.created_at),
        "started_at": time(run.started_at),
        "ended_at": time(run.ended_at),
        "duration_s": seconds(run.started_at, run.ended_at),
        "estimated_s": estimate.total_s(profile),
        "estimate_error_percent": estimate.error_percent(run),
    }


def _changes(run: Run, before: Run | None) -> Document:
    diffs = run.spec_diffs.values(
        "path", "severity", "expected", "actual", "message", "adopted_at", attempt=F("stage_run__attempt")
    )
    since = None
    if before is not None and before.inventory is not None and run.inventory is not None:
        since = inventory_changes.as_rows(inventory_changes.compare(before.inventory, run.inventory))
    return {
        "last_run": {"id": before.pk, "at": time(before.created_at), "verdict": before.verdict} if before else None,
        "since_last_run": since and since[:ROWS],
        "against_expected": [{**row, "adopted_at": time(row["adopted_at"])} for row in diffs[:ROWS]],
        "has_expected_spec": expectations.names_parts(run.expected),
        "left_out": left_out(since_last_run=len(since or []) - ROWS, against_expected=diffs.count() - ROWS),
    }


def _ladder(run: Run) -> list[Document]:
    rows = list(run.rungs.order_by("-boot", "-at", "-id")[:ROWS])[::-1]
    first = {row.boot: row.at for row in reversed(rows)}
    return [
        {
            "boot": row.boot,
            "rung": row.rung,
            "title": row.get_rung_display(),
            "at": time(row.at),
            "after_s": seconds(first[row.boot], row.at),
            "detail": row.detail,
            "seen": row.seen,
        }
        for row in rows
    ]


def _overrides(run: Run) -> list[Document]:
    rows = run.overrides.values("stage", "attempt", "boot", "serial", "digest", by=F("given_by"), at=F("given_at"))
    return [{**row, "at": time(row["at"])} for row in rows.order_by("given_at")]


def _events(run: Run) -> list[Document]:
    """The newest events, in their order."""
    fields = ("at", "actor", "who", "kind", "state_before", "state_after", "text")
    newest = run.events.order_by("-id").values(*fields)[:ROWS]
    return [{**row, "at": time(row["at"])} for row in reversed(newest)]
