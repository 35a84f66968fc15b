"""Calls that are written together: as if each had been handled by itself, in the order of arrival."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agent.contract import codec, wire
from agentapi import endpoint, ingest, together
from agentapi.endpoint import Answer, Request
from runs import intake
from runs.files import logs as logfiles
from runs.measurements import reading
from runs.models import Boot, Run, StageRun
from tests.statements import state, worlds
from tests.statements.sweep import World
from tests.talker import Talker

pytestmark = pytest.mark.django_db(transaction=True)


def request(talker: Talker, call: str, message: object) -> Request:
    return Request(call, talker.run_id, talker.token, codec.dumps(message), "10.77.0.23")


def log(talker: Talker, seq: int, text: str = "") -> Request:
    lines = [wire.LogLine(1.0, "info", "SMART", text or f"line {seq}")]
    return request(talker, "log", wire.LogBatch(talker.boot_id, seq, lines))


def sensor(talker: Talker, seq: int, celsius: float = 40.0, count: int = 2) -> Request:
    now = time.time() + seq
    found = [wire.Measurement(now + n / 10, "cpu", f"CPU{n % 2}", "temp", celsius, "C") for n in range(count)]
    return request(talker, "sensor", wire.SensorBatch(talker.boot_id, seq, found))


def heartbeat(talker: Talker, percent: float = 1.0, stage: str = "InventoryCheck") -> Request:
    progress = [wire.Progress("sda", percent, "reading")]
    return request(talker, "heartbeat", wire.Heartbeat(talker.boot_id, stage, 1, 60.0, progress))


def answered(*requests: Request) -> list[Answer]:
    group: ingest.Group = [(one, Future()) for one in requests]
    ingest.Writer().answer(list(group))
    return [future.result(0) for _, future in group]


def singly(*requests: Request) -> list[Answer]:
    return [endpoint.answer(one) for one in requests]


def lines_of(talker: Talker) -> list[str]:
    return [line.rsplit(maxsplit=1)[-1] for line in logfiles.path(talker.run_id).read_text().splitlines()]


@contextmanager
def at_statement(beginning: str, act: Any) -> Iterator[None]:
    """Call `act` once, before the first statement that begins so."""
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(beginning) and not seen:
            seen.append(sql)
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert seen


def test_fifteen_calls_of_three_hosts_take_as_many_statements_as_five_of_one() -> None:
    talkers = [worlds.claimed(number) for number in (1, 2, 3)]
    answered(*(sensor(talker, 1) for talker in talkers))  # reads the limits of each profile once

    def statements(some: list[Talker], seq: int) -> int:
        calls = [
            one
            for talker in some
            for one in (
                log(talker, seq),
                heartbeat(talker, seq),
                sensor(talker, seq),
                log(talker, seq + 1),
                heartbeat(talker, seq + 1),
            )
        ]
        with CaptureQueriesContext(connection) as queries:
            assert {answer.status for answer in answered(*calls)} == {200}
        return len([one for one in queries.captured_queries if "runs_measurement" not in one["sql"]])

    assert statements(talkers[:1], 2) == statements(talkers, 4) <= 8


def test_calls_of_one_boot_in_one_group_are_handled_in_their_order() -> None:
    talker = worlds.claimed()
    calls = [log(talker, 1), log(talker, 1), log(talker, 2), sensor(talker, 1), sensor(talker, 1), log(talker, 3)]
    calls += [heartbeat(talker, 10.0), heartbeat(talker, 10.0), heartbeat(talker, 20.0)]
    answers = answered(*calls)
    assert [codec.loads(wire.Accepted, one.body).seq for one in answers[:6]] == [1, 1, 2, 1, 1, 3]
    assert lines_of(talker) == ["1", "2", "3"] and reading.count() == 2
    run = Run.objects.get()
    assert run.progress_seq == 2 and run.sensor_seq == 1
    assert run.log_bytes == logfiles.path(talker.run_id).stat().st_size
    assert StageRun.objects.get().progress[0]["percent"] == 20.0


@pytest.mark.parametrize("seed", range(4))
def test_a_group_leaves_rows_files_and_answers_as_if_each_call_had_come_by_itself(seed: int) -> None:
    chance = random.Random(seed)
    talkers = [worlds.in_stage("SMART"), worlds.claimed(2), worlds.claimed(3)]
    calls = [_any_call(chance, talkers) for _ in range(60)]
    world = World()
    with world.restored():
        expected = singly(*calls)
        rows = state.read()
    with world.restored():
        found: list[Answer] = []
        while len(found) < len(calls):
            found += answered(*calls[len(found) : len(found) + chance.randint(1, 20)])
        assert not state.differences(rows, state.read())
    assert [(one.status, one.body) for one in found] == [(one.status, one.body) for one in expected]


def _any_call(chance: random.Random, talkers: list[Talker]) -> Request:
    """Mostly what is usual; also repeats, gaps, a hot CPU, another boot's message, a broken one, forged tokens."""
    talker, seq = chance.choice(talkers), chance.randint(1, 12)
    usual = [
        log(talker, seq),
        sensor(talker, seq, chance.choice((40.0, 40.0, 130.0))),
        heartbeat(talker, seq, "SMART" if talker is talkers[0] else "InventoryCheck"),
    ]
    if chance.random() < 0.85:
        return chance.choice(usual)
    other = request(talker, "log", wire.LogBatch("another", seq, []))
    forged = Request("log", talker.run_id, talkers[0].token[:-1] + "A", b"{}", "10.77.0.99")
    return chance.choice([other, forged, Request("sensor", talker.run_id, talker.token, b"{}", "10.77.0.23")])


@pytest.mark.parametrize("make", [worlds.claimed, worlds.held, worlds.refused_by_wipe_probe])
def test_a_heartbeat_has_the_same_answer_in_a_group(make: Any) -> None:
    talker = make()
    assert together.answer([heartbeat(talker)]) == singly(heartbeat(talker))


def test_what_a_run_sends_after_a_call_that_goes_by_itself_waits_for_it() -> None:
    """The hot batch makes a finding, so it is not written with the others. Its successor must not pass it."""
    talker, other = worlds.claimed(), worlds.claimed(2)
    calls = [sensor(talker, 1, 130.0, count=4), sensor(talker, 2), log(talker, 1), sensor(other, 1)]
    left = [answer is None for answer in together.answer(calls)]
    assert left == [True, True, True, False]
    assert {answer.status for answer in answered(*calls)} == {200}
    run = Run.objects.get(pk=talker.run_id)
    assert reading.count(run_id=run.pk) == 6
    assert {(finding.code, finding.component) for finding in run.findings.all()} == {
        ("sensor.temp_high", "CPU0"),
        ("sensor.temp_high", "CPU1"),
    }
    assert reading.count() == 8 and lines_of(talker) == ["1"]


def test_a_token_is_refused_from_the_moment_its_boot_is_dead() -> None:
    talker = worlds.claimed()
    assert answered(log(talker, 1))[0].status == 200
    Boot.objects.update(dead_at=timezone.now())
    assert [one.status for one in answered(log(talker, 2), heartbeat(talker), sensor(talker, 1))] == [401, 401, 401]
    assert lines_of(talker) == ["1"]


def test_a_fault_of_ours_in_one_call_is_a_500_for_that_call(monkeypatch: pytest.MonkeyPatch) -> None:
    talker, other = worlds.claimed(), worlds.claimed(2)
    real = intake.log_text

    def breaks(lines: list[wire.LogLine]) -> str:
        if lines[0].text == "bug":
            raise RuntimeError("a bug")
        return real(lines)

    monkeypatch.setattr(intake, "log_text", breaks)
    calls = [log(talker, 1), log(other, 1, "bug"), sensor(other, 1), log(talker, 2)]
    assert [one.status for one in answered(*calls)] == [200, 500, 200, 200]
    assert lines_of(talker) == ["1", "2"] and reading.count() == 2


def test_a_log_that_cannot_be_written_fails_for_its_own_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    talker, other = worlds.claimed(), worlds.claimed(2)
    real = logfiles._opened

    def full(run_id: int) -> int:
        if run_id == other.run_id:
            raise OSError(28, "No space left on device")
        return real(run_id)

    monkeypatch.setattr(logfiles, "_opened", full)
    calls = [log(talker, 1), log(other, 1), heartbeat(other)]
    assert [one.status for one in answered(*calls)] == [200, 503, 200]
    assert lines_of(talker) == ["1"] and Boot.objects.get(run=other.run_id).log_seq == 0


def test_a_row_that_another_process_has_moved_meanwhile_makes_the_group_go_one_by_one() -> None:
    talker = worlds.claimed()
    calls = [log(talker, 1), sensor(talker, 1)]
    with at_statement("UPDATE runs_boot", lambda: Boot.objects.update(sensor_seq=1)):
        assert [one.status for one in answered(*calls)] == [200, 200]
    assert lines_of(talker) == ["1"] and reading.count() == 2


def test_an_error_behind_the_log_file_leaves_no_line_of_it_twice() -> None:
    def fail() -> None:
        raise RuntimeError("after the file, before the commit")

    talker = worlds.claimed()
    with at_statement("UPDATE runs_boot", fail):
        assert [one.status for one in answered(log(talker, 1), log(talker, 2))] == [200, 200]
    assert lines_of(talker) == ["1", "2"]
    assert Run.objects.get().log_bytes == logfiles.path(talker.run_id).stat().st_size
