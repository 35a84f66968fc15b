"""A page that says no says why, and where to go from there."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runs.desk import views
from tests import factories
from tests.pages import as_read

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    client.raise_request_exception = False
    return client


def test_a_host_name_that_is_not_allowed_names_the_setting(operator: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["vetting.example"]
    answer = operator.get("/", headers={"host": "other.example"})
    assert answer.status_code == 400
    assert "VETTING_ALLOWED_HOSTS" in as_read(answer.content)


def test_a_run_that_is_not_there_is_named(operator: Client) -> None:
    answer = operator.get(reverse("run", args=[99]))
    assert answer.status_code == 404
    assert "There is no run 99." in as_read(answer.content)
    assert f'href="{reverse("dashboard")}"' in as_read(answer.content)


def test_an_address_that_is_not_there_leads_to_the_hosts(operator: Client) -> None:
    page = as_read(operator.get("/nothing/").content)
    assert "There is nothing at this address" in page
    assert "Resolver404" not in page


def test_a_refused_action_leads_back_to_its_run(operator: Client) -> None:
    run = factories.passed()
    answer = operator.post(reverse("act", args=[run.pk, "cancel"]))
    assert answer.status_code == 409
    assert f'href="{run.get_absolute_url()}"' in as_read(answer.content)


def test_a_start_that_is_refused_leads_back_to_its_host(operator: Client) -> None:
    run = factories.held()
    answer = operator.post(reverse("start", args=[run.host.name]), {"profile": "quick"})
    assert answer.status_code == 409
    assert f'href="{run.host.get_absolute_url()}"' in as_read(answer.content)


def test_a_fault_of_ours_says_that_the_hosts_go_on(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(views.run_page, "context", breaks)
    answer = operator.get(factories.held().get_absolute_url())
    assert answer.status_code == 500
    assert "goes on regardless" in as_read(answer.content)
    assert "a defect" not in as_read(answer.content)


def test_too_many_wrong_passwords_are_told_with_what_lifts_the_lock(client: Client) -> None:
    for _ in range(6):
        answer = client.post(reverse("login"), {"username": "somebody", "password": "a guess"})
    assert answer.status_code == 429
    assert "Too many attempts" in as_read(answer.content)
    assert "vetting axes_reset" in as_read(answer.content)
