"""What is of the contract and yet meant to break something: numbers beyond any measure, calls without end, texts that
no database takes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agent.contract import codec, wire
from agentapi import hot, ingest, refusals
from agentapi.endpoint import Request
from hosts import bounds
from runs import intake, stage_results, transition
from runs.machine import Event
from runs.models import Actor, Run
from runs.reports import document as report_document
from runs.reports import write as report
from tests.agentapi.test_bounds import MANY, at_smart, findings
from tests.talker import Talker

pytestmark = pytest.mark.postgresql

CRITICAL = wire.Severity.CRITICAL
MOST = float(bounds.FIGURE.most)


def strictly(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def hot_batch(talker: Talker, seq: int, first: int = 0) -> wire.SensorBatch:
    now = time.time()
    rows = [wire.Measurement(now, "disk", f"S{first + n}", "temp", 99.0, "C") for n in range(50)]
    return wire.SensorBatch(talker.boot_id, seq, rows)


def test_numbers_beyond_any_measure_leave_a_report_that_is_json(talker: Talker, run: Run) -> None:
    at_smart(talker)
    rows = [wire.Measurement(time.time(), "psu", "PSU1", "power", 1.7e308, "W") for _ in range(3)]
    talker.post("sensor", wire.SensorBatch(talker.boot_id, 1, rows), wire.Accepted)
    talker.result("SMART", "not_tested", numbers={"a.b": 1.7e308, "c.d": -1.7e308, "e.f": 1.5})
    run.refresh_from_db()
    assert run.stage_runs.get(name="SMART").numbers == {"a.b": MOST, "c.d": -MOST, "e.f": 1.5}
    (curve,) = strictly(report.to_json(report_document.document(run)))["measurements"]
    assert curve["mean"] == pytest.approx(MOST)
    assert run.left_out.get(what="figures").count == 2


def test_a_batch_of_parts_that_were_never_seen_before_costs_few_statements(talker: Talker, run: Run) -> None:
    """Each asked for its sample before: of one that never was, that reads all that the run has."""
    intake._sensor_limits.cache_clear()
    at_smart(talker)
    talker.post("sensor", hot_batch(talker, 1), wire.Accepted)
    with CaptureQueriesContext(connection) as queries:
        talker.post("sensor", hot_batch(talker, 2, first=25), wire.Accepted)
    assert len(queries) < 30, len(queries)
    assert run.findings.count() == 25, "those that were hot in both batches"


@pytest.mark.django_db(transaction=True)
def test_a_caller_that_is_refused_ten_thousand_times_is_one_row_with_a_count(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.token = "vt1.nonsense"
    talker.heartbeat(status=401)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(999):
            refusals.refusals.show(run, "token_refused", "127.0.0.1", "heartbeat: no token of ours")
    assert run.events.get(kind="token_refused").text == "heartbeat: no token of ours (at least 1,000 times)"
    assert len(queries) == 3, "at 10, 100 and 1,000"


@pytest.mark.django_db(transaction=True)
def test_a_thousand_reasons_share_a_row_beyond_the_twentieth(run: Run) -> None:
    shown = refusals.Refusals()
    for number in range(1_000):
        shown.show(run, "token_refused", "10.0.0.9", f"hello: a token of run {number}")
    assert run.events.filter(kind="token_refused").count() <= refusals.TOLD_EACH + 1


def test_one_host_has_few_calls_under_way_and_others_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "_warmed", {"good", "other"})
    calls = [hot._place_in_line(Request("log", 7, "good", b"", "10.0.0.9")) for _ in range(hot.CALLS_EACH)]
    for call in calls:
        call.__enter__()
    with pytest.raises(ingest.Overloaded):
        hot._place_in_line(Request("log", 7, "good", b"", "10.0.0.9")).__enter__()
    with hot._place_in_line(Request("log", 8, "other", b"", "10.0.0.8")):
        pass
    with hot._place_in_line(Request("log", 7, "forged", b"", "10.0.0.9")):
        pass  # who names the run of another takes no place of his
    for call in calls:
        call.__exit__(None, None, None)
    assert not hot._under_way.held


def test_a_critical_finding_behind_five_hundred_that_the_bench_excuses_is_no_pass(
    talker: Talker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_smart(talker)
    monkeypatch.setattr(stage_results, "_unfit", lambda stage_run, result: "it was starved of CPU")
    slow = [wire.Finding("network.slow", CRITICAL, "nic", f"N{n}", "slow") for n in range(bounds.FINDINGS.most)]
    bad = wire.Finding("nic.errors", CRITICAL, "nic", "N0", "1,000 errors")
    checks = [wire.Check(name, wire.Outcome.PASSED) for name in ("health", "self_test")]
    talker.result("SMART", "passed", findings=[*slow, bad], checks=checks)
    assert run.stage_runs.get(name="SMART").outcome == "not_tested"


def test_a_late_result_that_comes_again_leaves_the_file_of_the_first(talker: Talker, run: Run, settings: Any) -> None:
    at_smart(talker)
    with transition.locked(run.pk) as current:
        transition.apply(current, Event.HEARTBEAT_DEADLINE, actor=Actor.WATCHDOG, why="silent for 600 s")
    talker.result("SMART", "failed", findings=findings(MANY, message="first"))
    talker.result("SMART", "failed", findings=findings(MANY, message="second"))
    text = (settings.RUNS_DIR / str(run.pk) / "result-SMART-1.json").read_text()
    assert "first" in text and "second" not in text


def test_a_host_key_is_one_line(talker: Talker, run: Run) -> None:
    """Somebody copies it into known_hosts."""
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    key = "ssh-ed25519 AAAA host\n* ssh-ed25519 BBBB anybody"
    talker.post("hold", wire.Hold(talker.boot_id, "10.77.0.23", 22, key), wire.HoldAnswer)
    assert run.holds.get().host_key == "ssh-ed25519 AAAA host"


def test_no_text_of_a_host_keeps_a_nul_or_half_a_character(talker: Talker, run: Run) -> None:
    """PostgreSQL takes neither."""
    at_smart(talker)
    more = codec.encode(wire.Result("boot-1", "SMART", 1, wire.Outcome.NOT_TESTED, "a\0b\ud800", 1.0, 2.0))
    more |= {"evidence": {"k\0": "v\0\udfff"}, "numbers": {"n\0.x": 1.0}, "checks": [
        {"name": "c\0", "outcome": "not_tested", "reason": "\ud800"}]}  # fmt: skip
    talker.post("result", json.dumps(more).encode(), wire.ResultAnswer)
    stage = run.stage_runs.get(name="SMART")
    said = json.dumps([stage.reason, stage.evidence, stage.numbers, stage.checks], ensure_ascii=False)
    assert "\0" not in said and said.encode() and stage.evidence == {"k": "v\\udfff"}
