"""Who has too many live pages open is told so, and has one again as soon as another is closed."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model

from runs.bench.allowance import Allowance
from runs.live import logins
from runs.live import serving as live


def stream() -> ApplicationCommunicator:
    scope = {
        "type": "http", "method": "GET", "path": "/events/", "query_string": b"channel=dash",
        "headers": [(b"host", b"testserver")], "client": ("10.77.0.9", 40000),
    }  # fmt: skip
    return ApplicationCommunicator(live.application, scope)


async def opened(events: ApplicationCommunicator) -> int:
    await events.send_input({"type": "http.request", "body": b""})
    return int((await events.receive_output(timeout=20))["status"])


async def closed(events: ApplicationCommunicator) -> None:
    await events.send_input({"type": "http.disconnect"})
    await events.wait(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_the_stream_beyond_the_limit_is_answered_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_allowed", Allowance("event streams", 2, 10, "runs/live/serving.py"))
    user = get_user_model().objects.create_user("ada", is_staff=True, is_superuser=True)
    monkeypatch.setattr(logins, "of_cookies", lambda _: logins.of_user(user, time.time() + 3600))

    async def scene() -> list[int]:
        streams = [stream() for _ in range(4)]
        answers = [await opened(one) for one in streams[:3]]
        await closed(streams[0])
        answers.append(await opened(streams[3]))
        await closed(streams[1])
        await closed(streams[3])
        return answers

    assert async_to_sync(scene)() == [200, 200, 429, 200]
