"""Results, files and messages made wrong."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from notifications.models import Cursor
from runs.files import logs as logfiles
from runs.machine import Event, State
from runs.models import Actor, Boot, Finding, Override, Run, RunEvent
from tests.invariants.cases import OLD, breaks, put
from tests.invariants.conftest import Runs

# --- verdicts and writing ----------------------------------------------------------------------------------------


@breaks("passed_with_evidence")
def a_pass_with_a_stage_that_was_not_tested(runs: Runs) -> None:
    runs.passed.stage_runs.filter(name="Memory").update(outcome="not_tested")


@breaks("passed_with_evidence")
def a_pass_without_the_checks_that_were_demanded(runs: Runs) -> None:
    runs.passed.stage_runs.filter(name="SMART").update(checks=[])


@breaks("passed_with_evidence")
def a_pass_with_a_failed_check(runs: Runs) -> None:
    row = runs.passed.stage_runs.get(name="SMART")
    row.checks[0]["outcome"] = "failed"
    row.save()


@breaks("passed_with_evidence")
def a_pass_in_spite_of_the_bench(runs: Runs) -> None:
    put(runs.passed, bench_error="the bench was starved")


@breaks("passed_with_evidence", "no_critical_in_passed")
def a_pass_with_a_critical_finding(runs: Runs) -> None:
    row = runs.passed.stage_runs.get(name="SMART")
    sick = {"code": "smart.pending_sectors", "severity": "critical", "component_kind": "disk", "component": "S"}
    Finding.objects.create(run=runs.passed, stage_run=row, message="sda: 2 pending sectors", **sick)


@breaks("verdict_when_over")
def an_end_without_a_verdict(runs: Runs) -> None:
    put(runs.passed, verdict="")


@breaks("verdict_when_over", "passed_with_evidence")
def a_verdict_before_the_end(runs: Runs) -> None:
    put(runs.testing, verdict="passed")


@breaks("written_through_gates")
def a_disk_that_was_written_though_nothing_allowed_it(runs: Runs) -> None:
    runs.passed.stage_runs.filter(name="Storage").update(numbers={"written_mb.SATA-0001": 256.0})


@breaks("written_through_gates")
def a_disk_that_was_written_in_spite_of_the_wipe_probe(runs: Runs) -> None:
    _allow_writing(runs.passed)
    refusal = {"gate": 3, "serial": "SATA-0001", "reason": "LVM", "signatures": [], "digest": "d"}
    runs.passed.stage_runs.filter(name="Storage").update(refusals=[refusal])


@breaks("written_through_gates")
def patterns_that_were_left_on_a_disk_that_nothing_allowed(runs: Runs) -> None:
    _leave_patterns(runs.passed)


@breaks("written_through_gates", "passed_with_evidence")
def a_write_that_failed_beside_a_refusal_of_an_agent_that_was_never_restarted(runs: Runs) -> None:
    _refused_in_the_middle(runs.passed, restarts=0)


@breaks("written_through_gates", "passed_with_evidence")
def a_disk_that_was_verified_beside_the_refusal_of_a_restarted_agent(runs: Runs) -> None:
    _refused_in_the_middle(runs.passed, restarts=1)
    runs.passed.stage_runs.filter(name="Storage").update(numbers={"written_mb.SATA-0001": 256.0})


@breaks("written_through_gates", "one_live_token")
def a_disk_that_was_written_in_a_boot_that_nobody_claimed(runs: Runs) -> None:
    _allow_writing(runs.passed)
    runs.passed.stage_runs.filter(name="Storage").update(boot=0)
    Boot.objects.create(run=runs.passed, number=0, nonce="n", agent_token_hash="h")


@breaks("overrides_were_asked")
def an_override_that_nobody_gave(runs: Runs) -> None:
    Override.objects.create(run=runs.testing, boot=1, attempt=2, serial="SATA-0001", digest="d", given_by="nobody")


@breaks()
def a_disk_that_was_written_through_all_gates(runs: Runs) -> None:
    _allow_writing(runs.passed)


@breaks("passed_with_evidence")
def a_write_that_failed_before_a_restart_and_was_refused_after_it(runs: Runs) -> None:
    _refused_in_the_middle(runs.passed, restarts=1)


@breaks()
def a_failure_that_the_run_went_on_from(runs: Runs) -> None:
    here = {"state_before": State.SMART, "state_after": State.SMART}
    RunEvent.objects.create(run=runs.passed, kind=Event.STAGE_FAILED, actor=Actor.AGENT, **here)


def _allow_writing(run: Run) -> None:
    disk = {"serial": "SATA-0001", "wwn": "", "bus": "sata", "size_mb": 256, "may_be_written": True}
    put(run, profile={**run.profile, "storage": {"mode": "write"}}, disks=[disk], destructive_allowed=True)
    row = run.stage_runs.get(name="Storage")
    row.numbers = {"written_mb.SATA-0001": 256.0}
    row.checks.append({"name": "verified_write", "outcome": "passed", "component": "SATA-0001"})
    row.save()


def _refused_in_the_middle(run: Run, restarts: int) -> None:
    """An agent wrote and found the disk bad; another one of the same attempt was refused by what its probe found."""
    _allow_writing(run)
    _leave_patterns(run)
    row = run.stage_runs.get(name="Storage")
    row.numbers, row.restarts, row.checks[-1]["outcome"] = {}, restarts, "failed"
    row.refusals = [{"gate": 3, "serial": "SATA-0001", "reason": "LVM", "signatures": [], "digest": "d"}]
    row.save()


def _leave_patterns(run: Run) -> None:
    left = {"code": "storage.patterns_left", "severity": "warning", "component_kind": "disk", "component": "SATA-0001"}
    Finding.objects.create(run=run, stage_run=run.stage_runs.get(name="Storage"), message="sda: left", **left)


# --- files -------------------------------------------------------------------------------------------------------


@breaks("log_is_whole")
def a_log_that_lost_its_end(runs: Runs) -> None:
    os.truncate(logfiles.path(runs.passed.pk), 10)


@breaks("log_is_whole")
def a_log_that_is_gone(runs: Runs) -> None:
    logfiles.path(runs.passed.pk).unlink()


@breaks("files_as_listed")
def a_report_that_is_gone(runs: Runs) -> None:
    _file(runs.passed, "report.html").unlink()


@breaks("files_as_listed")
def a_report_that_was_changed(runs: Runs) -> None:
    _file(runs.passed, "report.json").write_text("{}")


@breaks("files_as_listed")
def a_file_outside_of_the_runs(runs: Runs) -> None:
    runs.passed.artifacts.filter(name="report.json").update(path="../../etc/passwd")


@breaks("report_is_there", "no_orphans")
def a_report_that_no_row_names(runs: Runs) -> None:
    os.utime(_file(runs.passed, "report.html"), (1, 1))
    runs.passed.artifacts.filter(name="report.html").delete()


@breaks("report_is_there")
def a_report_that_is_not_even_due(runs: Runs) -> None:
    put(runs.passed, report_at=None, ended_at=timezone.now() - OLD)


@breaks("no_orphans")
def a_directory_of_no_run(runs: Runs) -> None:
    (settings.RUNS_DIR / "4711").mkdir()


@breaks("no_orphans")
def what_a_dead_process_left_behind(runs: Runs) -> None:
    left = _file(runs.passed, ".report.html.x8s7")
    left.write_text("half")
    os.utime(left, (1, 1))


# --- booting and messages ----------------------------------------------------------------------------------------


@breaks("messages_are_taken_up")
def a_message_that_nobody_took_up(runs: Runs) -> None:
    Cursor.objects.create(name="outbox", last_event=RunEvent.objects.last().pk)
    RunEvent.objects.exclude(tells="").update(at=timezone.now() - OLD)


@breaks("outbox_in_step")
def an_outbox_that_was_read_too_far(runs: Runs) -> None:
    Cursor.objects.create(name="outbox", last_event=1_000_000)


def _file(run: Run, name: str) -> Path:
    return settings.RUNS_DIR / str(run.pk) / name
