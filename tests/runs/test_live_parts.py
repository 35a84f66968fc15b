"""Rendered fragments on the event streams: once for all who may do the same, to nobody who may not, and the last state
to everybody."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from runs.desk import rendered, run_page
from runs.desk.rendering_cache import RenderingCache
from runs.live import hub as hubs
from runs.live import logins, renderer, serving
from runs.live import stream as live
from runs.live.hub import Group, Hub, Message, Stream
from runs.live.logins import Login
from runs.models import Run
from tests import factories
from vetting import roles

LIMIT_S = 60
LATER = time.time() + 3600


def account(name: str, role: str = roles.OPERATOR) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Role.objects.get(name=role))
    return user


def login(user: User, expires_at: float = LATER) -> Login:
    found = logins.of_user(User.objects.get(pk=user.pk), expires_at)
    assert found is not None
    return found


# --- who still may ------------------------------------------------------------------------------------------------


def deactivated(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def no_staff(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=False)


def deleted(user: User) -> None:
    user.delete()


def another_role(user: User) -> None:
    user.groups.set([Role.objects.get(name=roles.VIEWER)])


def another_password(user: User) -> None:
    user.set_password("a new one")
    user.save()


@pytest.mark.django_db
@pytest.mark.parametrize("change", [deactivated, no_staff, deleted, another_role, another_password])
def test_a_login_is_over_once_its_account_is_another(change: Callable[[User], None]) -> None:
    ada, bob = account("ada"), account("bob")
    both = [login(ada), login(bob)]
    assert logins.gone(both, time.time()) == set()
    change(ada)
    assert logins.gone(both, time.time()) == {both[0]}


@pytest.mark.django_db
def test_a_login_is_over_when_its_session_is_too_old() -> None:
    one = login(account("ada"), expires_at=1000)
    assert logins.gone([one], 999) == set()
    assert logins.gone([one], 1000) == {one}


@pytest.mark.django_db
def test_the_logins_of_many_are_three_queries(django_assert_num_queries: Callable[[int], Any]) -> None:
    many = [login(account(f"operator{n}")) for n in range(5)] + [login(account("eve", roles.VIEWER))]
    with django_assert_num_queries(3):
        assert logins.gone(many, time.time()) == set()


@pytest.mark.django_db
@pytest.mark.parametrize("role", roles.ROLES)
def test_what_many_accounts_may_do_is_read_as_django_reads_it_for_one(role: str) -> None:
    user = account("ada", role)
    assert logins._accounts({user.pk})[user.pk].permissions == login(user).permissions
    boss = User.objects.create_user("boss", is_staff=True, is_superuser=True)
    assert logins._accounts({boss.pk})[boss.pk].permissions == login(boss).permissions


@pytest.mark.django_db
def test_the_cookie_of_a_session_says_until_when() -> None:
    client = Client()
    client.force_login(account("ada"), backend="django.contrib.auth.backends.ModelBackend")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    found = logins.of_cookies(cookies)
    assert found is not None and found.name == "ada"
    assert abs(found.expires_at - time.time() - 12 * 3600) < 600
    assert logins.of_cookies(cookies.replace("=", "=x", 1)) is None
    assert logins.of_cookies("") is None


# --- the streams of a process ---------------------------------------------------------------------------------------


ADA = Login(1, "ada", frozenset({"runs.cancel_run"}), "", LATER)
EVE = Login(2, "eve", frozenset(), "", LATER)


class Client_:
    """The other end of a stream. It takes nothing while `takes` is not set."""

    def __init__(self, who: Login = ADA) -> None:
        self.got: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.stream = Stream(self._send, who, {"run-1": 0, "live-1": 0})

    async def _send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        self.got.append(message)

    @property
    def text(self) -> str:
        return b"".join(message["body"] for message in self.got).decode()

    @property
    def is_over(self) -> bool:
        return any(not message["more_body"] for message in self.got)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def note(number: int) -> Message:
    return Message("run-1", number, b"event: run\n", b"data: %d\n\n" % number)


def test_what_is_told_before_a_stream_is_open_is_sent_then_in_order_with_its_ids() -> None:
    async def scene() -> None:
        hub, one = Hub(), Client_()
        hub.join(one.stream)
        for number in (7, 8):
            hub.tell(note(number))
        await settled()
        assert one.text == ""
        one.stream.ids |= {"run-1": 6, "live-1": 50}
        one.stream.open()
        hub.tell(note(9))
        await settled()
        assert [line for line in one.text.splitlines() if line.startswith("id")] == [
            f"id: run-1:{number},live-1:50" for number in (7, 8, 9)
        ]
        hub.leave(one.stream)

    async_to_sync(scene)()


def test_a_client_that_takes_nothing_is_ended_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MOST_WAITING_BYTES", 1000)

    async def scene() -> None:
        hub, slow, quick = Hub(), Client_(), Client_()
        slow.takes.clear()
        for one in (slow, quick):
            hub.join(one.stream)
            one.stream.open()
        for number in range(100):
            hub.tell(note(number))
            await settled()
        assert "data: 99\n" in quick.text and not quick.is_over
        slow.takes.set()
        await settled()
        assert slow.is_over and "data: 99\n" not in slow.text
        for one in (slow, quick):
            hub.leave(one.stream)

    async_to_sync(scene)()


def test_many_streams_get_everything_in_order_though_they_are_served_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "AT_ONCE", 3)

    async def scene() -> None:
        hub, many = Hub(), [Client_() for _ in range(10)]
        for one in many:
            hub.join(one.stream)
            one.stream.open()
        for number in range(5):
            hub.tell(note(number))
        await settled()
        wanted = "".join(f"event: run\nid: run-1:{n},live-1:0\ndata: {n}\n\n" for n in range(5))
        assert {one.text for one in many} == {wanted}
        for one in many:
            hub.leave(one.stream)

    async_to_sync(scene)()


def test_a_group_is_the_streams_with_the_same_permissions_and_ends_with_the_last() -> None:
    async def scene() -> None:
        hub, ada, eve = Hub(), Client_(), Client_(EVE)
        for one in (ada, eve):
            hub.join(one.stream, "run-1")
            one.stream.open()
        groups = {group.permissions: group for group, _ in hub.groups("run-1")}
        hub.push(groups[ADA.permissions], b"for ada")
        hub.push(groups[EVE.permissions], b"for eve")
        await settled()
        assert (ada.text, eve.text) == ("for ada", "for eve")
        groups[ADA.permissions].tags = {"summary": "x"}
        hub.leave(ada.stream)
        again = Client_()
        hub.join(again.stream, "run-1")
        assert [group.tags for group, held in hub.groups("run-1") if held == [ADA]] == [{}]
        hub.leave(again.stream)
        hub.leave(eve.stream)
        assert not hub.has_parts("run-1")

    async_to_sync(scene)()


def test_who_joins_in_the_moment_after_the_last_left_is_kept_alive_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "KEEP_ALIVE_S", 1)
    monkeypatch.setattr(logins, "over", lambda _: set())

    async def scene() -> None:
        hub, first, next_ = Hub(), Client_(), Client_()
        hub.join(first.stream)
        await settled()
        hub.leave(first.stream)
        hub.join(next_.stream)
        next_.stream.open()
        await asyncio.sleep(1.5)
        assert "keep-alive" in next_.text
        hub.leave(next_.stream)

    async_to_sync(scene)()


@pytest.mark.django_db(transaction=True)
def test_the_stream_of_an_account_that_may_not_log_in_any_more_ends_though_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "KEEP_ALIVE_S", 1)
    roles.give_all()
    ada, eve = login(account("ada")), login(account("eve"))
    User.objects.filter(pk=ada.user).update(is_active=False)

    async def scene() -> None:
        hub, gone, stays = Hub(), Client_(ada), Client_(eve)
        for one in (gone, stays):
            hub.join(one.stream)
            one.stream.open()
        await asyncio.sleep(2)
        assert (gone.is_over, stays.is_over) == (True, False)
        assert "keep-alive" in stays.text and "keep-alive" not in gone.text
        hub.leave(stays.stream)

    async_to_sync(scene)()


# --- what is rendered -----------------------------------------------------------------------------------------------


class Listening:
    """In place of the hub: what it was told, and something that waits for it."""

    def __init__(self, *readers: Login) -> None:
        self.found = [(Group("run-1", one.permissions, {object()}), [one]) for one in readers]  # type: ignore[arg-type]
        self.pushed: list[tuple[Group, dict[str, Any]]] = []
        self.ended: set[Login] = set()
        self._more = threading.Condition()

    def has_parts(self, page: str) -> bool:
        return bool(self.found)

    def groups(self, page: str) -> list[tuple[Group, list[Login]]]:
        return self.found

    def push(self, group: Group, chunk: bytes) -> None:
        with self._more:
            self.pushed.append((group, json.loads(chunk.decode().partition("data: ")[2])))
            self._more.notify_all()

    def finish(self, group: Group, over: set[Login]) -> None:
        self.ended |= over

    def waits_for(self, text: str, count: int = 1) -> bool:
        with self._more:
            return self._more.wait_for(lambda: sum(text in sent["html"] for _, sent in self.pushed) >= count, LIMIT_S)


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Listening, renderer.Renderer]]]:
    monkeypatch.setattr(rendered, "kept", RenderingCache(most=64, fresh_s=1e9))
    begun: list[renderer.Renderer] = []

    def begin(*readers: Login) -> tuple[Listening, renderer.Renderer]:
        listening: Any = Listening(*readers)
        begun.append(renderer.Renderer(listening))
        return listening, begun[-1]

    yield begin
    for one in begun:
        one.stop()


@pytest.mark.django_db(transaction=True)
def test_each_group_is_sent_what_differs_of_what_its_readers_may_see(rendering: Any) -> None:
    run = factories.in_storage()
    roles.give_all()
    ada, eve = login(account("ada")), login(account("eve", roles.VIEWER))
    listening, it = rendering(ada, eve)
    it.mark(run.pk)
    assert listening.waits_for('id="history"', 2)
    first = {group.permissions: sent["html"] for group, sent in listening.pushed}
    assert "Cancel run" in first[ada.permissions] and "hx-get" not in first[eve.permissions]
    factories.tell(run, "note", "only this is new")
    it.mark(run.pk)
    assert listening.waits_for("only this is new", 2)
    last = listening.pushed[-1][1]
    assert 'id="history"' in last["html"] and 'id="ladder"' not in last["html"]
    assert set(last["tags"]) == set(run_page.LIVE_PARTS)
    assert last["version"] == run_page.version(run.pk)


@pytest.mark.django_db(transaction=True)
def test_who_may_not_see_it_any_more_is_sent_nothing_and_the_stream_ends(rendering: Any) -> None:
    run = factories.in_storage()
    roles.give_all()
    ada, eve = account("ada"), account("eve", roles.VIEWER)
    logged_in = [login(ada), login(eve)]
    listening, it = rendering(*logged_in)
    another_role(ada)
    it.mark(run.pk)
    assert listening.waits_for('id="history"')
    it.stop()
    assert listening.ended == {logged_in[0]}
    assert {group.permissions for group, _ in listening.pushed} == {logged_in[1].permissions}


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_while_a_page_is_rendered_is_rendered_next(
    rendering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = factories.in_storage()
    listening, it = rendering(login(factories.UserFactory()))
    load, meanwhile = run_page.load, iter(["the last word"])

    def slow(run_id: int) -> Run:
        found = load(run_id)
        if text := next(meanwhile, ""):
            factories.tell(run, "note", text)
            it.mark(run.pk)
        return found

    monkeypatch.setattr(run_page, "load", slow)
    it.mark(run.pk)
    assert listening.waits_for("the last word")


@pytest.mark.django_db(transaction=True)
def test_what_is_marked_while_a_page_is_rendered_waits_as_long_as_what_is_marked_later(
    rendering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer, "GAP_S", 3600)
    run = factories.in_storage()
    listening, it = rendering(login(factories.UserFactory()))
    load = run_page.load

    def marked_meanwhile(run_id: int) -> Run:
        it.mark(run.pk)
        return load(run_id)

    monkeypatch.setattr(run_page, "load", marked_meanwhile)
    it.mark(run.pk)
    assert listening.waits_for('id="history"')
    time.sleep(0.3)
    assert len(listening.pushed) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_asked_again(rendering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = factories.in_storage()
    listening, it = rendering(login(factories.UserFactory()))
    load, fails = run_page.load, iter([True])

    def failing(run_id: int) -> Run:
        if next(fails, False):
            raise OperationalError("database is locked")
        return load(run_id)

    monkeypatch.setattr(run_page, "load", failing)
    monkeypatch.setattr(renderer, "RETRY_S", 0.01)
    it.mark(run.pk)
    assert listening.waits_for('id="history"')


@pytest.mark.django_db(transaction=True)
def test_the_run_is_read_once_for_all_groups(rendering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = factories.in_storage()
    readings, load = [], run_page.load
    monkeypatch.setattr(run_page, "load", lambda run_id: (readings.append(run_id), load(run_id))[1])
    listening, it = rendering(*(login(account(role, role)) for role in roles.ROLES))
    it.mark(run.pk)
    assert listening.waits_for('id="history"', len(roles.ROLES))
    assert readings == [run.pk]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_rendered_where_nobody_looks(rendering: Any) -> None:
    run = factories.in_storage()
    listening, it = rendering()
    it.mark(run.pk)
    assert it._thread is None and listening.pushed == []


# --- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_quick_events_every_client_is_sent_the_last_state() -> None:
    run = factories.in_storage()
    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items()).encode()

    async def scene() -> list[str]:
        many = [await opened(run, cookies) for _ in range(5)]
        await asyncio.to_thread(lambda: [factories.tell(run, "note", f"event {n}.") for n in range(60)])
        async with asyncio.timeout(LIMIT_S):
            while not all("event 59." in parts_of(got) for got, _, _ in many):
                await asyncio.sleep(0.05)
        for _, bye, task in many:
            bye.set()
            await task
        return [b"".join(message.get("body", b"") for message in got).decode() for got, _, _ in many]

    texts = async_to_sync(scene)()
    assert all(text.count("event: run\n") >= 60 for text in texts)
    assert live.hub.groups(f"run-{run.pk}") == [] and serving._allowed.all == 0


def parts_of(got: list[dict[str, Any]]) -> str:
    blocks = b"".join(message.get("body", b"") for message in got).decode().split("\n\n")
    return "".join(block for block in blocks if block.startswith("event: parts"))


async def opened(run: Run, cookies: bytes) -> tuple[list[dict[str, Any]], asyncio.Event, asyncio.Task[None]]:
    """A stream that is open: what it was sent, what lets it go, and its task."""
    got: list[dict[str, Any]] = []
    is_open, bye = asyncio.Event(), asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        got.append(message)
        if b"stream-open" in message.get("body", b""):
            is_open.set()

    async def receive() -> dict[str, Any]:
        await bye.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http", "method": "GET", "path": "/events/", "client": ("127.0.0.1", 1),
        "query_string": f"channel=run-{run.pk}&with=parts".encode(),
        "headers": [(b"host", b"testserver"), (b"cookie", cookies)],
    }  # fmt: skip
    task = asyncio.create_task(serving.application(scope, receive, send))
    async with asyncio.timeout(LIMIT_S):
        await is_open.wait()
    return got, bye, task


def test_a_page_that_cannot_be_rendered_keeps_no_other_from_its_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def render(it: renderer.Renderer, run_id: int) -> int:
        if run_id == 1:
            raise KeyError("inventory")
        done.set()
        return 0

    monkeypatch.setattr(renderer.Renderer, "_render", render)
    always: Any = SimpleNamespace(has_parts=lambda page: True)
    it = renderer.Renderer(always)
    it.mark(1)
    thread = it._thread
    it.mark(2)
    assert done.wait(LIMIT_S)
    assert it._thread is thread, "the thread that met the error has gone on"
    it.stop()
