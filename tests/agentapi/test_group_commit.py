"""The writer that commits for everybody: answers come after the commit, a fault in one call hurts no other, and the
writer outlives what goes wrong."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from agent.contract import codec, wire
from agentapi import endpoint, ingest, together
from agentapi.endpoint import Request
from hosts.models import Host
from runs import lifecycle
from runs.files import logs as logfiles
from runs.models import Boot, Run
from runs.received import Bounded
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def talker() -> Talker:
    host: Host = a_host("node-1", mac=MAC, expected=EXPECTED)
    lifecycle.start_run(host, profile_name="quick")
    talker = Talker(host)
    talker.boot_and_claim()
    return talker


def log_request(talker: Talker, seq: int, text: str = "line") -> Request:
    batch = wire.LogBatch(talker.boot_id, seq, [wire.LogLine(1.0, "info", "SMART", text)])
    return Request("log", talker.run_id, talker.token, codec.dumps(batch), "10.77.0.23")


def submit(*requests: Request) -> list[endpoint.Answer]:
    writer = ingest.Writer()

    async def all_at_once() -> list[endpoint.Answer]:
        return await asyncio.gather(*(writer.submit(request) for request in requests))

    return asyncio.run(all_at_once())


def test_many_batches_are_all_kept_in_order(talker: Talker) -> None:
    answers = submit(*(log_request(talker, n, f"line {n}") for n in range(1, 51)))
    assert {answer.status for answer in answers} == {200}
    lines = logfiles.path(talker.run_id).read_text().splitlines()
    assert [line.rsplit(maxsplit=1)[-1] for line in lines] == [str(n) for n in range(1, 51)]
    assert Run.objects.get(pk=talker.run_id).log_bytes == logfiles.path(talker.run_id).stat().st_size


def test_a_refused_call_takes_no_other_down_and_is_in_the_history(talker: Talker) -> None:
    bad = Request("log", talker.run_id, "vt1.nonsense", b"{}", "10.77.0.99")
    assert [a.status for a in submit(log_request(talker, 1), bad, log_request(talker, 2))] == [200, 401, 200]
    assert Run.objects.get(pk=talker.run_id).events.filter(kind="token_refused").count() == 1


def test_a_fault_of_ours_in_one_call_is_a_500_for_that_call(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    real = endpoint.taken

    def breaks_for_seq_2(request: Request, boot: Boot) -> Bounded:
        if b'"seq":2' in request.body:
            raise RuntimeError("a bug")
        return real(request, boot)

    monkeypatch.setattr(endpoint, "taken", breaks_for_seq_2)
    assert [a.status for a in submit(*(log_request(talker, n) for n in (1, 2, 3)))] == [200, 500, 200]


def test_the_writer_lives_on_after_a_group_that_could_not_be_committed(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ingest.Writer()
    real, broken = together.answer, [True]

    def fails_once(requests: list[Request]) -> list[endpoint.Answer | None]:
        if broken.pop() if broken else False:
            raise OperationalError("database or disk is full")
        return real(requests)

    monkeypatch.setattr(together, "answer", fails_once)

    async def two_in_turn() -> tuple[object, endpoint.Answer]:
        first = await asyncio.gather(writer.submit(log_request(talker, 1)), return_exceptions=True)
        return first[0], await writer.submit(log_request(talker, 1))

    failed, answer = asyncio.run(two_in_turn())
    assert isinstance(failed, OperationalError) and answer.status == 200
    assert connection.is_usable()


def test_no_call_of_a_group_is_answered_as_kept_when_the_database_has_undone_them_all(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite ends the whole transaction on a full disk; the savepoints are gone, and Django rolls back in silence."""
    real = endpoint.answer

    def ends_the_transaction(request: Request) -> endpoint.Answer:
        if b'"seq":2' not in request.body:
            return real(request)
        with transaction.atomic():
            connection.connection.execute("ROLLBACK")
            raise OperationalError("database or disk is full")

    monkeypatch.setattr(endpoint, "answer", ends_the_transaction)
    with pytest.raises(OperationalError):
        ingest.Writer()._commit([log_request(talker, 1), log_request(talker, 2)])
    assert Run.objects.get(pk=talker.run_id).boots.get().log_seq == 0


@pytest.mark.parametrize("statement", ["SAVEPOINT", 'SELECT "runs_boot"'])
def test_nor_when_the_disk_was_full_outside_the_savepoint_of_a_call(talker: Talker, statement: str) -> None:
    seen: list[str] = []

    def full(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(statement):
            seen.append(sql)
            if len(seen) == 2:
                connection.connection.execute("ROLLBACK")
                raise OperationalError("database or disk is full")
        return execute(sql, params, many, context)

    requests = [log_request(talker, 1), log_request(talker, 2)]
    with connection.execute_wrapper(full), pytest.raises(OperationalError):
        ingest.Writer()._commit(requests)
    assert len(seen) >= 2 and Run.objects.get(pk=talker.run_id).boots.get().log_seq == 0


def test_a_caller_that_hangs_up_while_it_waits_hurts_no_other(talker: Talker) -> None:
    writer = ingest.Writer()

    async def one_hangs_up() -> endpoint.Answer:
        gone = asyncio.ensure_future(writer.submit(log_request(talker, 1)))
        await asyncio.sleep(0)
        gone.cancel()
        return await writer.submit(log_request(talker, 1))

    assert asyncio.run(one_hangs_up()).status == 200


def test_a_group_is_handled_run_by_run_in_the_order_of_arrival() -> None:
    """Two web processes on PostgreSQL lock rows of the same runs: in one order, or they stop each other."""
    writer = ingest.Writer()
    futures: list[Future[endpoint.Answer]] = [Future() for _ in range(5)]
    for future, (run, body) in zip(futures, [(7, b"a"), (3, b"b"), (7, b"c"), (3, b"d"), (1, b"e")], strict=True):
        writer._waiting.put((Request("log", run, "", body, ""), future))
    futures[4].cancel()
    assert [request.body for request, _ in writer._gather()] == [b"b", b"d", b"a", b"c"]
    assert not futures[0].cancel(), "too late: it is being committed, and its answer will be set"


def test_a_message_is_decoded_before_the_transaction_of_everybody(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = [endpoint.read(log_request(talker, 1)), endpoint.read(replace(log_request(talker, 2), body=b"nonsense"))]
    monkeypatch.setattr(endpoint, "_message", None)
    assert [answer.status for answer in submit(*ready)] == [200, 400]


def test_a_group_that_takes_long_is_committed_in_several_transactions(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "GROUP_S", 0.0)
    monkeypatch.setattr(together, "answer", lambda requests: [None] * len(requests))
    writer, sizes = ingest.Writer(), []
    real = writer._commit
    monkeypatch.setattr(writer, "_commit", lambda requests: sizes.append(len(requests)) or real(requests))
    requests = [log_request(talker, n) for n in range(1, 6)]
    futures: list[Future[endpoint.Answer]] = [Future() for _ in requests]
    for request, future in zip(requests, futures, strict=True):
        writer._waiting.put((request, future))
    writer._ensure_running()
    assert {future.result(30).status for future in futures} == {200}
    assert sizes == [5, 4, 3, 2, 1]
    assert Run.objects.get(pk=talker.run_id).boots.get().log_seq == 5
