"""The log on its pages: by level and word, earlier and newer lines, all as text."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from runs.desk import log_viewer
from runs.models import Run
from tests import factories

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m \u202egnp.exe \u05d0\u05d1"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _run(lines: int = 0) -> Run:
    run = factories.in_smart()
    factories.say(run, *[("info", "SMART", f"line {n}") for n in range(lines)])
    return run


def _shown(page: str) -> list[str]:
    return re.findall(r'class="stage">[^<]*</span>([^<]*)</div>', page)


def _lines(client: Client, run: Run, **query: object) -> tuple[list[str], int, int]:
    answer = client.get(reverse("log-lines", args=[run.pk]), query).content.decode()
    start, end = re.search(r'data-start="(\d+)"\s+data-end="(\d+)"', answer).groups()
    return _shown(answer), int(start), int(end)


def test_what_came_since_is_given_and_no_more(operator: Client) -> None:
    run = _run(5)
    _, _, end = _lines(operator, run)
    assert _lines(operator, run, after=end) == ([], end, end)
    factories.say(run, ("error", "SMART", "the newest"))
    assert _lines(operator, run, after=end)[0] == ["the newest"]


def test_more_than_fits_says_where_it_begins(operator: Client) -> None:
    run = _run(3 * log_viewer.LINES)
    shown, start, _ = _lines(operator, run, after=0)
    assert len(shown) == log_viewer.LINES
    earlier, _, end = _lines(operator, run, before=start)
    assert end == start
    assert earlier[-1] == f"line {2 * log_viewer.LINES - 1}"


def test_the_page_of_its_own_filters_and_leads_to_earlier_lines_without_a_script(operator: Client) -> None:
    run = _run(2 * log_viewer.PAGE_LINES)
    factories.say(run, ("error", "SMART", "sda: gone"))
    address = reverse("log-page", args=[run.pk])
    page = operator.get(address).content.decode()
    earlier = page.split("data-log-earlier")[1].split('href="')[1].split('"')[0]
    assert "line 0" not in _shown(page)
    assert len(_shown(operator.get(earlier).content.decode())) == log_viewer.PAGE_LINES
    assert _shown(operator.get(address, {"level": "error"}).content.decode()) == ["sda: gone"]
    assert _shown(operator.get(address, {"q": "SDA"}).content.decode()) == ["sda: gone"]
    assert "No such line" in operator.get(address, {"q": "nothing like it"}).content.decode()


@pytest.mark.parametrize("query", [{"level": "loud"}, {"before": "x"}, {"after": "-1"}, {"before": "9" * 20}])
def test_an_address_that_makes_no_sense_is_400_with_the_reason(operator: Client, query: dict[str, str]) -> None:
    answer = operator.get(reverse("log-lines", args=[_run().pk]), query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.content.decode()


@pytest.mark.parametrize("name", ["log-page", "log-lines"])
def test_hostile_lines_are_text(operator: Client, name: str) -> None:
    run = _run()
    factories.say(run, ("error", HOSTILE, HOSTILE))
    page = operator.get(reverse(name, args=[run.pk]), {"q": "red"}).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert [part for part in ("<script>alert", "\x1b", "\u202e") if part in page] == []
    assert "\u05d0\u05d1" in page


def test_a_hostile_search_is_text(operator: Client) -> None:
    page = operator.get(reverse("log-page", args=[_run().pk]), {"q": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>alert" not in page


def test_the_lines_have_the_time_of_the_pages_zone(operator: Client, settings: object) -> None:
    run = _run(1)
    utc = re.search(r'class="at">(\d\d):', operator.get(reverse("log-lines", args=[run.pk])).content.decode())[1]
    settings.TIME_ZONE = "Asia/Tokyo"
    tokyo = re.search(r'class="at">(\d\d):', operator.get(reverse("log-lines", args=[run.pk])).content.decode())[1]
    assert (int(tokyo) - int(utc)) % 24 == 9


@pytest.mark.parametrize("name", ["log-page", "log-lines"])
def test_nobody_reads_a_log_without_logging_in(client: Client, name: str) -> None:
    assert client.get(reverse(name, args=[factories.held().pk])).status_code == 302
