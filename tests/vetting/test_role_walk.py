"""Every address, and every action of the administration, as every role: each answers as vetting/rights.py says, and no
page shows a link or a button that its reader may not use."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import Resolver404, resolve

from runs.desk import access
from runs.live import hub, logins
from runs.live import serving as live
from tests.vetting import everyaddress
from vetting import rights, roles
from vetting.front.routing import http
from vetting.rights import Asked, Right

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ANONYMOUS, STAFF, SUPERUSER = "anonymous", "staff without a role", "superuser"
WHO = (ANONYMOUS, STAFF, *roles.ROLES, SUPERUSER)
NOT_OFFERED = "not offered"
UNUSUAL = {("admin:logout", "get", ANONYMOUS)}
"""Django leads on to the index, which leads to the login."""
KNOWN: dict[str, Right] = rights.PAGES | rights.ADMINISTRATION
KNOWN |= {name: rights.without_token(right) for name, right in rights.API.items()}
"""The REST API takes no login. tests/restapi/test_roles.py walks it with tokens."""


def account(who: str) -> Any:
    user = get_user_model().objects.create_user(who, is_staff=True, is_superuser=who == SUPERUSER)
    if who in roles.ROLES:
        user.groups.add(Group.objects.get(name=who))
    return user


def browser(who: str) -> Client:
    client = Client(raise_request_exception=False)
    if who != ANONYMOUS:
        client.force_login(account(who), backend="django.contrib.auth.backends.ModelBackend")
    return client


def may(who: str, asked: Asked) -> bool:
    if isinstance(asked, tuple):
        return who == SUPERUSER or set(asked) <= set(roles.ROLES.get(who, ()))
    return {rights.ANYBODY: True, rights.NOBODY: False}.get(asked, who != ANONYMOUS)


def expected(who: str, asked: Asked) -> str:
    if asked == rights.NOT_OFFERED:
        return NOT_OFFERED
    if asked in (rights.TOKEN, rights.METRICS_TOKEN, rights.API_TOKEN):
        return "no token"
    if may(who, asked):
        return "yes"
    return "login" if who == ANONYMOUS else "no"


def agrees(answer: str, wanted: str) -> bool:
    """What is not offered may be refused for another reason before that is found."""
    return answer == wanted or (wanted == NOT_OFFERED and answer in ("login", "no"))


def answered(response: HttpResponse) -> str:
    if response.status_code in (301, 302) and "/login/?next=" in response.headers["Location"]:
        return "login"
    words = {401: "no token", 403: "no", 405: NOT_OFFERED, 503: "yes"}  # 503: /healthz, where no worker is
    return words.get(response.status_code, "yes" if response.status_code < 500 else f"broken: {response.status_code}")


def ask(client: Client, method: str, path: str, data: dict[str, Any] | None = None) -> HttpResponse:
    """What the request changed is taken back, and the session with it."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        response = getattr(client, method)(path, data or {})
        transaction.set_rollback(True)
    client.cookies = cookies
    return response


def test_every_address_is_known_and_every_known_one_is_there() -> None:
    there = {address.name for address in everyaddress.addresses(everyaddress.rows())}
    known = set(KNOWN) - {"events"}
    assert there ^ known == set(), "put a new address into vetting/rights.py, take an old one out"


@pytest.mark.parametrize("who", WHO)
def test_every_address_answers_as_the_table_says(who: str) -> None:
    every = list(everyaddress.addresses(everyaddress.rows()))
    client, wrong, shown = browser(who), [], []
    for address in every:
        for method, asked in (("get", KNOWN[address.name].get), ("post", KNOWN[address.name].post)):
            response = ask(client, method, address.path)
            if not agrees(answered(response), expected(who, asked)) and (address.name, method, who) not in UNUSUAL:
                wrong.append(f"{method} {address.path}: {answered(response)}, not {expected(who, asked)}")
            if response.status_code == 200 and method == "get":
                shown += [f"{address.path}: {what}" for what in out_of_reach(who, response)]
    assert "\n".join(wrong + shown) == ""


@pytest.mark.parametrize("who", WHO)
def test_every_action_of_the_administration_answers_as_the_table_says(who: str) -> None:
    of, client, wrong = everyaddress.rows(), browser(who), []
    for model, name, asked in every_action():
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        list_right = KNOWN[f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"]
        response = ask(client, "post", path, {"action": name, "_selected_action": [of[model].pk], "confirmed": "1"})
        wanted = expected(who, list_right.post)
        if wanted == "yes":
            wanted = expected(who, asked)
        if not agrees(answered(response), wanted):
            wrong.append(f"{name} on {path}: {answered(response)}, not {wanted}")
    assert "\n".join(wrong) == ""


def every_action() -> Iterator[tuple[type, str, Asked]]:
    """Raises KeyError for an action that the table does not know."""
    for model, model_admin in admin.site._registry.items():
        for name in all_actions(model_admin):
            yield model, name, rights.ACTIONS[model._meta.label_lower][name]


def all_actions(model_admin: Any) -> set[str]:
    """Whoever they are offered to."""
    request = RequestFactory().get("/")
    request.user = get_user_model()(is_superuser=True, is_active=True, is_staff=True)
    return {name for _, name, _ in model_admin._get_base_actions()} | set(model_admin.get_actions(request))


def test_the_table_knows_the_actions_that_there_are() -> None:
    there = {model._meta.label_lower: all_actions(model_admin) for model, model_admin in admin.site._registry.items()}
    assert there == {label: set(known) for label, known in rights.ACTIONS.items()}


def test_every_action_of_the_administration_names_its_permission() -> None:
    """Django offers one that names none to everybody who may see the list."""
    bare = [
        f"{model._meta.label}: {name}"
        for model, model_admin in admin.site._registry.items()
        for function, name, _ in model_admin._get_base_actions()
        if not getattr(function, "allowed_permissions", None)
    ]
    assert bare == []


class _Ways(HTMLParser):
    """Where the links (GET) and forms of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "a" and given.get("href"):
            self.found.add(("get", given["href"] or ""))
        if tag == "form" and given.get("action"):
            self.found.add(((given.get("method") or "get").lower(), given["action"] or ""))


def out_of_reach(who: str, response: HttpResponse) -> list[str]:
    """What the page leads to and its reader may not use."""
    if "text/html" not in response.headers["Content-Type"] or response.streaming:
        return []
    ways = _Ways()
    ways.feed(response.content.decode())
    ways.found.discard(("get", "/"))  # where every page leads, and where one is told what is missing
    return sorted(
        f"{method} {path}" for method, path in ways.found if path.startswith("/") and not reaches(who, method, path)
    )


def reaches(who: str, method: str, path: str) -> bool:
    try:
        match = resolve(path.partition("?")[0])
    except Resolver404:
        return True
    name = f"act {match.kwargs['name']}" if match.view_name == "act" else match.view_name
    return name not in KNOWN or may(who, getattr(KNOWN[name], method))


@pytest.mark.parametrize("who", WHO)
def test_the_event_streams_answer_as_the_table_says(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def only_headers(stream: hub.Stream, *_: Any) -> None:
        await stream.send({"type": "http.response.start", "status": 200, "headers": live._HEADERS})

    monkeypatch.setattr(live, "_serve", only_headers)
    monkeypatch.setattr(live, "renew_connection", lambda: None)
    user = AnonymousUser() if who == ANONYMOUS else account(who)
    login = logins.of_user(user, 0)  # read here: the stream asks in another thread, outside of this transaction
    monkeypatch.setattr(logins, "of_cookies", lambda _: login)
    assert async_to_sync(_status)() == (200 if may(who, rights.PAGES["events"].get) else 403)


async def _status() -> int:
    scope = {
        "type": "http", "method": "GET", "path": "/events/", "query_string": b"channel=dash",
        "headers": [(b"host", b"testserver")],
    }  # fmt: skip
    events = ApplicationCommunicator(live.application, scope)
    await events.send_input({"type": "http.request", "body": b""})
    answer = await events.receive_output(timeout=10)
    await events.send_input({"type": "http.disconnect"})
    await events.wait(timeout=10)
    return int(answer["status"])


def test_a_page_that_a_role_may_not_see_says_who_can_help() -> None:
    page = browser(STAFF).get("/")
    assert page.status_code == 403
    text = page.content.decode()
    assert "may not see hosts or see runs" in text and "administrator" in text and "runs.view_run" in text


def test_every_permission_of_ours_has_words_for_its_refusal() -> None:
    ours = {name for name in roles.ROLES[roles.ADMINISTRATOR] if name.startswith(("hosts.", "runs.", "notifications."))}
    assert ours == set(access.WORDS)


def test_no_address_beside_those_of_django_is_new() -> None:
    """Streams are walked above, `livez` asks for nothing, and the rest are Django's, or agents' with their token."""
    hot = "^api/v1/runs/(?P<run>[0-9]{1,18})/(?P<call>heartbeat|log|sensor)$"
    known = {hot, "events/", "livez", "^(?:api/|ipxe/|healthz$)", ""}
    assert {str(route.pattern) for route in http.routes} == known
    assert settings.ROOT_URLCONF == "vetting.urls"
