"""Logging in through an identity provider: a real one on loopback, which also sends what must be refused."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from runs.bench.allowance import OnceAMinute
from tests.notifications.test_channels import _closed_port
from tests.vetting.identity_provider import CLIENT, SECRET, Provider, identity_provider, new_key, unsigned
from vetting import benchstate, checks
from vetting.config import Config
from vetting.models import ProviderAccount, UsedLogin
from vetting.oidc import accounts, views
from vetting.oidc import provider as ours

pytestmark = pytest.mark.django_db
START, BACK = "/login/provider/", "/login/provider/back/"
ADA = {"sub": "a-1", "preferred_username": "ada", "email": "ada@example.org", "given_name": "Ada", "groups": ["ops"]}
VIC = {"sub": "v-1", "preferred_username": "vic", "groups": ["everybody", "lookers"]}
ROLES = [{"value": "lookers", "role": "viewer"}, {"value": "ops", "role": "operator"}]


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return new_key("first")


def configured(settings: Any, url: str, **more: Any) -> None:
    oidc = {"issuer": url, "client_id": CLIENT, "client_secret_env": "OIDC", "roles": ROLES, **more}
    settings.VETTING = Config.model_validate({"login": {"oidc": oidc}})
    settings.OIDC_SECRET, settings.OIDC_SECRET_PROBLEM = SECRET, ""


@pytest.fixture
def idp(settings: Any, key: RSAKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    ours.forget()
    monkeypatch.setattr(views, "_told", OnceAMinute())
    with identity_provider(key) as provider:
        configured(settings, provider.url)
        yield provider
    ours.forget()


def log_in(idp: Provider, client: Client, person: dict[str, Any], ask: str = "") -> HttpResponse:
    return client.get(f"{BACK}?{idp.answer(client.get(START + ask).headers['Location'], **person)}")


def may_see(client: Client) -> bool:
    return client.get("/").status_code == 200


def sentence(response: HttpResponse) -> str:
    assert response.status_code == 403
    return response.content.decode().partition('role="alert">')[2].partition("</p>")[0]


def test_a_viewer_and_an_operator_log_in(idp: Provider) -> None:
    page = Client().get("/login/?next=/hosts/node-1/").content.decode()
    assert f'href="{START}?next=/hosts/node-1/"' in page and ">Single sign-on</a>" in page
    viewer, operator = Client(), Client()
    assert log_in(idp, viewer, VIC).headers["Location"] == "/"
    assert log_in(idp, operator, ADA, "?next=/hosts/node-1/").headers["Location"] == "/hosts/node-1/"
    assert may_see(viewer) and may_see(operator)
    ada, vic = User.objects.get(username="ada"), User.objects.get(username="vic")
    assert (ada.email, ada.first_name, ada.is_staff, ada.is_superuser) == ("ada@example.org", "Ada", True, False)
    assert [list(one.groups.values_list("name", flat=True)) for one in (vic, ada)] == [["viewer"], ["operator"]]
    assert ada.has_perm("runs.start_run") and not vic.has_perm("runs.start_run")
    assert not ada.has_usable_password() and idp.refused == []


def test_the_browser_is_sent_to_no_other_site_afterwards(idp: Provider) -> None:
    assert log_in(idp, Client(), ADA, "?next=https://evil.example/").headers["Location"] == "/"


def test_roles_are_taken_anew_and_without_one_the_account_is_switched_off(idp: Provider) -> None:
    client = Client()
    log_in(idp, client, ADA)
    log_in(idp, Client(), {**ADA, "groups": ["lookers"], "preferred_username": "renamed", "given_name": "Augusta"})
    ada = User.objects.get(username="ada")
    assert ([one.name for one in ada.groups.all()], ada.first_name) == (["viewer"], "Augusta")
    assert may_see(client)
    assert "no role in Vetting" in sentence(log_in(idp, Client(), {**ADA, "groups": None}))
    assert not User.objects.get(username="ada").is_active and not may_see(client)
    assert log_in(idp, Client(), ADA).status_code == 302
    assert User.objects.get(username="ada").is_active and User.objects.count() == 1


def test_nobody_without_a_role_gets_an_account(idp: Provider) -> None:
    for groups in (None, [], ["everybody"], "everybody", 7, [["ops"]], {"ops": True}):
        assert "no role in Vetting" in sentence(log_in(idp, Client(), {**ADA, "groups": groups}))
    assert User.objects.count() == 0


def test_groups_that_were_left_out_are_not_the_same_as_none(idp: Provider) -> None:
    log_in(idp, Client(), ADA)
    left_out = {**ADA, "groups": None, "_claim_names": {"groups": "src1"}}
    assert "left your groups out" in sentence(log_in(idp, Client(), left_out))
    assert User.objects.get().is_active and User.objects.get().groups.count() == 1


def test_a_claim_within_a_claim_gives_the_role(idp: Provider, settings: Any) -> None:
    configured(settings, idp.url, groups_claim="realm_access.roles")
    assert log_in(idp, Client(), {**ADA, "groups": None, "realm_access": {"roles": ["ops"]}}).status_code == 302


def _other_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, new_key("first"))


def _unknown_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "other"}, claims, new_key("other"))


def _secret_as_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


WRONG = {
    "another audience": ({"aud": "other"}, None, "for another application", "aud"),
    "another audience, though for us": ({"aud": ["other"], "azp": CLIENT}, None, "for another application", "aud"),
    "no audience": ({"aud": None}, None, "for another application", "aud"),
    "expired": ({"iat": int(time.time()) - 900, "exp": int(time.time()) - 600}, None, "has expired", "exp"),
    "never expires": ({"exp": None}, None, "was not accepted", "exp"),
    "of the future": ({"iat": int(time.time()) + 86_400}, None, "was not accepted", "future"),
    "another nonce": ({"nonce": "of another login"}, None, "belongs to another login", "nonce"),
    "no nonce": ({"nonce": None}, None, "belongs to another login", "nonce"),
    "another issuer": ({"iss": "https://evil.example"}, None, "another identity provider", "iss"),
    "no subject": ({"sub": None}, None, "was not accepted", "sub"),
    "another key of that name": ({}, _other_key, "was not accepted", "bad_signature"),
    "a key that is not published": ({}, _unknown_key, "was not accepted", "No key for kid"),
    "not signed": ({}, unsigned, "was not accepted", "none"),
    "the client's secret as a key": ({}, _secret_as_key, "was not accepted", "HS256"),
    "no token": ({}, lambda claims: "", "was not accepted", ""),
    "what is no token": ({}, lambda claims: {"a": [1]}, "is not set up", "no ID token"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_token_is_refused_with_a_sentence_and_the_detail_is_logged(
    idp: Provider, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    idp.claims, idp.sign, told, detail = WRONG[case]
    client = Client()
    with caplog.at_level(logging.INFO):
        assert told in sentence(log_in(idp, client, ADA))
    logged = [one.getMessage() for one in caplog.records if "was refused" in one.getMessage()]
    assert len(logged) == 1 and detail in logged[0]
    assert SECRET not in caplog.text and "eyJ" not in caplog.text
    assert User.objects.count() == 0 and not may_see(client)


def test_an_answer_that_comes_a_second_time_is_refused(idp: Provider) -> None:
    """Also with a copy of the cookie, and by a provider that takes a code twice."""
    idp.codes_once = False
    client, thief = Client(), Client()
    answer = idp.answer(client.get(START).headers["Location"], **ADA)
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    assert client.get(f"{BACK}?{answer}").status_code == 302
    assert "begun no such login" in sentence(client.get(f"{BACK}?{answer}"))
    assert "over already" in sentence(thief.get(f"{BACK}?{answer}"))
    assert UsedLogin.objects.count() == 1 and not may_see(thief)


def test_a_code_is_good_for_the_login_that_it_was_made_for_alone(idp: Provider) -> None:
    victim, thief = Client(), Client()
    stolen = dict(one.split("=") for one in idp.answer(victim.get(START).headers["Location"], **ADA).split("&"))
    own = dict(one.split("=") for one in idp.answer(thief.get(START).headers["Location"], **VIC).split("&"))
    assert "refused this login" in sentence(thief.get(f"{BACK}?code={stolen['code']}&state={own['state']}"))
    assert idp.refused == ["the code_verifier is wrong"]
    assert "begun no such login" in sentence(Client().get(f"{BACK}?code={own['code']}&state={own['state']}"))


def test_a_login_that_took_too_long_and_one_that_the_provider_refused(idp: Provider, time_machine: Any) -> None:
    client = Client()
    answer = idp.answer(client.get(START).headers["Location"], **ADA)
    time_machine.move_to(time.time() + views.LASTS_S + 5)
    assert "longer than 10 minutes" in sentence(client.get(f"{BACK}?{answer}"))
    state = idp.answer(client.get(START).headers["Location"], **ADA).partition("state=")[2]
    assert "refused this login" in sentence(client.get(f"{BACK}?error=access_denied&state={state}"))


def test_a_new_key_of_the_provider_is_found(idp: Provider) -> None:
    log_in(idp, Client(), ADA)
    idp.key = new_key("second")
    assert log_in(idp, Client(), ADA).status_code == 302


def test_a_local_account_is_taken_by_nobody_of_the_same_name(idp: Provider) -> None:
    User.objects.create_superuser("Ada", password="correct horse battery")
    assert "There is an account ada in Vetting already" in sentence(log_in(idp, Client(), ADA))
    assert ProviderAccount.objects.count() == 0


def test_the_second_of_two_first_logins_at_once_is_told_to_log_in_again(
    idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(idp, Client(), ADA)
    monkeypatch.setattr(accounts.ProviderAccount.objects, "select_related", lambda *_: ProviderAccount.objects.none())
    told = sentence(log_in(idp, Client(), {**ADA, "preferred_username": "ada2"}))
    assert "at the same moment" in told and User.objects.count() == 1


def test_names_that_can_be_no_user_name_are_refused(idp: Provider) -> None:
    for name in ("", "a b", "a" * 151, "ada\u202e", 7, None):
        assert "no name that can be a user name" in sentence(log_in(idp, Client(), {**ADA, "preferred_username": name}))


def test_an_account_that_an_administrator_switched_off_or_promoted_does_not_log_in(idp: Provider) -> None:
    log_in(idp, Client(), ADA)
    User.objects.update(is_active=False)
    assert "was switched off in Vetting" in sentence(log_in(idp, Client(), ADA))
    User.objects.update(is_active=True, is_superuser=True)
    assert "is a superuser here" in sentence(log_in(idp, Client(), ADA))


def test_without_the_provider_the_local_administrator_still_logs_in(idp: Provider, settings: Any) -> None:
    User.objects.create_superuser("root", password="correct horse battery")
    configured(settings, f"http://127.0.0.1:{_closed_port()}")
    settings.VETTING = settings.VETTING.model_copy(
        update={"login": settings.VETTING.login.model_copy(update={"hide_local": True})}
    )
    client = Client()
    assert "can&#x27;t be reached" in sentence(client.get(START))
    assert 'name="password"' not in client.get("/login/").content.decode()
    assert 'name="password"' in client.get("/login/?local").content.decode()
    given = {"username": "root", "password": "correct horse battery"}
    assert client.post("/login/", given).status_code == 302 and may_see(client)


def test_a_redirect_of_the_provider_is_not_followed(idp: Provider) -> None:
    idp.token_status = 307
    assert "can&#x27;t be reached" in sentence(log_in(idp, Client(), ADA))
    assert idp.refused == []


def test_few_wait_for_the_provider_at_once(idp: Provider) -> None:
    turns = [views._turns.acquire(blocking=False) for _ in range(views.AT_ONCE)]
    try:
        assert "Others are logging in right now" in sentence(Client().get(START))
    finally:
        for _ in turns:
            views._turns.release()
    assert Client().get(START).status_code == 302


def test_the_administrations_login_has_the_button_too(idp: Provider, settings: Any) -> None:
    assert START in Client().get("/admin/login/").content.decode()
    settings.VETTING = Config()
    assert START not in Client().get("/admin/login/").content.decode() + Client().get("/login/").content.decode()
    assert Client().get(START).status_code == Client().get(BACK).status_code == 404


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, ""),
        ({"issuer": "https://other.example"}, "calls itself 'https://other.example'"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "its token_endpoint is 'http://192.0.2.1/token'"),
        ({"jwks_uri": None}, "its jwks_uri is None"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "none of them is accepted"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_provider(
    idp: Provider, settings: Any, said: dict[str, Any], named: str
) -> None:
    idp.configuration = said
    told = [what for _, what, _ in benchstate.CHECKS["login"]()]
    assert len(told) == bool(named) and all(named in one for one in told)
    if named:
        assert "is not set up" in sentence(Client().get(START))


def test_the_checks_say_what_is_not_set(settings: Any) -> None:
    settings.VETTING = Config()
    assert checks.the_login_is_complete() == []
    configured(settings, "https://id.example.org")
    settings.OIDC_SECRET, settings.OIDC_SECRET_PROBLEM = "", "the environment has no OIDC"
    assert [one.id for one in checks.the_login_is_complete()] == ["vetting.W005", "vetting.W006"]
    assert all(one.hint for one in checks.the_login_is_complete())
