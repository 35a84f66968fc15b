from __future__ import annotations

import pytest

from notifications import kinds
from runs.models import HoldSession, SpecDiff
from tests import rows
from vetting.config import NotificationKind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _linked(configure: object) -> None:
    configure([])


def test_every_kind_that_the_configuration_knows_has_its_words() -> None:
    assert set(kinds.KINDS) == set(NotificationKind.__args__)


def test_a_failed_stage_names_the_device_and_the_number_and_links_to_the_run() -> None:
    run = rows.a_run(state="Failed", verdict="failed", repair="new HBA")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"))
    message = kinds.compose(rows.an_event(run, "StageFailed"))
    assert message.title == "node-1: Disk health failed"
    assert message.body.splitlines()[0] == "SATA-0001: 2 pending sectors"
    assert "After: new HBA" in message.body
    assert message.link == f"https://vetting.test{run.get_absolute_url()}"
    assert message.severity == "critical"


def test_a_host_that_never_came_up_failed_in_no_stage() -> None:
    run = rows.a_run(state="Failed", verdict="error")
    event = rows.an_event(run, "StageFailed", state_before="WaitingWoL", text="no DHCP request in 900 s")
    message = kinds.compose(event)
    assert message.title == "node-1: boot failed"
    assert message.body.startswith("no DHCP request in 900 s")


def test_findings_of_an_earlier_stage_are_not_told_again() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"))
    rows.a_finding(rows.a_stage(run, "Memory", "failed"), "DIMM_A1: 3 corrected errors", component="DIMM_A1")
    body = kinds.compose(rows.an_event(run, "StageFailed", state_before="Memory")).body
    assert "DIMM_A1" in body
    assert "SATA-0001" not in body


def test_findings_of_an_earlier_attempt_are_not_told_again() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"))
    rows.a_stage(run, "SMART", "failed", attempt=2)
    body = kinds.compose(rows.an_event(run, "StageFailed", text="SMART: self-test aborted")).body
    assert "SMART: self-test aborted" in body
    assert "SATA-0001" not in body


def test_a_spec_mismatch_lists_the_critical_differences_only() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    stage = rows.a_stage(run, "SpecValidate", "failed")
    for severity, message in (
        ("critical", "DIMM_A2: 0 MB, expected 16384 MB"),
        ("info", "BIOS 1.2, was 1.1"),
    ):
        SpecDiff.objects.create(run=run, stage_run=stage, path="memory", severity=severity, message=message)
    body = kinds.compose(rows.an_event(run, "SpecMismatch", state_before="SpecValidate")).body
    assert "DIMM_A2: 0 MB, expected 16384 MB" in body
    assert "BIOS" not in body


def test_a_hold_says_where_to_log_in_and_never_the_key() -> None:
    run = rows.a_run(state="FailedHolding", verdict="failed", stopped_by="SMART failed")
    HoldSession.objects.create(
        run=run, boot=1, public_key="ssh-ed25519 AAAA", private_key_sealed="sealed", address="10.0.0.9"
    )
    message = kinds.compose(rows.an_event(run, "HoldingOpened", state_before="Failed"))
    assert "-p 22 root@10.0.0.9" in message.body
    assert "sealed" not in message.body
    assert "AAAA" not in message.body


def test_a_completed_run_tells_its_verdict_and_its_warnings() -> None:
    run = rows.a_run()
    rows.a_finding(rows.a_stage(run), "PSU2: replaced", severity="warning")
    message = kinds.compose(rows.an_event(run, "RunCompleted", state_before="Reporting"))
    assert (message.title, message.severity) == ("node-1: vetting passed", "info")
    assert "PSU2: replaced" in message.body


def test_strings_from_hardware_lose_their_control_characters_and_their_excess() -> None:
    assert kinds.plain("ACME\x1b[31m\r\nBcc: all\x00") == "ACME [31m Bcc: all"
    assert len(kinds.plain("x" * 5000)) == kinds.MAX_LINE_CHARS


def test_many_findings_are_counted_not_all_listed() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    stage = rows.a_stage(run, "SMART", "failed")
    for number in range(kinds.MAX_LINES + 3):
        rows.a_finding(stage, f"disk {number}: 1 pending sector")
    assert "… and 3 more" in kinds.compose(rows.an_event(run, "StageFailed")).body
