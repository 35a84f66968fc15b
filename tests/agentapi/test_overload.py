"""More calls than can be answered in time: refused at once, with the time to come back, and accepted again after."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from agent.contract import codec, wire
from agentapi import endpoint, hot, ingest, together
from agentapi.endpoint import Answer, Request
from runs.bench.allowance import Allowance
from runs.models import Boot
from tests.statements import worlds
from tests.talker import Talker

pytestmark = pytest.mark.django_db(transaction=True)


def log(talker: Talker, seq: int) -> Request:
    batch = wire.LogBatch(talker.boot_id, seq, [wire.LogLine(1.0, "info", "SMART", "line")])
    return Request("log", talker.run_id, talker.token, codec.dumps(batch), "10.77.0.23")


def test_what_is_too_much_is_refused_unread_and_accepted_as_soon_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talker, goes_on, read = worlds.claimed(), threading.Event(), []
    really_answer, really_read = together.answer, endpoint.read

    def busy(requests: Sequence[Request]) -> list[Answer | None]:
        goes_on.wait(60)
        return really_answer(requests)

    monkeypatch.setattr(together, "answer", busy)
    monkeypatch.setattr(endpoint, "read", lambda request: read.append(request) or really_read(request))
    monkeypatch.setattr(ingest, "writer", ingest.Writer())
    monkeypatch.setattr(hot, "_under_way", Allowance("calls under way", 16, 2, "here"))
    monkeypatch.setattr(hot, "_warmed", {talker.token})

    async def five_at_once_and_one_after() -> list[Answer]:
        calls = [asyncio.ensure_future(hot.reply(log(talker, seq))) for seq in range(1, 6)]
        refused, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert {call.result().status for call in refused} == {503}
        goes_on.set()
        return [*await asyncio.gather(*calls), await hot.reply(log(talker, 6))]

    answers = asyncio.run(five_at_once_and_one_after())
    assert [answer.status for answer in answers] == [200, 200, 503, 503, 503, 200]
    assert (b"retry-after", b"5") in hot.headers(answers[2]) and len(read) == 3
    assert Boot.objects.get().log_seq == 6


def test_a_queue_that_is_full_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ingest.Writer()
    monkeypatch.setattr(ingest, "MAX_WAITING", -1)
    with pytest.raises(ingest.Overloaded):
        asyncio.run(writer.submit(Request("log", 1, "", b"", "")))


def test_a_body_that_is_too_large_is_not_read(settings: Any) -> None:
    """Somebody who has logged in may send more to the pages, on the same connection."""
    settings.AGENT_BODY_LIMIT_BYTES = 1000
    assert asyncio.run(hot.reply(Request("log", 1, "", b"x" * 1001, ""))).status == 413
