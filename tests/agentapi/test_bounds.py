"""What a host sends, however much: what is kept is bounded, says so, and the whole of it is in a file."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent.contract import codec, wire
from hosts import bounds
from runs import intake, left_out, lifecycle, stage_rows, transition
from runs.database import transactions
from runs.files import logs as logfiles
from runs.judging import run_verdict
from runs.machine import Event
from runs.models import Actor, Run
from tests.talker import INVENTORY, SERIAL, Talker

pytestmark = pytest.mark.postgresql

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
MANY = 3_000


def findings(count: int, severity: wire.Severity = WARNING, message: str = "s") -> list[wire.Finding]:
    return [wire.Finding("smart.wear", severity, "disk", f"S{n % 50}", message) for n in range(count)]


def at_smart(talker: Talker) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")


def test_a_result_with_thousands_of_findings_is_kept_within_the_bound_and_whole_in_a_file(
    talker: Talker, run: Run, settings: Any
) -> None:
    at_smart(talker)
    bad = wire.Finding("smart.pending_sectors", CRITICAL, "disk", SERIAL, "sda: 2 pending sectors")
    talker.result("SMART", "passed", findings=[*findings(MANY), bad])
    stage = run.stage_runs.get(name="SMART")
    assert stage.outcome == "failed", "what is critical fails the stage, however many warnings come before it"
    assert stage.findings.count() == bounds.FINDINGS.most
    row = stage.left_out.get()
    assert (row.what, row.count, row.whole) == ("findings", MANY + 1 - bounds.FINDINGS.most, "result-SMART-1.json")
    whole = json.loads((settings.RUNS_DIR / str(run.pk) / row.whole).read_text())
    assert len(whole["findings"]) == MANY + 1
    assert run.artifacts.filter(name=row.whole).exists()


def test_a_large_result_is_written_with_as_many_statements_as_a_small_one(talker: Talker, run: Run) -> None:
    at_smart(talker)
    with CaptureQueriesContext(connection) as queries:
        talker.result("SMART", "not_tested", findings=findings(MANY))
    assert len(queries) < 100


def test_the_run_tells_how_much_more_was_sent(talker: Talker, run: Run, admin_client: Client) -> None:
    at_smart(talker)
    talker.result("SMART", "not_tested", findings=findings(MANY))
    page = admin_client.get(run.get_absolute_url()).content.decode()
    assert f"{MANY - bounds.FINDINGS.most:,} more findings were sent than are kept" in page
    assert reverse("artifact", args=[run.pk, "result-SMART-1.json"]) in page


def test_a_stage_of_which_not_all_numbers_were_judged_is_not_passed(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Firmware")
    numbers = {f"n{n}": 1.0 for n in range(bounds.NUMBERS.most + 1)}
    talker.result("Firmware", "passed", numbers=numbers, checks=[wire.Check("firmware", wire.Outcome.PASSED)])
    stage = run.stage_runs.get(name="Firmware")
    assert stage.outcome == "not_tested" and "the rest was not judged: 1 numbers" in stage.reason


def test_an_inventory_that_is_too_large_is_none_and_no_earlier_one_stands_in_for_it(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    Run.objects.filter(pk=run.pk).update(inventory=codec.encode(INVENTORY))
    disk = wire.Disk("x" * 250, "y" * 250, "z" * 250, "sata", 1, "m" * 250, "f" * 250)
    talker.result("InventoryCheck", "passed", inventory=wire.Inventory(disks=[disk] * 500))
    run.refresh_from_db()
    assert run.inventory is None
    assert run.stage_runs.get(name="InventoryCheck").outcome == "not_tested"


def test_a_message_of_800_kb_is_cut_wherever_it_goes(talker: Talker, run: Run, admin_client: Client) -> None:
    at_smart(talker)
    talker.result("SMART", "failed", findings=findings(2, CRITICAL, "x" * 800_000), reason="y" * 400_000)
    run.refresh_from_db()
    texts = [*run.findings.values_list("message", flat=True), *run.events.values_list("text", flat=True)]
    texts += [run.stopped_by, run.stage_runs.get(name="SMART").reason]
    assert max(map(len, texts)) <= bounds.SENTENCE.most
    assert len(admin_client.get("/").content) < 30_000
    assert len(admin_client.get(run.get_absolute_url()).content) < 100_000


@pytest.mark.parametrize(
    "more",
    [
        {"x" * 1_900_000: 1},
        {"outcome": "x" * 1_900_000},
        {"findings": [{"code": "\u202e" * 300_000}]},
        {"findings": [{"y" * 1_000_000: 1}]},
        {"numbers": {"k" * 1_000_000: "no number"}},
        {"stage": "s" * 1_900_000},
        {"boot_id": "b" * 1_900_000},
    ],
)
def test_no_answer_echoes_what_was_sent(talker: Talker, run: Run, more: dict[str, Any], caplog: Any) -> None:
    at_smart(talker)
    message = codec.encode(wire.Result("boot-1", "SMART", 1, wire.Outcome.PASSED, "", 1.0, 2.0)) | more
    response = talker.client.post(
        f"/api/v1/runs/{run.pk}/result",
        json.dumps(message),
        content_type="application/json",
        headers={"Authorization": f"Bearer {talker.token}"},
    )
    assert response.status_code == 400 and len(response.content) < 2_500
    assert max((len(record.getMessage()) for record in caplog.records), default=0) < 2_500


def test_another_machine_with_very_many_macs_is_refused_in_a_sentence(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.macs = [f"52:54:00:01:{n // 256:02x}:{n % 256:02x}" for n in range(1_000)]
    talker.uuid = ""
    answer = talker.post("claim", wire.Claim(talker.boot_id, "", talker.macs), status=403)
    assert len(answer["error"]) <= bounds.ANSWER.most
    assert len(run.events.get(kind="machine_refused").text) <= bounds.SENTENCE.most


def test_progress_of_a_heartbeat_is_bounded(talker: Talker, run: Run) -> None:
    at_smart(talker)
    rows = [wire.Progress(f"S{n}" + "x" * 3_000, 1.0, "y" * 3_000) for n in range(300)]
    talker.heartbeat("SMART", progress=rows)
    kept = run.stage_runs.get(name="SMART").progress
    assert len(kept) == bounds.PROGRESS.most
    assert max(len(row["item"]) + len(row["doing"]) for row in kept) <= 2 * bounds.WORD.most


def test_a_log_takes_so_much_and_then_counts(talker: Talker, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    talker.boot_and_claim()
    monkeypatch.setattr(intake.bounds, "RUN_LOG", bounds.Bound(500, "bytes"))
    for _ in range(4):
        talker.log("x" * 300, "y")
    run.refresh_from_db()
    text = logfiles.path(run.pk).read_text()
    assert run.log_bytes == len(text) < 1_000 and "further lines are counted but not kept" in text
    assert run.left_out.get(what="log lines").count == 4


def test_limits_that_break_again_and_again_make_no_more_findings_than_the_bound(
    talker: Talker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_smart(talker)
    monkeypatch.setattr(intake.bounds, "FINDINGS", bounds.Bound(30, "findings"))
    for batch in range(1, 5):
        hot = [
            wire.Measurement(1000.0 + second, "disk", f"S{batch}-{n}", "temp", 99.0, "C")
            for n in range(25)
            for second in (0, 1)
        ]
        talker.post("sensor", wire.SensorBatch(talker.boot_id, batch, hot), wire.Accepted)
    assert run.findings.count() == 30
    assert run.left_out.get(what="findings").count == 70


def test_a_result_that_comes_late_is_bounded_as_well(talker: Talker, run: Run, settings: Any) -> None:
    at_smart(talker)
    with transition.locked(run.pk) as current:
        transition.apply(current, Event.HEARTBEAT_DEADLINE, actor=Actor.WATCHDOG, why="silent for 600 s")
    talker.result("SMART", "failed", findings=findings(MANY, CRITICAL))
    assert run.findings.count() == bounds.FINDINGS.most + 1
    assert run.left_out.get(what="findings").count == MANY - bounds.FINDINGS.most
    assert (settings.RUNS_DIR / str(run.pk) / "result-SMART-1.json").exists()


def test_a_second_result_of_an_attempt_does_not_replace_the_file_of_the_first(
    talker: Talker, run: Run, settings: Any
) -> None:
    at_smart(talker)
    talker.result("SMART", "not_tested", findings=findings(MANY, message="first"))
    talker.result("SMART", "not_tested", findings=findings(MANY, message="second"))
    text = (settings.RUNS_DIR / str(run.pk) / "result-SMART-1.json").read_text()
    assert "first" in text and "second" not in text


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_was_open_for_too_long_is_logged(caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 10.0, 11.5])
    monkeypatch.setattr(transactions, "now_s", lambda: next(moments))
    with transactions.short("run 7 result"):
        pass
    assert "run 7 result: the transaction was open for 1.5 s" in caplog.text


def test_a_text_of_an_older_version_is_bounded_where_it_is_read(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE runs_runevent SET text = %s WHERE run_id = %s", ["x" * 1_900_000, run.pk])
    assert {len(event.text) for event in run.events.all()} == {bounds.SENTENCE.most}


def test_a_caller_gone_wild_fills_no_history(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle.bounds, "RUN_NOTES", bounds.Bound(5, "events"))
    for number in range(12):
        lifecycle.note(run, "token_refused", actor=Actor.AGENT, text=str(number))
    texts = list(run.events.filter(kind="token_refused").values_list("text", flat=True))
    assert texts == ["0", "1", "2", "3", "4", "more than 5 of this kind: no more are kept"]


def test_an_operator_can_not_retry_for_ever(talker: Talker, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    talker.hold()
    monkeypatch.setattr(lifecycle.bounds, "RUN_ATTEMPTS", bounds.Bound(1, "attempts"))
    with pytest.raises(transition.Refused, match="has had 1 attempts"):
        lifecycle.ask_retry(run, "InventoryCheck")


def test_settling_a_run_reads_no_documents_of_its_attempts(talker: Talker, run: Run) -> None:
    """Each of 500 findings would bring the evidence of its attempt along, of a megabyte."""
    at_smart(talker)
    with CaptureQueriesContext(connection) as queries:
        run_verdict.write(Run.objects.get(pk=run.pk))
        stage_rows.has_failed(run)
    assert not [query for query in queries if '"runs_stagerun"."evidence"' in query["sql"]]


def test_measurements_of_more_curves_than_a_run_may_have_are_counted(
    talker: Talker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "RUN_SERIES", bounds.Bound(30, "curves"))
    at_smart(talker)
    rows = [wire.Measurement(time.time(), "fan", f"FAN{n}", "fan", 900.0, "rpm") for n in range(40)]
    assert talker.post("sensor", wire.SensorBatch(talker.boot_id, 1, rows), wire.Accepted).seq == 1
    assert run.left_out.get().count == 10
    assert left_out.document(run)[0]["words"] == "10 measurements of more than 5,000 curves were not kept"
