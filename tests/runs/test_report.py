from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agent.contract import codec, wire
from runs.models import Artifact, HoldSession, Job, LadderRung, Override, Run, SpecDiff
from runs.reports import document as report_document
from runs.reports import write as report
from tests import rows
from tests.pages import as_read
from tests.work import do_jobs

pytestmark = pytest.mark.django_db

TOKEN = "vt1.1.1.AAAAAAAAAAAAAAAAAAAAAA." + "B" * 43
EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"


def inventory(dimm_serial: str) -> dict:
    return codec.encode(wire.Inventory(memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 16384, dimm_serial)])))


def failed_run() -> Run:
    """Two attempts of SMART, a refusal with its override, a diff, temperatures, a ladder, an earlier run."""
    host, now = rows.a_host(), timezone.now()
    rows.a_stage(rows.a_run(host, inventory=inventory("D-1")), "SMART", numbers={"read_mb_s.SATA-0001": 530.0})
    run = rows.a_run(
        host,
        state="FailedHolding",
        verdict="failed",
        repair="new DIMM",
        report_due=True,
        inventory=inventory("D-2"),
        expected={"not_expected": ["gpu"]},
        compared_since=datetime(2026, 11, 20, 12, tzinfo=UTC),
        stopped_by="SMART failed",
        started_at=now - timedelta(minutes=9),
        ended_at=now,
        profile={"title": "About ten minutes", "on_failure": "hold", "storage": {"mode": "write"}},
    )
    check = {
        "name": "self_test",
        "outcome": "not_tested",
        "reason": "the drive has none",
        "component": "SATA-0001",
        "topic": "",
        "cause": None,
    }
    first = rows.a_stage(run, "SMART", "failed", attempt=1, checks=[check], numbers={"read_mb_s.SATA-0001": 512.3})
    rows.a_finding(first, value=2, limit=0, unit="sectors")
    rows.a_stage(run, "SMART", "passed", attempt=2, checks=[check], evidence={"smartctl": f"cmdline {TOKEN} end"})
    refusal = {
        "gate": 3,
        "serial": "SATA-0001",
        "reason": "LVM found",
        "digest": "abc",
        "signatures": [{"where": "partition 1", "kind": "lvm", "label": "", "words": "LVM volume group pve"}],
    }
    rows.a_stage(run, "Storage", "not_tested", reason="gate 3", refusals=[refusal])
    Override.objects.create(run=run, boot=1, attempt=2, serial="SATA-0001", digest="abc", given_by="ada")
    SpecDiff.objects.create(
        run=run,
        stage_run=first,
        path="memory.dimms[DIMM_A1].serial",
        severity="warning",
        expected="D-1",
        actual="D-2",
        message="DIMM_A1: replaced",
    )
    rows.measured(run, 41.0, 73.5, 60.0, at=now)
    LadderRung.objects.create(run=run, boot=1, rung="wake_sent", at=now - timedelta(seconds=40))
    LadderRung.objects.create(run=run, boot=1, rung="dhcp", at=now, seen=2)
    HoldSession.objects.create(run=run, boot=1, public_key="ssh-ed25519 AAAA", private_key_sealed="sealed-secret")
    rows.an_event(run, kind="token_refused", text=f"another run's token {TOKEN}")
    return run


def test_a_due_report_is_written_once_as_page_and_as_data(settings: Any) -> None:
    run = failed_run()
    report.tick()
    assert run.artifacts.count() == 0
    assert do_jobs() == 1
    run.refresh_from_db()
    assert (run.report_due, run.report_at is not None) == (False, True)
    for artifact in Artifact.objects.filter(run=run):
        file = settings.RUNS_DIR / artifact.path
        assert file.stat().st_size == artifact.size > 0
    assert {a.name for a in run.artifacts.all()} == {"report.html", "report.json", "report.json.sig"}
    (settings.RUNS_DIR / f"{run.pk}/report.html").unlink()
    report.tick()
    assert do_jobs() == 0
    assert not (settings.RUNS_DIR / f"{run.pk}/report.html").exists()


def test_a_run_that_moved_on_while_its_report_was_written_stays_due(monkeypatch: pytest.MonkeyPatch) -> None:
    run = failed_run()

    def write_and_release(writing: Run) -> None:
        rows.an_event(writing)

    monkeypatch.setattr(report, "write", write_and_release)
    report.tick()
    assert do_jobs() == 1
    run.refresh_from_db()
    assert (run.report_due, run.report_at) == (True, None)
    monkeypatch.undo()
    report.tick()
    assert do_jobs() == 1


def test_writing_twice_leaves_one_file_and_one_row_of_each(settings: Any) -> None:
    run = failed_run()
    report.write(run)
    report.write(run)
    assert run.artifacts.count() == 3
    assert sorted(p.name for p in (settings.RUNS_DIR / str(run.pk)).iterdir()) == [
        "report.html",
        "report.json",
        "report.json.sig",
    ]


def test_a_report_that_cannot_be_written_stays_due_and_holds_up_no_other(settings: Any) -> None:
    stuck = failed_run()
    settings.RUNS_DIR.mkdir()
    (settings.RUNS_DIR / str(stuck.pk)).write_text("a file where the directory should be")
    other = rows.a_run(rows.a_host("node-2", "52:54:00:00:00:02"), report_due=True)
    report.tick()
    do_jobs()
    assert set(Run.objects.filter(report_due=True)) == {stuck}
    assert other.artifacts.count() == 3
    job = Job.objects.get()
    assert (job.run, job.tries) == (stuck, 1) and "FileExistsError" in job.problem
    report.tick()
    assert do_jobs() == 0  # it waits


def test_the_data_has_a_schema_and_everything_that_was_asked_of_it() -> None:
    content = json.loads(report.to_json(report_document.document(failed_run())))
    assert (content["schema"], content["schema_version"]) == ("vetting.report", 1)
    assert content["verdict"]["sentence"] == "node-1 failed: SATA-0001: 2 pending sectors"
    assert content["verdict"]["components"] == ["SATA-0001"]
    assert (
        content["changes"]["since_last_run"][0]["words"]
        == "DIMM_A1: replaced, 16384 MB serial D-1 → 16384 MB serial D-2"
    )
    assert content["changes"]["against_expected"][0]["path"] == "memory.dimms[DIMM_A1].serial"
    smart = next(stage for stage in content["stages"] if stage["name"] == "SMART")
    assert [attempt["outcome"] for attempt in smart["attempts"]] == ["failed", "passed"]
    finding = smart["attempts"][0]["findings"][0]
    assert (finding["component"], finding["value"], finding["limit"], finding["unit"]) == (
        "SATA-0001",
        2,
        0,
        "sectors",
    )
    assert smart["attempts"][0]["numbers"] == [{"name": "read_mb_s.SATA-0001", "value": 512.3, "last_run": 530.0}]
    assert {(gap["stage"], gap["reason"]) for gap in content["not_tested"]} == {
        ("SMART", "the drive has none"),
        ("Storage", "gate 3"),
    }
    assert content["not_expected"] == ["gpu"]
    assert content["run"]["compared_since"] == "2026-11-20T12:00:00Z"
    assert "no earlier one counts" in report.to_html(content)
    temperature = content["measurements"][0]
    assert (temperature["lowest"], temperature["highest"], temperature["count"]) == (41.0, 73.5, 3)
    assert [(rung["rung"], rung["after_s"]) for rung in content["ladder"]] == [
        ("wake_sent", 0.0),
        ("dhcp", 40.0),
    ]
    assert content["refusals"][0]["gate"] == 3
    assert content["overrides"][0]["by"] == "ada"
    assert {stage["outcome"] for stage in content["stages"] if stage["name"] == "Burn"} == {"not_reached"}


def test_neither_a_token_nor_a_key_is_ever_in_a_report() -> None:
    content = report_document.document(failed_run())
    for text in (report.to_json(content), report.to_html(content)):
        assert "vt1." not in text
        assert "sealed-secret" not in text
        assert "ssh-ed25519" not in text
        assert "[token removed]" in text


def test_a_private_key_inside_a_tools_output_is_blotted_out() -> None:
    text = "before\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nafter"
    assert report_document.without_secrets({"k": [text]}) == {"k": ["before\n[removed]\nafter"]}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_no_other_file_runs_nothing_and_escapes_what_hardware_says() -> None:
    run = failed_run()
    rows.a_finding(run.stage_runs.first(), EVIL, component=EVIL, value=EVIL, unit="<b>")
    rows.an_event(run, text=EVIL)
    Run.objects.filter(pk=run.pk).update(repair=EVIL)
    run.refresh_from_db()
    page = _Page()
    html = report.to_html(report_document.document(run))
    page.feed(html)
    assert "script" not in page.tags
    assert page.addresses == []
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_says_what_a_reader_looks_for() -> None:
    html = as_read(report.to_html(report_document.document(failed_run())))
    for words in (
        "After: new DIMM",
        "LVM volume group pve",
        "Not expected here",
        "attempt 2",
        "73.5",
        "the drive has none",
        "About ten minutes (quick): disks written where that is allowed; held after a failure",
        "Held for you: SMART failed",
        "runs of this host since 20 Nov 2026 12:00:00 UTC;",
        '<td title="self_test">Self test</td>',
        '<td title="read_mb_s.SATA-0001">Read <span class="soft">SATA-0001</span></td>',
        '<td class="n">512.3\u00a0MB/s</td>',
        '<td title="temp">Temperature</td>',
        "73.5\u00a0°C",
        '<span title="gpu">GPU</span>',
    ):
        assert words in html
    assert "FailedHolding" not in html and not re.search(r"\d{4}-\d\d-\d\dT", html)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"verdict": "passed"}, "node-1 passed: no test found a reason not to run guests on it."),
        ({"verdict": "error", "bench_error": "contract x"}, "node-1 was not tested: contract x"),
        ({"verdict": "failed", "stopped_by": "host lost"}, "node-1 failed: host lost"),
        ({"verdict": "", "state": "Cancelled"}, "node-1 has no verdict. State of the run: Cancelled."),
    ],
)
def test_the_verdict_is_a_sentence(fields: dict, sentence: str) -> None:
    assert report_document.document(rows.a_run(**fields))["verdict"]["sentence"] == sentence


def test_an_incomplete_verdict_names_what_was_not_tested_and_why() -> None:
    run = rows.a_run(verdict="incomplete")
    rows.a_stage(run, "PSU", "not_tested", reason="no BMC")
    rows.a_stage(run, "GPU", "not_tested", reason="no driver")
    rows.a_stage(run, "Network", "not_tested", reason="not expected here", counts=False)
    words = report_document.document(run)["verdict"]["sentence"]
    assert words == "node-1 is neither passed nor failed; not tested: GPU (no driver); Power (no BMC)."


def test_a_pass_on_retry_in_the_same_boot_is_called_that_and_clears_nobody() -> None:
    content = report_document.document(failed_run())
    smart = next(stage for stage in content["stages"] if stage["name"] == "SMART")
    assert smart["passed_on_retry"] is True
    assert content["verdict"]["components"] == ["SATA-0001"]
    assert "passed on retry" in report.to_html(content)


def test_what_an_earlier_boot_found_is_shown_but_not_blamed_any_more() -> None:
    run = rows.a_run(verdict="passed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed", boot=1))
    rows.a_stage(run, "SMART", "passed", attempt=2, boot=2)
    content = report_document.document(run)
    assert content["verdict"]["components"] == []
    assert "SATA-0001: 2 pending sectors" in report.to_html(content)


def test_a_run_that_was_never_seen_to_boot_has_a_report_too() -> None:
    run = rows.a_run(state="Failed", verdict="error", bench_error="stopped at rung wake sent")
    html = report.to_html(report_document.document(run))
    assert "The host was never seen to boot." in html
    assert "No earlier run of this host" in html


def test_each_finding_and_each_part_says_what_to_do() -> None:
    run = failed_run()
    smart = run.stage_runs.get(name="SMART", attempt=1)
    rows.a_finding(smart, "3 corrected errors", code="memory.corrected", severity="warning",
                   component_kind="dimm", component="DIMM_A1")  # fmt: skip
    rows.a_finding(smart, "12 transfer errors", code="smart.crc_errors", severity="warning")
    content = report_document.document(run)
    found = next(stage for stage in content["stages"] if stage["name"] == "SMART")["attempts"][0]["findings"]
    assert [one["action"] for one in found] == ["replace_part", "reseat", "replace_cable"]
    disk, dimm = content["parts"]
    assert (disk["component"], disk["blamed"], disk["action"], disk["why"]) == (
        "SATA-0001", True, "replace_part", "Replace the drive.",
    )  # fmt: skip
    assert [one["message"] for one in disk["findings"]] == ["SATA-0001: 2 pending sectors", "12 transfer errors"]
    assert (dimm["component"], dimm["serial"], dimm["blamed"], dimm["action"]) == ("DIMM_A1", "D-2", False, "reseat")
    html = as_read(report.to_html(content))
    assert "What to do" in html and ">replace part<" in html


def test_a_part_that_only_an_earlier_boot_blamed_asks_for_nothing() -> None:
    run = rows.a_run(verdict="passed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed", boot=1))
    rows.a_stage(run, "SMART", "passed", attempt=2, boot=2)
    content = report_document.document(run)
    assert content["parts"] == []
    assert "What to do" not in report.to_html(content)


def test_many_findings_of_one_kind_are_one_line_of_their_part() -> None:
    stage = rows.a_stage(rows.a_run(verdict="failed"), "SMART", "failed")
    for number in range(30):
        rows.a_finding(stage, f"sector {number} is pending")
    (part,) = report_document.document(stage.run)["parts"]
    assert [(one["message"], one["number"]) for one in part["findings"]] == [("sector 0 is pending", 30)]


def test_each_memory_module_has_a_row_with_its_share_or_why_it_is_not_known() -> None:
    run = rows.a_run(rows.a_host("node-8", "52:54:00:00:00:08"))
    known = {"name": "module_coverage", "outcome": "passed", "component": "DIMM_A1", "reason": "93.5 % of it"}
    unknown = {**known, "outcome": "not_tested", "component": "DIMM_B1", "reason": "not known: no addresses"}
    numbers = {"covered_percent.DIMM_A1": 93.5, "passes.DIMM_A1": 3.1, "patterns.DIMM_A1": 68.0}
    rows.a_stage(run, "Memory", "passed", checks=[known, unknown, {**known, "name": "coverage"}], numbers=numbers)
    content = json.loads(report.to_json(report_document.document(run)))
    memory = next(stage for stage in content["stages"] if stage["name"] == "Memory")
    assert [list(row.values()) for row in memory["attempts"][0]["modules"]] == [
        ["DIMM_A1", 93.5, 3.1, 68.0, "93.5 % of it"],
        ["DIMM_B1", None, None, None, "not known: no addresses"],
    ]
    page = report.to_html(content)
    assert "Memory module" in page
    assert '<td colspan="3">not known: no addresses</td>' in page
