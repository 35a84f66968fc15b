"""Fragments of a run's page that are rendered once for all who may do the same."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from runs.desk import (
    fragments,
    history_rows,
    log_viewer,
    readers,
    rendered,
    rendered_tiles,
    rendering_cache,
    run_page,
)
from runs.desk.rendering_cache import TOKEN, RenderingCache, Shown
from runs.models import Run
from tests import factories
from tests.rows import a_host
from vetting import roles

UNKNOWN = '"an older tag"'


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, and what lies in it does not grow old on a busy machine."""
    monkeypatch.setattr(rendered, "kept", RenderingCache(most=64, fresh_s=1e9))


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that were read in order to render them."""
    found: list[int] = []
    load = run_page.load

    def counting(run_id: int) -> Run:
        found.append(run_id)
        return load(run_id)

    monkeypatch.setattr(run_page, "load", counting)
    return found


def browser(name: str, role: str = "") -> Client:
    user = User.objects.create_user(name, is_staff=True, is_superuser=not role)
    if role:
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def parts(client: Client, run: Run, *names: str, known: str = UNKNOWN) -> Any:
    path = reverse("run-parts", args=[run.pk])
    headers = {"If-None-Match": known} if known else {}
    return client.get(path, {"part": names or run_page.LIVE_PARTS}, headers=headers)


def tags(html: str) -> list[str]:
    return re.findall(r'data-tag="([0-9a-f]+)"', html)


@pytest.mark.django_db
def test_a_version_is_rendered_once_for_all_who_ask_for_it(readings: list[int]) -> None:
    run = factories.in_storage()
    clients = [browser(f"operator{n}", roles.OPERATOR) for n in range(3)]
    answers = {parts(clients[n % 3], run).content for n in range(30)}
    assert (len(answers), readings) == (1, [run.pk])


@pytest.mark.django_db
def test_a_fragment_from_the_cache_takes_the_readers_account_and_the_version_only(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    run, client = factories.in_storage(), browser("root")
    parts(client, run)
    with django_assert_num_queries(2):
        parts(client, run)


@pytest.mark.django_db
def test_a_change_is_rendered_anew_at_once(readings: list[int]) -> None:
    run, client = factories.in_storage(), browser("root")
    parts(client, run, "history")
    factories.tell(run, "note", "what came since")
    assert "what came since" in parts(client, run, "history").content.decode()
    Run.objects.filter(pk=run.pk).update(progress_seq=run.progress_seq + 1)
    parts(client, run, "history")
    assert len(readings) == 3


@pytest.mark.django_db
def test_who_sends_no_tags_is_shown_what_has_no_version_either(readings: list[int]) -> None:
    """A change without an event: the page's own load, and a request without tags, read everything anew."""
    run, client = factories.held(), browser("root")
    parts(client, run)
    run.holds.update(users=["root from 10.77.0.99"])
    assert "10.77.0.99" in parts(client, run, "hold", known="").content.decode()
    assert "10.77.0.99" in client.get(run.get_absolute_url()).content.decode()
    assert "10.77.0.99" in parts(client, run, "hold").content.decode(), "the page's rendering is in the cache"


@pytest.mark.django_db
def test_what_a_page_has_already_is_left_out_and_304_if_that_is_all() -> None:
    run, client = factories.in_storage(), browser("root")
    page = client.get(run.get_absolute_url()).content.decode()
    has = tags(page)
    assert len(has) == len(run_page.LIVE_PARTS)
    assert parts(client, run, known=", ".join(f'"{tag}"' for tag in has)).status_code == 304
    factories.tell(run, "note", "something new")
    answer = parts(client, run, known=", ".join(f'"{tag}"' for tag in has))
    assert re.findall(r'id="([a-z]+)" data-on', answer.content.decode()) == ["history"]


@pytest.mark.django_db
def test_a_form_on_the_part_of_a_host_that_is_rendered_for_all_has_its_readers_token() -> None:
    host = a_host(wake_method="ipmi", wake_options={"address": "10.0.0.7", "user": "admin"})
    root = User.objects.create_user("root", is_staff=True, is_superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("host-parts", args=[host.name]), headers={"If-None-Match": UNKNOWN})
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.content.decode())
    asked = {"verb": "off", "number": host.pk, "csrfmiddlewaretoken": token}
    assert token != TOKEN
    assert client.post(reverse("power", args=[host.name]), asked).status_code == 200
    assert client.post(reverse("power", args=[host.name]), asked | {"csrfmiddlewaretoken": TOKEN}).status_code == 403


@pytest.mark.django_db
def test_a_clock_that_runs_in_the_browser_changes_no_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    run, held = factories.in_smart(), readers.NONE
    texts = iter(['<dd data-elapsed="2026-01-01">1 s</dd>', '<dd data-elapsed="2026-01-01">2 s</dd>', "<dd>2 s</dd>"])
    monkeypatch.setattr(rendering_cache, "render_to_string", lambda *_: next(texts))
    first, second, other = (rendered.parts(run_page.load(run.pk), held, ["counters"])["counters"] for _ in range(3))
    assert first.tag == second.tag != other.tag


@pytest.mark.django_db
def test_a_row_of_the_history_is_rendered_once_and_again_if_its_event_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    run, made = factories.queued(), []

    def counting(template: str, context: dict[str, Any]) -> str:
        made.append(context["event"]["text"])
        return render_to_string(template, context)

    monkeypatch.setattr(history_rows, "render_to_string", counting)
    event = factories.tell(run, "note", "refused")
    for text in ("another", "a third one"):
        factories.tell(run, "note", text)
        rows = history_rows.of(run).rows
    assert made == ["another", "refused", "a third one"]
    run.events.filter(pk=event.pk).update(text="refused (at least 7 times)")
    newest_first = history_rows.of(run).rows
    assert newest_first[:2] == rows[:2] and "at least 7 times" in newest_first[2]


# --- who may see what ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("scene", [factories.in_storage, factories.held, factories.held_by_wipe_probe])
def test_a_viewer_is_never_handed_what_was_rendered_for_an_operator(scene: Callable[[], Run]) -> None:
    run = scene()
    may, may_not = browser("ada", roles.OPERATOR), browser("eve", roles.VIEWER)
    buttons = re.compile(r"<button|<form|hx-get")
    for _ in range(2):
        assert buttons.search(parts(may, run).content.decode())
        assert not buttons.search(parts(may_not, run).content.decode())


@pytest.mark.django_db
def test_a_permission_that_is_taken_away_is_gone_with_the_next_request() -> None:
    run, client = factories.in_storage(), browser("ada", roles.OPERATOR)
    assert "Cancel run" in parts(client, run).content.decode()
    User.objects.get(username="ada").groups.set([Group.objects.get(name=roles.VIEWER)])
    assert "Cancel run" not in parts(client, run).content.decode()
    User.objects.get(username="ada").groups.clear()
    assert parts(client, run).status_code == 403


@pytest.mark.django_db
def test_each_reader_has_a_token_of_their_own_in_the_same_fragment() -> None:
    run = factories.held()
    ada, bob = browser("ada", roles.OPERATOR), browser("bob", roles.OPERATOR)
    given = [parts(client, run, "hold").content.decode() for client in (ada, bob)]
    found = [re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', html) for html in given]
    assert len(found[0]) == len(found[1]) == 2 and found[0] != found[1]
    assert not any(TOKEN in html for html in given)


@pytest.mark.django_db
def test_a_form_of_a_shared_fragment_is_accepted() -> None:
    run = factories.held()
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    html = parts(client, run, "hold").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
    assert token is not None
    assert client.post(reverse("new-key", args=[run.pk]), {"csrfmiddlewaretoken": token[1]}).status_code == 302


@pytest.mark.django_db
def test_the_other_fragments_are_the_same_for_everybody() -> None:
    """They are rendered without any permission: a template that asks for one belongs into BY_PERMISSION."""
    run = run_page.load(factories.held().pk)
    everything = frozenset(readers.permissions(User(is_superuser=True, is_active=True)))
    least, most = (rendered.parts(run, held, run_page.LIVE_PARTS) for held in (readers.NONE, everything))
    differ = {name for name in run_page.LIVE_PARTS if least[name].tag != most[name].tag}
    assert differ <= run_page.BY_PERMISSION
    folder = factories.__file__.replace("tests/factories.py", "runs/desk/templates/")
    for name in set(run_page.LIVE_PARTS) - run_page.BY_PERMISSION:
        with open(folder + run_page.PARTS[name][0]) as template:
            assert not re.search(r"perms|csrf_token", template.read()), name


# --- many at once, and commits meanwhile ---------------------------------------------------------------------------


def shown(version: int, began: float = 1e12) -> Shown:
    return Shown(version, began, {})


def test_who_asks_while_it_is_rendered_waits_for_that_rendering() -> None:
    cache, begun, go_on, made = RenderingCache(most=64), threading.Event(), threading.Event(), []

    def make() -> Shown:
        begun.set()
        assert go_on.wait(10)
        made.append(1)
        return shown(7)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(cache.get, (1, readers.NONE), 7, make)
        assert begun.wait(10)
        others = [pool.submit(cache.get, (1, readers.NONE), 7, make) for _ in range(7)]
        go_on.set()
        assert {id(one.result(10)) for one in (first, *others)} == {id(first.result())}
    assert made == [1]


def test_two_runs_are_rendered_at_the_same_time() -> None:
    cache, both = RenderingCache(most=64), threading.Barrier(2, timeout=10)

    def make() -> Shown:
        both.wait()
        return shown(1)

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(cache.get, (run, readers.NONE), 1, make) for run in (1, 2)]:
            one.result(10)


def test_a_rendering_that_failed_is_tried_by_the_next_who_asks() -> None:
    cache = RenderingCache(most=64)

    def fail() -> Shown:
        raise OSError

    with pytest.raises(OSError):
        cache.get((1, readers.NONE), 1, fail)
    assert cache.get((1, readers.NONE), 1, lambda: shown(1)).version == 1


def test_a_rendering_is_handed_out_for_its_version_or_an_older_one_while_it_is_fresh() -> None:
    cache = RenderingCache(most=64)
    cache.put((1, readers.NONE), shown(7))
    assert cache.get((1, readers.NONE), 7, lambda: shown(0)).version == 7
    assert cache.get((1, readers.NONE), 6, lambda: shown(0)).version == 7
    assert cache.get((1, readers.NONE), 8, lambda: shown(8)).version == 8
    cache.put((2, readers.NONE), shown(7, began=0))
    assert cache.get((2, readers.NONE), 7, lambda: shown(9)).version == 9, "the old one was too old"


def test_a_slow_rendering_does_not_replace_one_that_began_after_it() -> None:
    cache = RenderingCache(most=64)
    cache.put((1, readers.NONE), shown(8, began=1e12 + 1))
    cache.put((1, readers.NONE), shown(7))
    assert cache.get((1, readers.NONE), 8, lambda: shown(0)).version == 8


def test_the_cache_keeps_a_bounded_number() -> None:
    cache = RenderingCache(most=3)
    for run in range(9):
        cache.put((run, readers.NONE), shown(1))
    assert len(cache) == 3


@pytest.mark.django_db
@pytest.mark.parametrize("during", ["summary", "history"])
def test_what_is_committed_during_a_rendering_is_not_missed(during: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rendering may have some of it or none. It has the version from before, so the new version is rendered."""
    run, client = factories.in_storage(), browser("root")
    template, make = run_page.PARTS[during]

    def committing(one: Run) -> dict[str, Any]:
        context = make(one)
        factories.tell(run, "note", "in the middle")
        return context

    monkeypatch.setitem(run_page.PARTS, during, (template, committing))
    parts(client, run, "history")
    monkeypatch.setitem(run_page.PARTS, during, (template, make))
    assert "in the middle" in parts(client, run, "history").content.decode()


# --- the dashboard ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_tiles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Caches of the test's own; the templates that are rendered for them."""
    for name in ("kept_grids", "kept_tiles", "kept_hosts"):
        monkeypatch.setattr(rendered_tiles, name, RenderingCache(most=64, fresh_s=1e9))
    found: list[str] = []

    def counting(template: str, context: dict[str, Any]) -> str:
        found.append(template)
        return render_to_string(template, context)

    monkeypatch.setattr(rendering_cache, "render_to_string", counting)
    return found


def dashboard(client: Client, *names: str, known: str = UNKNOWN) -> Any:
    return client.get(reverse("dashboard-parts"), {"part": names}, headers={"If-None-Match": known})


@pytest.mark.django_db
def test_the_grid_is_rendered_once_for_all_until_an_event(own_tiles: list[str]) -> None:
    run, clients = factories.in_storage(), [browser(f"operator{n}", roles.OPERATOR) for n in range(2)]
    for client in clients:
        assert dashboard(client, "grid").status_code == 200
    assert own_tiles == ["runs/_grid.html"]
    (tag, *_) = tags(dashboard(clients[0], "grid").content.decode())
    assert dashboard(clients[1], "grid", known=f'"{tag}"').status_code == 304
    Run.objects.filter(pk=run.pk).update(state="Network")
    factories.tell(run, "stage_done")
    assert "Network" in dashboard(clients[0], "grid", known=f'"{tag}"').content.decode()
    assert own_tiles == ["runs/_grid.html"] * 2


@pytest.mark.django_db
def test_the_grid_of_an_administrator_is_handed_to_no_viewer(own_tiles: list[str]) -> None:
    """An empty installation offers to add a host to who may."""
    may, may_not = browser("ada", roles.ADMINISTRATOR), browser("eve", roles.VIEWER)
    assert "Add the first host" in dashboard(may, "grid").content.decode()
    assert "Add the first host" not in dashboard(may_not, "grid").content.decode()


@pytest.mark.django_db
def test_a_tile_is_rendered_once_for_each_version_of_its_run(own_tiles: list[str]) -> None:
    first, second = factories.in_storage(), factories.in_smart()
    clients = [browser(f"operator{n}", roles.OPERATOR) for n in range(2)]
    names = [f"tile-{run.pk}" for run in (first, second)]
    shown = [dashboard(client, *names).content for client in clients]
    assert shown[0] == shown[1] and own_tiles == ["runs/_tile.html"] * 2
    progress = [{"item": "sdz", "percent": 93.0, "doing": ""}]
    first.stage_runs.filter(outcome="").update(progress=progress)
    Run.objects.filter(pk=first.pk).update(progress_seq=first.progress_seq + 1)
    assert "sdz" in dashboard(clients[0], *names).content.decode()
    assert own_tiles == ["runs/_tile.html"] * 3


# --- a host's page, and the log -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_host_is_rendered_once_for_all_who_may_do_the_same_until_an_event(own_tiles: list[str]) -> None:
    run = factories.passed_without_spec()
    path = reverse("host-parts", args=[run.host.name])
    operators, viewer = [browser(f"operator{n}", roles.OPERATOR) for n in range(2)], browser("eve", roles.VIEWER)
    shown = [client.get(path, headers={"If-None-Match": UNKNOWN}).content.decode() for client in (*operators, viewer)]
    without_tokens = [re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]+', r"\1", html) for html in shown]
    assert without_tokens[0] == without_tokens[1] and own_tiles == ["runs/_host.html"] * 2
    assert "adopt what run" in shown[0] and "adopt what run" not in shown[2]
    assert operators[0].get(path, headers={"If-None-Match": f'"{tags(shown[0])[0]}"'}).status_code == 304
    factories.tell(run, "note")
    operators[0].get(path, headers={"If-None-Match": UNKNOWN})
    assert own_tiles == ["runs/_host.html"] * 3


@pytest.mark.django_db
def test_lines_of_the_log_are_read_once_for_all_who_follow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "_kept_lines", RenderingCache(most=64, fresh_s=1e9))
    run, found = factories.in_storage(), []
    context = log_viewer.context
    monkeypatch.setattr(log_viewer, "context", lambda *asked: (found.append(asked), context(*asked))[1])
    clients = [browser(f"operator{n}", roles.OPERATOR) for n in range(2)]

    def lines(client: Client, after: int) -> str:
        path = reverse("log-lines", args=[run.pk])
        return str(client.get(path, {"after": after}, headers={"If-None-Match": UNKNOWN}).content.decode())

    assert lines(clients[0], 0) == lines(clients[1], 0) and len(found) == 1
    factories.say(run, ("info", "Storage", "what came since"))
    assert "</span>what came since" in lines(clients[0], 0) and len(found) == 2
    assert lines(clients[0], 10) != lines(clients[0], 0) and len(found) == 3
