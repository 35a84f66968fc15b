"""The event stream as a browser meets it, from a real daphne."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from runs.models import Run
from tests import factories
from tests.runs.conftest import PASSWORD
from tests.runs.webprocess import WebProcess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Event = tuple[str, str, str]


@pytest.fixture
def web(shared_web: WebProcess) -> WebProcess:
    return shared_web


@contextmanager
def listening(client: httpx.Client, channel: str, last: str = "") -> Iterator[Iterator[Event]]:
    """(type, id, data) of every event, from the moment at which the stream is open."""
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", "/events/", params={"channel": channel}, headers=headers) as response:
        assert response.status_code == 200
        events = _events(response.iter_lines())
        assert next(events)[0] == "stream-open"
        yield events


def _events(lines: Iterator[str]) -> Iterator[Event]:
    kind = number = data = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data:"):
            data += line[6:]
        elif not line and kind:
            yield kind, number, data
            kind = number = data = ""


def test_a_commit_of_another_process_reaches_the_browser_at_once(web: WebProcess) -> None:
    run = factories.in_smart()
    with listening(web.log_in("operator", PASSWORD), f"run-{run.pk}") as events:
        began = time.monotonic()
        row = factories.tell(run, "stage_done", state_after="CPUStress")
        kind, _, data = next(event for event in events if event[0] == "run")
        assert time.monotonic() - began < 2
    assert kind == "run"
    told = {"id": row.pk, "run": run.pk, "host": run.host.name, "kind": "stage_done", "state": "CPUStress"}
    assert json.loads(data) == told


def test_numbers_come_as_versions_and_do_not_lose_the_place_in_the_outbox(web: WebProcess) -> None:
    """An event without an id would make the client forget where it was, and miss what came meanwhile."""
    run = factories.in_smart()
    client = web.log_in("operator", PASSWORD)
    with listening(client, f"run-{run.pk}") as events:
        row = factories.tell(run, "a")
        next(event for event in events if event[0] == "run")
        Run.objects.filter(pk=run.pk).update(progress_seq=41)
        moved = (event for event in events if event[0] == "live" and json.loads(event[2])["progress"] == 41)
        _, last, _ = next(moved)
    assert f"run-{run.pk}:{row.pk}" in last
    missed = factories.tell(run, "b")
    with listening(client, f"run-{run.pk}", last) as events:
        assert json.loads(next(event for event in events if event[0] == "run")[2])["id"] == missed.pk


def test_a_burst_far_beyond_the_listeners_queue_arrives_whole(web: WebProcess) -> None:
    run = factories.in_smart()
    with listening(web.log_in("operator", PASSWORD), "dash") as events:
        ids = [factories.tell(run, f"event_{n}").pk for n in range(150)]
        seen: list[int] = []
        while ids[-1] not in seen:
            kind, _, data = next(events)
            if kind == "run":
                seen.append(json.loads(data)["id"])
    assert sorted(set(seen)) == ids


def test_a_stream_survives_the_end_of_its_process_by_coming_back(web: WebProcess) -> None:
    run = factories.in_smart()
    client = web.log_in("operator", PASSWORD)
    with listening(client, f"run-{run.pk}") as events:
        factories.tell(run, "a")
        _, last, _ = next(event for event in events if event[0] == "run")
    assert web.stop() == 0
    missed = factories.tell(run, "while_it_was_down")
    web.start()
    with listening(client, f"run-{run.pk}", last) as events:
        assert json.loads(next(event for event in events if event[0] == "run")[2])["id"] == missed.pk


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("?channel=user-1", 400), ("?channel=dash", 403), ("?channel=dash" * 9, 400)]
)
def test_strangers_and_strange_channels_are_refused(web: WebProcess, query: str, status: int) -> None:
    query = query.replace("?", "&").replace("&", "?", 1)
    assert httpx.get(f"{web.url}/events/{query}", timeout=10).status_code == status
