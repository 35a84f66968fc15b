"""A report's size and its number of queries do not depend on how much a host sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosts import bounds
from runs.judging import run_verdict
from runs.models import Finding, Run, StageRun
from runs.reports import document as report_document
from runs.reports import write as report
from tests import rows
from tests.pages import as_read

pytestmark = pytest.mark.django_db


def many_findings(stage: StageRun, count: int, **fields: Any) -> None:
    Finding.objects.bulk_create(
        Finding(
            run=stage.run, stage_run=stage, code="disk.pending", component_kind="disk", component=f"S{number}",
            message=f"S{number}: pending", **{"severity": "critical"} | fields,
        )
        for number in range(count)
    )  # fmt: skip


def stage_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(stage for stage in content["stages"] if stage["name"] == name)


def test_of_thousands_of_findings_the_worst_are_shown_and_the_others_counted() -> None:
    run = rows.a_run(verdict="failed")
    stage = rows.a_stage(run, "SMART", "failed")
    many_findings(stage, 1_000, severity="info")
    many_findings(stage, 150)
    content = report_document.document(run)
    attempt = stage_of(content, "SMART")["attempts"][0]
    assert len(attempt["findings"]) == 200
    assert [finding["severity"] for finding in attempt["findings"][:150]] == ["critical"] * 150
    assert attempt["left_out"] == {"findings": 950}
    assert content["verdict"]["sentence"] == "node-1 failed: S0: pending (and 149 more)"
    assert (len(content["verdict"]["components"]), content["left_out"]) == (50, {"components": 100})
    html = as_read(report.to_html(content))
    assert "and 950 more findings; the worst are shown" in html
    assert "and 100 more</p>" in html


def test_no_query_of_verdict_or_report_reads_a_row_for_each_finding() -> None:
    """The verdict is made in a transaction, beside which nobody else can write."""
    run = rows.a_run(verdict="failed")
    stage = rows.a_stage(run, "SMART", "failed", evidence={"smartctl": "x" * 10_000})
    few = queries(run)
    many_findings(stage, 2_000)
    assert run_verdict.seen(run) == [run_verdict.Seen("SMART", 1, "critical", "")]
    assert queries(run) <= few + 1


def queries(run: Run) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        run_verdict.write(run)
        report_document.document(run)
    return len(captured)


def test_long_lists_of_one_stage_are_cut_those_that_did_not_pass_first() -> None:
    run = rows.a_run(verdict="failed")
    checks = [{"name": f"c{number}", "outcome": "passed"} for number in range(800)]
    checks += [{"name": "bad", "outcome": "failed"}, {"name": "gap", "outcome": "not_tested", "reason": "no answer"}]
    rows.a_stage(
        run, "SMART", "failed", checks=checks, numbers={f"n{number}": 1.0 for number in range(600)},
        evidence={"dmesg": "y" * 100_000},
    )  # fmt: skip
    content = report_document.document(run)
    attempt = stage_of(content, "SMART")["attempts"][0]
    assert [check["name"] for check in attempt["checks"][:3]] == ["bad", "gap", "c0"]
    assert attempt["left_out"] == {"checks": 302, "numbers": 100}
    assert attempt["evidence"]["dmesg"].endswith("… and 36000 more characters")
    assert [gap["check"] for gap in content["not_tested"]] == ["gap"]


def test_a_long_text_is_cut_and_says_so() -> None:
    run = rows.a_run(verdict="failed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"), "m" * 800_000)
    rows.an_event(run, text="e" * 1_900_000)
    content = report_document.document(run)
    message = stage_of(content, "SMART")["attempts"][0]["findings"][0]["message"]
    assert message.endswith(" characters more]") and len(message) <= bounds.SENTENCE.most
    assert len(report.to_json(content)) < 40_000


def test_of_a_long_history_the_newest_are_kept() -> None:
    run = rows.a_run()
    for number in range(report_document.ROWS + 3):
        rows.an_event(run, kind=f"k{number}")
    content = report_document.document(run)
    assert [event["kind"] for event in content["events"]][:: report_document.ROWS - 1] == ["k3", "k502"]
    assert "3 earlier entries are left out" in report.to_html(content)
