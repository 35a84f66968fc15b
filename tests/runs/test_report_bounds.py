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
            **{"severity": "critical", "message": f"S{number}: pending"} | fields,
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
    assert (len(content["verdict"]["components"]), content["left_out"]) == (50, {"components": 100, "parts": 100})
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
    assert queries(run) <= few + 3


def queries(run: Run) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        run_verdict.write(run)
        report_document.document(run)
    return len(captured)


def test_the_parts_that_are_left_out_are_counted_however_many_there_are() -> None:
    run = rows.a_run(verdict="failed")
    many_findings(rows.a_stage(run, "SMART", "failed"), 3_000)
    content = report_document.document(run)
    assert (len(content["parts"]), content["left_out"]["parts"]) == (50, 2_950)


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


def test_the_page_of_a_run_with_much_evidence_stays_small_and_shows_that_of_what_failed() -> None:
    """It came to 8.4 MB. The document has all of it."""
    run = rows.a_run(verdict="failed")
    long = {f"tool {number}": f"{number} " + "<a & 'b'>\n" * 3_000 for number in range(40)}
    rows.a_stage(run, "Firmware", "passed", evidence=long)
    failed = rows.a_stage(run, "SMART", "failed", evidence={"smartctl": "the disk that failed", **long})
    content = report_document.document(run)
    html = report.to_html(content)
    assert len(html.encode()) < 800_000 < len(report.to_json(content))
    assert "the disk that failed" in html and "more characters, in report.json" in html
    kept = html.count("Evidence: tool")
    assert 0 < kept < 40 and f"and {41 - 1 - kept} more pieces of evidence in report.json" in as_read(html)
    assert "and 40 more pieces of evidence in report.json" in as_read(html), "of what passed there is no room"
    assert len(stage_of(content, "SMART")["attempts"][0]["evidence"]) == 41 and failed.evidence


def test_the_page_stays_small_whatever_a_host_sends() -> None:
    run = rows.a_run(verdict="failed")
    for number in range(6):
        checks = [{"name": f"c{n}", "outcome": "passed", "reason": "<" * 1_900} for n in range(400)]
        checks[-1] |= {"outcome": "failed", "reason": f"the fault of attempt {number}"}
        stage = rows.a_stage(run, "SMART", "failed", attempt=number + 1, checks=checks)
        many_findings(stage, 200, message=">" * 1_900, severity="info")
        rows.a_finding(stage, f"the disk of attempt {number}")
        rows.an_event(run, text="&" * 1_900)
    html = report.to_html(report_document.document(run))
    assert len(html) < 3_000_000
    for number in range(6):
        assert f"the fault of attempt {number}" in html and f"the disk of attempt {number}" in html
