"""A database that fails for a while: whoever asked is told to ask again, in a form that it can use."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from django.test import Client
from django.urls import reverse

from agentapi import endpoint
from pxe import ipxe
from pxe import views as pxe_views
from runs.desk import views
from tests import factories
from tests.talker import MAC
from vetting.front import trouble

pytestmark = pytest.mark.django_db

FAILURES = [
    (OperationalError("database is locked"), "busy with another write"),
    (OperationalError("canceling statement due to lock timeout"), "busy with another write"),
    (OperationalError("deadlock detected"), "busy with another write"),
    (OperationalError("interrupted"), "took too long"),
    (OperationalError("canceling statement due to statement timeout"), "took too long"),
    (OperationalError("database or disk is full"), "whoever runs it must free space"),
    (OperationalError("could not extend file: No space left on device"), "whoever runs it must free space"),
    (OperationalError("attempt to write a readonly database"), "can't be written"),
    (OperationalError("disk I/O error"), "disk fails"),
    (OperationalError("no such column: runs_run.new"), "./manage.py migrate"),
    (OperationalError("server closed the connection unexpectedly"), "does not answer"),
    (InterfaceError("connection already closed"), "does not answer"),
]
fails = pytest.mark.parametrize(("error", "said"), FAILURES, ids=[str(error) for error, _ in FAILURES])


def raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@fails
def test_every_call_of_an_agent_is_to_be_sent_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(endpoint, "authenticate", raising(error))
    for call in endpoint.CALLS:
        reply = client.post(f"/api/v1/runs/1/{call}", b"{}", content_type="application/json")
        assert reply.status_code == 503 and reply["Retry-After"]
        assert said in reply.json()["error"] and "send it again" in reply.json()["error"]


@fails
def test_a_machine_that_boots_comes_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    """With 200: iPXE gives up after any other status, and the host would miss its run."""
    monkeypatch.setattr(pxe_views, "_script_for", raising(error))
    reply = client.get(f"/ipxe/{MAC}")
    text = reply.content.decode()
    assert reply.status_code == 200 and text.startswith("#!ipxe\n")
    assert f"chain --replace http://127.0.0.1:8000/ipxe/{MAC}?again=1 || goto again" in text


@pytest.mark.parametrize("again", ["30", "999"])
def test_a_machine_comes_again_for_five_minutes_and_then_boots_from_its_disk(again: str) -> None:
    script = ipxe.come_again("http://x/ipxe/m", f"again={again}", "the database is busy")
    assert "chain" not in script and "exit 1" in script and "the database is busy" in script


@pytest.mark.parametrize("query", ["", "again=", "again=x", "again=-1", "again=²", "again=" + "9" * 5000, "other=3"])
def test_a_count_that_is_none_begins_anew(query: str) -> None:
    assert "?again=1 " in ipxe.come_again("http://x/ipxe/m", query, "the database is busy")


@fails
def test_a_page_says_what_is_wrong_and_that_the_hosts_go_on(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    monkeypatch.setattr(views.run_page, "context", raising(error))
    reply = client.get(reverse("run", args=[factories.held().pk]))
    page = reply.content.decode()
    assert reply.status_code == 503 and reply["Retry-After"] and reply["Content-Security-Policy"]
    assert said.replace("'", "&#x27;") in page and "goes on regardless" in page


@pytest.mark.parametrize("error", [IntegrityError("UNIQUE"), ProgrammingError("no such column"), RuntimeError("a bug")])
def test_a_fault_of_ours_is_not_taken_for_the_database_s(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr(endpoint, "authenticate", raising(error))
    assert client.post("/api/v1/runs/1/hello", b"{}", content_type="application/json").status_code == 500


def ask(application: Any, path: str = "/events/") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application({"method": "GET", "path": path, "query_string": b""}, None, send))
    return sent


def test_an_event_stream_that_can_t_begin_is_told_so() -> None:
    async def fails_at_once(scope: Any, receive: Any, send: Any) -> None:
        raise OperationalError("database is locked")

    start, body = ask(trouble.answered(fails_at_once))
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert b"busy with another write" in body["body"]


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def fails_late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError):
        ask(trouble.answered(fails_late))


def test_an_agent_is_answered_in_json_by_a_bare_application_too() -> None:
    async def fails_at_once(scope: Any, receive: Any, send: Any) -> None:
        raise InterfaceError("connection already closed")

    _, body = ask(trouble.answered(fails_at_once), "/api/v1/runs/1/hello")
    assert "send it again" in json.loads(body["body"])["error"]


@pytest.mark.parametrize("where", [(views, "dashboard"), (endpoint, "authenticate")])
def test_a_value_that_no_database_takes_is_the_askers(
    where: tuple[Any, str], admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says so of a NUL."""

    def refuses(*args: Any, **more: Any) -> None:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")

    module, name = where
    if module is views:
        monkeypatch.setattr(views.tile_filter, "asked_for", refuses)
        assert admin_client.get("/", {"text": "\0"}).status_code == 400
        return
    monkeypatch.setattr(module, name, refuses)
    assert admin_client.post("/api/v1/runs/1/hello", b"{}", content_type="application/json").status_code == 400
