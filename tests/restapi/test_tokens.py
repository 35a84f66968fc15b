"""API tokens: shown once, kept as a hash, bound to an account, revocable, with their last use."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from restapi import auth, tokens
from restapi.models import ApiToken
from runs.bench.allowance import Pace
from tests.restapi.caller import Caller, account
from vetting import roles

pytestmark = pytest.mark.django_db
ADD = "admin:restapi_apitoken_add"


def command(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("api_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def logged_in(role: str) -> Client:
    client = Client()
    client.force_login(account(role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def made_in_page(client: Client, **form: Any) -> str:
    answer = client.post(reverse(ADD), {"name": "nightly", "scopes": ["read", "start"], "days": "30"} | form)
    assert answer.status_code == 200 and "no-store" in answer.headers["Cache-Control"]
    text = answer.content.decode()
    return text.partition('<code id="api-token">')[2].partition("</code>")[0] or text


def test_a_page_makes_a_token_and_shows_it_once() -> None:
    client = logged_in(roles.VIEWER)
    secret = made_in_page(client)
    row = ApiToken.objects.get()
    assert (row.user, row.name, row.scopes) == (account(roles.VIEWER), "nightly", ["read", "start"])
    assert row.expires_at is not None and timedelta(days=29) < row.expires_at - timezone.now() <= timedelta(days=30)
    assert tokens.find(secret) == row
    for name, args in (("changelist", ()), ("change", (row.pk,)), ("history", (row.pk,)), ("delete", (row.pk,))):
        shown = client.get(reverse(f"admin:restapi_apitoken_{name}", args=args))
        assert shown.status_code == 200 and secret not in shown.content.decode()


def test_only_the_hash_is_kept() -> None:
    secret = tokens.make(account(), "a", ["read"]).secret
    row = ApiToken.objects.values().get()
    assert len(secret) > 40 and secret not in str(row) and secret.startswith(row["begins"])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "x" * 61}, "60"),
        ({"name": "night\u202ely"}, "visible"),
        ({"scopes": []}, "required"),
        ({"scopes": ["everything"]}, "everything"),
        ({"days": "0"}, "greater"),
        ({"days": "99999"}, "less"),
    ],
)
def test_a_wrong_form_makes_none_and_says_why(form: dict[str, Any], words: str) -> None:
    answer = logged_in(roles.OPERATOR).post(reverse(ADD), {"name": "n", "scopes": ["read"], "days": ""} | form)
    assert words in answer.content.decode() and not ApiToken.objects.exists()


def test_names_of_an_account_are_unique_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    user = account()
    tokens.make(user, "a", ["read"])
    with pytest.raises(tokens.TokenRefused, match="already"):
        tokens.make(user, "a", ["read"])
    tokens.make(account(roles.VIEWER), "a", ["read"])
    monkeypatch.setattr(tokens, "MOST_OF_ACCOUNT", 1)
    with pytest.raises(tokens.TokenRefused, match="revoke one"):
        tokens.make(user, "b", ["read"])


def test_nobody_sees_or_revokes_the_token_of_another_account(admin_client: Client) -> None:
    row = tokens.make(account(roles.OPERATOR), "of the operator", ["read"])
    other = logged_in(roles.ADMINISTRATOR)
    assert "of the operator" not in other.get(reverse("admin:restapi_apitoken_changelist")).content.decode()
    other.post(reverse("admin:restapi_apitoken_delete", args=[row.pk]), {"post": "yes"})
    assert ApiToken.objects.exists()
    assert "of the operator" in admin_client.get(reverse("admin:restapi_apitoken_changelist")).content.decode()
    admin_client.post(reverse("admin:restapi_apitoken_delete", args=[row.pk]), {"post": "yes"})
    assert not ApiToken.objects.exists()


def test_the_command_makes_lists_and_revokes() -> None:
    user = account()
    name = user.get_username()
    out, err = command("make", name, "nightly", "--scope", "read", "--scope", "start", "--days", "7")
    assert tokens.find(out.strip()) is not None and "not shown again" in err
    listed = json.loads(command("list", "--json")[0])
    assert [(row["account"], row["scopes"], row["last_used_at"]) for row in listed] == [(name, "read, start", None)]
    assert out.strip() not in command("list")[0]
    assert "revoked" in command("revoke", name, "nightly")[0]
    assert tokens.find(out.strip()) is None and "no token" in command("list", name)[0]


@pytest.mark.parametrize(
    "wrong",
    [("make",), ("make", "nobody", "a"), ("revoke", "operator-of-tests", "a"), ("make", "operator-of-tests", "\x1b")],
)
def test_a_wrong_command_says_why(wrong: tuple[str, ...]) -> None:
    account()
    with pytest.raises(CommandError):
        command(*wrong)
    assert not ApiToken.objects.exists()


def test_the_last_use_is_noted_once_a_minute() -> None:
    caller = Caller()
    with time_machine.travel("2026-12-01T10:00:00Z", tick=False) as clock:
        caller.get("/hosts")
        first = ApiToken.objects.get().last_used_at
        clock.shift(30)
        caller.get("/hosts")
        assert ApiToken.objects.get().last_used_at == first == timezone.now() - timedelta(seconds=30)
        clock.shift(31)
        caller.get("/hosts")
        assert ApiToken.objects.get().last_used_at == timezone.now()


def test_a_revoked_an_expired_and_a_closed_account_s_token_are_refused_and_others_not() -> None:
    revoked, closed, good = Caller(), Caller(roles.VIEWER), Caller(roles.ADMINISTRATOR)
    expired = Caller(roles.ADMINISTRATOR)
    revoked.token.delete()
    ApiToken.objects.filter(pk=expired.token.pk).update(expires_at=timezone.now())
    closed.token.user.is_active = False
    closed.token.user.save()
    for caller, word in ((revoked, "revoked"), (expired, "expired"), (closed, "closed")):
        told = caller.get("/hosts", 401)
        assert told["code"] == "no_token" and word in told["error"]
    good.get("/hosts")


def test_a_token_loses_what_its_account_loses_at_once() -> None:
    caller = Caller(roles.OPERATOR)
    caller.get("/hosts")
    caller.token.user.groups.clear()
    assert "runs.view_run" in caller.get("/hosts", 403)["error"]
    caller.token.user.is_staff = False
    caller.token.user.save()
    caller.get("/hosts", 403)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer vta_wrong", "Basic YTpi", "vta_x", "Bearer \udcff"]
)
def test_without_a_good_token_nothing_is_shown(client: Client, header: str) -> None:
    client.force_login(account(), backend="django.contrib.auth.backends.ModelBackend")
    for path in ("/rest/v1/hosts", "/rest/v1/runs/1"):
        answer = client.get(path, headers={"Authorization": header} if header else {})
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer", header
        assert answer.json()["do"].startswith(("send", "make"))


def test_calls_are_limited_for_each_token_and_each_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "OF_TOKEN", Pace(2, 60))
    monkeypatch.setattr(auth, "OF_STRANGER", Pace(1, 60))
    busy, other = Caller(), Caller(roles.VIEWER)
    busy.get("/hosts")
    busy.get("/hosts")
    assert busy.get("/hosts", 429)["code"] == "too_often"
    other.get("/hosts")
    stranger = Client(headers={"Authorization": "Bearer vta_guess"})
    answers = [stranger.get("/rest/v1/hosts") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429] and int(answers[1].headers["Retry-After"]) <= 61
