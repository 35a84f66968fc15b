"""A run in the formats of other programs: each is what its readers expect, and none says more than the verdict."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import jsonschema_rs
import pytest
import tablib
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from junit2htmlreport import parser, runner

from runs.files import logs
from runs.models import Run
from runs.reports import exports, pack, tables
from runs.reports import write as report
from tests import factories, rows
from tests.runs import ocp_rules
from tests.runs.test_report import EVIL, TOKEN, failed_run

pytestmark = pytest.mark.django_db

UNUSUAL = "\x00\x0b\ufffe\U0001f525 <&\"'> \u202e"


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"


def made(run: Run, name: str) -> bytes:
    return exports.BY_NAME[name].make(run, exports.content_of(run))


def of_verdict(verdict: str, **fields: Any) -> Run:
    return rows.a_run(rows.a_host(f"{verdict or 'none'}.lan", "52:54:00:00:01:01"), verdict=verdict, **fields)


# --- JUnit ---------------------------------------------------------------------------------------------------------

# Of junit-10.xsd, which Jenkins' plug-in validates by: attributes and children of each element.
ALLOWED = {
    "testsuites": ({"name", "tests", "failures", "errors", "time", "disabled"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": ({"message", "type"}, set()),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
}


def junit(run: Run) -> Element:
    root = ElementTree.fromstring(made(run, "junit.xml"))
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.keys()) <= attributes, element.tag
        assert {child.tag for child in element} <= children, element.tag
    for suite in (root, *root.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        for attribute, kind in (("failures", "failure"), ("errors", "error")):
            assert int(suite.get(attribute, "")) == len(list(suite.iter(kind)))
        assert int(suite.get("tests", "")) == len(cases) > 0
    return root


def bad(root: Element) -> list[str]:
    return [
        case.get("name", "") for case in root.iter("testcase") if len(case.findall("failure") + case.findall("error"))
    ]


@pytest.mark.parametrize(
    ("verdict", "kind"), [("passed", None), ("failed", "failure"), ("incomplete", "error"), ("error", "error")]
)
def test_the_verdict_is_a_case_that_fails_unless_the_run_passed(verdict: str, kind: str | None) -> None:
    """What was not tested is skipped, and GitLab and Jenkins show a file with skipped cases as good."""
    run = of_verdict(verdict)
    rows.a_stage(run, "PSU", "not_tested", reason="no BMC")
    case = next(junit(run).iter("testcase"))
    assert (case.get("name"), [child.tag for child in case]) == ("verdict", [kind] if kind else [])


def test_a_cancelled_run_is_skipped_and_no_success() -> None:
    case = next(junit(of_verdict("", state="Cancelled")).iter("testcase"))
    assert [child.tag for child in case] == ["skipped"]


def test_a_failed_check_fails_and_names_its_findings() -> None:
    run = of_verdict("failed")
    checks = [
        {"name": "attributes", "outcome": "failed", "reason": "2 pending sectors", "component": "SATA-0001"},
        {"name": "attributes", "outcome": "passed", "reason": "", "component": "SATA-0002"},
        {"name": "self_test", "outcome": "not_tested", "reason": "the drive has none", "component": "SATA-0002"},
    ]
    rows.a_finding(rows.a_stage(run, "SMART", "failed", reason="1 of 3 checks failed", checks=checks))
    root = junit(run)
    named = {case.get("name"): case for case in root.iter("testcase")}
    failure = named["attributes of SATA-0001"].find("failure")
    assert failure is not None and failure.get("message") == "2 pending sectors"
    assert "SATA-0001: 2 pending sectors (smart.pending_sectors, disk SATA-0001)" in (failure.text or "")
    assert list(named["attributes of SATA-0002"]) == []
    assert [child.get("message") for child in named["self test of SATA-0002"]] == ["the drive has none"]
    assert bad(root) == ["verdict", "Disk health", "attributes of SATA-0001"]


def test_a_failure_that_a_later_boot_took_back_fails_no_case() -> None:
    run = of_verdict("passed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed", boot=1))
    rows.a_stage(run, "SMART", "passed", attempt=2, boot=2)
    assert bad(junit(run)) == []


def test_every_situation_is_well_formed_whatever_hardware_says() -> None:
    for run in factories.for_every_state():
        junit(run)
    run = of_verdict("failed", repair=UNUSUAL.replace("\0", ""))
    check = {"name": "health", "outcome": "failed", "reason": EVIL + UNUSUAL, "component": UNUSUAL}
    rows.a_stage(run, "SMART", "failed", reason=UNUSUAL.replace("\0", ""), checks=[check])
    assert "verdict" in bad(junit(run))


def test_another_program_reads_the_same_from_it(tmp_path: Path) -> None:
    """junit2html has a reader of its own, and makes a page of what it read."""
    run = of_verdict("failed")
    checks = [{"name": "health", "outcome": outcome, "reason": "<why>", "component": outcome}
              for outcome in ("failed", "passed", "not_tested")]  # fmt: skip
    rows.a_stage(run, "SMART", "failed", reason="1 of 3 checks failed", checks=checks)
    data = made(run, "junit.xml")
    (tmp_path / "junit.xml").write_bytes(data)
    read, root = parser.Junit(str(tmp_path / "junit.xml")), junit(run)
    assert [suite.name for suite in read.suites] == [suite.get("name") for suite in root]
    for what, kinds in (("failed", ("failure", "error")), ("skipped", ("skipped",))):
        listed = [case.name for suite in read.suites for case in getattr(suite, what)()]
        assert listed == [
            one.get("name") for one in root.iter("testcase") if any(one.find(kind) is not None for kind in kinds)
        ], what
    assert runner.run([str(tmp_path / "junit.xml"), str(tmp_path / "page.html")]) in (None, 0)
    page = (tmp_path / "page.html").read_text()
    assert "health of failed" in page and "&lt;why&gt;" in page


# --- OCP -----------------------------------------------------------------------------------------------------------


def ocp(run: Run) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in made(run, "ocp.jsonl").decode().splitlines()]
    validator = jsonschema_rs.Draft202012Validator(ocp_rules.LINE)
    for line in lines:
        assert validator.is_valid(line), line
    assert [line["sequenceNumber"] for line in lines] == list(range(len(lines)))
    steps = [line["testStepArtifact"] for line in lines if "testStepArtifact" in line]
    for number in {step["testStepId"] for step in steps}:
        of_step = [step for step in steps if step["testStepId"] == number]
        assert "testStepStart" in of_step[0] and "testStepEnd" in of_step[-1]
    assert lines[0]["schemaVersion"] == {"major": 2, "minor": 0}
    assert "testRunStart" in lines[1]["testRunArtifact"] and "testRunEnd" in lines[-1]["testRunArtifact"]
    known = {one["hardwareInfoId"] for one in lines[1]["testRunArtifact"]["testRunStart"]["dutInfo"]["hardwareInfos"]}
    for step in steps:
        assert next(iter(step.values())) is not None
        for artifact in step.values():
            if isinstance(artifact, dict) and "hardwareInfoId" in artifact:
                assert artifact["hardwareInfoId"] in known
    return lines


def test_every_situation_is_as_the_published_schema_says() -> None:
    for run in factories.for_every_state():
        ocp(run)


@pytest.mark.parametrize(
    ("verdict", "end"),
    [
        ("passed", {"status": "COMPLETE", "result": "PASS"}),
        ("failed", {"status": "COMPLETE", "result": "FAIL"}),
        ("incomplete", {"status": "ERROR", "result": "NOT_APPLICABLE"}),
        ("error", {"status": "ERROR", "result": "NOT_APPLICABLE"}),
        ("", {"status": "SKIP", "result": "NOT_APPLICABLE"}),
    ],
)
def test_the_end_of_the_run_is_its_verdict(verdict: str, end: dict[str, str]) -> None:
    assert ocp(of_verdict(verdict))[-1]["testRunArtifact"]["testRunEnd"] == end


def test_a_critical_finding_is_a_diagnosis_of_its_part_and_one_of_the_bench_is_none() -> None:
    run = failed_run()
    Run.objects.filter(pk=run.pk).update(inventory={"disks": [{"serial": "SATA-0001", "name": "sda", "model": "M"}]})
    run.refresh_from_db()
    smart = run.stage_runs.get(name="SMART", attempt=1)
    rows.a_finding(smart, "out of memory", code="system.out_of_memory", severity="warning", component_kind="system")
    steps = [line["testStepArtifact"] for line in ocp(run) if "testStepArtifact" in line]
    (fault,) = [one["diagnosis"] for one in steps if one.get("diagnosis", {}).get("verdict") == "smart.pending_sectors"]
    assert fault == {
        "verdict": "smart.pending_sectors", "type": "FAIL", "message": "SATA-0001: 2 pending sectors",
        "hardwareInfoId": "disk:SATA-0001",
    }  # fmt: skip
    assert [one["error"]["symptom"] for one in steps if "error" in one] == ["system.out_of_memory"]
    unknown = [one["diagnosis"] for one in steps if one.get("diagnosis", {}).get("type") == "UNKNOWN"]
    assert {one["verdict"] for one in unknown} == {"self_test-not_tested"}
    numbers = [one["measurement"] for one in steps if one.get("measurement", {}).get("name") == "read_mb_s"]
    assert numbers == [{"name": "read_mb_s", "value": 512.3, "unit": "MB/s", "hardwareInfoId": "disk:SATA-0001"}]


# --- CSV -----------------------------------------------------------------------------------------------------------


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


@pytest.mark.parametrize("name", ["findings.csv", "parts.csv", "measurements.csv"])
def test_a_database_takes_each_table(name: str) -> None:
    for run in (failed_run(),):
        table = list(csv.reader(io.StringIO(made(run, name).decode())))
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE t (" + ", ".join(f'"{name}"' for name in table[0]) + ")")
            database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(table[0]))})", table[1:])
            assert database.execute("SELECT count(*), min(run), min(host) FROM t").fetchone() == (
                len(table) - 1, str(run.pk), "node-1",
            )  # fmt: skip


def test_findings_say_whether_they_count_and_what_to_do() -> None:
    run = of_verdict("passed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed", boot=1), value=2, limit=0, unit="sectors")
    rows.a_stage(run, "SMART", "passed", attempt=2, boot=2)
    (row,) = read(made(run, "findings.csv"))
    told = (row["counts"], row["value"], row["limit"], row["unit"], row["action"])
    assert told == ("false", "2", "0", "sectors", "replace_part")


def test_parts_have_those_that_are_blamed_though_the_inventory_lists_them_not() -> None:
    found = {row["component"]: row for row in read(made(failed_run(), "parts.csv"))}
    assert (found["DIMM_A1"]["serial"], found["DIMM_A1"]["blamed"]) == ("D-2", "false")
    assert (found["SATA-0001"]["blamed"], found["SATA-0001"]["action"]) == ("true", "replace_part")


def test_no_cell_is_a_formula() -> None:
    run = of_verdict("failed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"), "=HYPERLINK(1)", component="@x")
    (row,) = read(made(run, "findings.csv"))
    assert (row["message"], row["component"]) == ("'=HYPERLINK(1)", "'@x")


def test_a_spreadsheet_has_the_three_tables() -> None:
    run = failed_run()
    rows.a_finding(run.stage_runs.get(name="SMART", attempt=1), "=1+1 \x1b[2J", component="@x", severity="warning")
    book = tablib.Databook().load(made(run, "tables.xlsx"), format="xlsx")
    sheets = {sheet.title: sheet for sheet in book.sheets()}
    assert list(sheets) == ["Findings", "Parts", "Measurements"]
    messages = [row[tables.FINDINGS.index("message")] for row in sheets["Findings"]]
    assert messages == ["SATA-0001: 2 pending sectors", "'=1+1 \ufffd[2J"]
    (temperature,) = sheets["Measurements"]
    assert temperature[tables.MEASUREMENTS.index("highest")] == 73.5


# --- the pack for the maker of a part ------------------------------------------------------------------------------


def unpacked(run: Run) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made(run, "rma.zip"))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


def test_the_pack_has_a_sheet_for_each_blamed_part_and_what_the_tools_printed() -> None:
    run = failed_run()
    logs.path(run.pk).parent.mkdir(parents=True)
    logs.path(run.pk).write_text("kernel: sda: I/O error\n")
    files = unpacked(run)
    assert {"README.txt", "certificate.txt", "report.html", "report.json", "inventory.json", "run.log", "SHA256SUMS",
            "SHA256SUMS.sig", "public-key.pem", "outputs/SMART-2/smartctl"} < files.keys()  # fmt: skip
    sheet = files["parts/01-disk-SATA-0001.txt"]
    for words in (
        "SATA-0001",
        "2 pending sectors [smart.pending_sectors]",
        "replace part. Replace the drive.",
        "bay or",
    ):
        assert words in sheet
    assert "FAILED" in files["certificate.txt"] and "new DIMM" in files["certificate.txt"]
    assert "  self test of SATA-0001 in Disk health: the drive has none\n" in files["certificate.txt"]
    assert "I/O error" in files["run.log"]
    assert not any(TOKEN in text for text in files.values())


def test_of_a_run_that_only_warns_the_pack_has_the_parts_with_a_warning() -> None:
    run = of_verdict("passed")
    rows.a_finding(rows.a_stage(run, "SMART"), severity="warning", code="smart.crc_errors")
    assert "parts/01-disk-SATA-0001.txt" in unpacked(run)


def test_no_name_in_a_pack_leaves_its_folder() -> None:
    run = of_verdict("failed")
    evidence = {"../../etc/passwd": "x", "/abs": "y", "..": "z", "a/b": "1", "a\\b": "2", UNUSUAL: "u"}
    stage = rows.a_stage(run, "SMART", "failed", evidence=evidence)
    rows.a_finding(stage, component="../../up")
    names = unpacked(run).keys()
    assert not any(".." in name or name.startswith("/") or "\\" in name for name in names)
    assert len([name for name in names if name.startswith("outputs/")]) == len(evidence)


def test_a_long_log_is_cut_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    run = of_verdict("failed")
    logs.path(run.pk).parent.mkdir(parents=True)
    logs.path(run.pk).write_text("".join(f"line {number}\n" for number in range(1000)))
    monkeypatch.setattr(pack, "LOG_MOST", 100)
    log = unpacked(run)["run.log"]
    assert log.startswith("(the beginning is left out)\nline 9") and log.endswith("line 999\n") and len(log) < 150


# --- page and command ------------------------------------------------------------------------------------------------


def without_times(data: bytes) -> Any:
    """An XLSX file says when it was written: its tables only."""
    return tablib.Databook().load(data, format="xlsx").json if b"xl/workbook" in data else data


@pytest.mark.parametrize("export", exports.EXPORTS, ids=lambda export: export.name)
def test_page_and_command_give_the_same_file(export: exports.Export, tmp_path: Path) -> None:
    run = failed_run()
    report.write(run)
    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("export", args=[run.pk, export.name]))
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert f'filename="vetting-run-{run.pk}-node-1-{export.name}"' in answer.headers["Content-Disposition"]
    call_command("export", run.pk, export.name, output=str(tmp_path / "file"), verbosity=0)
    assert without_times((tmp_path / "file").read_bytes()) == without_times(answer.content)
    assert export.name in client.get(run.get_absolute_url()).content.decode()


def test_what_does_not_exist_is_not_exported() -> None:
    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(reverse("export", args=[rows.a_run().pk, "x.exe"])).status_code == 404
    assert client.get(reverse("export", args=[999_999, "rma.zip"])).status_code == 404
    with pytest.raises(CommandError) as refused:
        call_command("export", 999_999, "rma.zip")
    assert refused.value.returncode == 4


def test_an_export_says_what_the_written_report_says_and_works_without_one(settings: Any) -> None:
    run = failed_run()
    assert b"2 pending sectors" in made(run, "findings.csv")
    report.write(run)
    path = settings.RUNS_DIR / f"{run.pk}/report.json"
    path.write_text(path.read_text().replace("2 pending sectors", "as it was written"))
    assert b"as it was written" in made(run, "findings.csv")
    path.write_text("damaged")
    assert b"2 pending sectors" in made(run, "findings.csv")
