"""Numbers in addresses and forms: what is none is answered with 400 or a refusal, never with 500."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from runs.desk.request_numbers import whole_number
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
NO_NUMBERS = ("²", "٣", "१२", "-1", "1.5", "0x10", "1_000", " 1", "9" * 20, "9" * 5000, "x", "1\x00")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("text", [*NO_NUMBERS, ""])
def test_what_is_no_whole_number_is_none(text: str) -> None:
    assert whole_number(text) is None


@pytest.mark.parametrize("text", ["0", "7", "007", "9" * 15])
def test_a_whole_number_is_one(text: str) -> None:
    assert whole_number(text) == int(text)


def test_no_number_in_an_address_breaks_a_page(operator: Client) -> None:
    run = factories.held_by_wipe_probe()
    places = {
        reverse("series", args=[run.pk]): ("window={}", "since={}", "since=1&last_id={}"),
        reverse("log-page", args=[run.pk]): ("before={}",),
        reverse("log-lines", args=[run.pk]): ("before={}", "after={}"),
        reverse("dashboard-parts"): ("part=tile-{}",),
        reverse("compare", args=[run.host.name]): ("run={}",),
        reverse("run-parts", args=[run.pk]): ("part={}",),
    }
    answers = {
        f"{path}?{query} with {text[:20]!r}": operator.get(path, _query(query, text)).status_code
        for path, queries in places.items()
        for query in queries
        for text in NO_NUMBERS
    }
    assert {what: status for what, status in answers.items() if status != 400} == {}


def _query(query: str, text: str) -> dict[str, str]:
    pairs = (part.split("=") for part in query.split("&"))
    return {name: value.replace("{}", text) for name, value in pairs}


@pytest.mark.parametrize("field", ["attempt", "boot"])
def test_no_number_in_a_form_breaks_an_action(operator: Client, field: str) -> None:
    run = factories.held_by_wipe_probe()
    shown = {"serial": factories.DISK, "attempt": "1", "boot": "1", "digest": "d" * 64, "typed": factories.DISK}
    address = reverse("act", args=[run.pk, "override"])
    assert {operator.post(address, {**shown, field: text}).status_code for text in NO_NUMBERS} == {400, 409}


@pytest.mark.parametrize("name", ["retry", "cancel"])
def test_a_run_by_a_number_that_no_database_has_is_not_found(operator: Client, name: str) -> None:
    for number in ("9" * 18, "9" * 20, "9" * 5000):
        assert operator.get(f"/runs/{number}/{name}/").status_code == 404
        assert operator.get(f"/runs/{number}/").status_code == 404
