"""The dashboard shows one page of hosts: who needs somebody first, whichever page is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from runs.desk import placing
from runs.models import Run
from tests import factories
from tests.pages import as_read

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(autouse=True)
def three_on_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "PER_PAGE", 3)


def hosts(*names: str) -> None:
    for name in names:
        factories.HostFactory(name=name)


def with_run(name: str, state: str, verdict: str = "", minutes: float = 5, **host: Any) -> Run:
    since = timezone.now() - timedelta(minutes=minutes)
    host_row = factories.HostFactory(name=name, **host)
    return factories.RunFactory(host=host_row, state=state, verdict=verdict, state_since=since)


def names(page: placing.Page) -> list[str]:
    found = Host.objects.in_bulk(page.hosts)
    return [found[pk].name for pk in page.hosts]


def order(group: str = "") -> list[str]:
    """The names on all pages, one page after the other."""
    every = Host.objects.all()
    last = placing.page(every, group).last
    return [name for number in range(last) for name in names(placing.page(every, group, number + 1))]


def shown(page: str) -> list[str]:
    return [part.split("</a>")[0].split(">")[-1] for part in page.split("<h3>")[1:]]


def test_who_needs_somebody_comes_first_held_before_failed_and_the_newest_of_each() -> None:
    hosts("a-never")
    with_run("b-passed", "Completed", "passed")
    with_run("c-live", "Memory")
    with_run("d-queued", "Queued")
    with_run("y-failed-long-ago", "Failed", "failed", minutes=90)
    with_run("x-failed", "Failed", "error", minutes=9)
    with_run("w-released", "Released", "failed", minutes=30)
    with_run("v-held-long-ago", "FailedHolding", "failed", minutes=600)
    with_run("u-held", "FailedHolding", "incomplete", minutes=60)
    with_run("t-to-switch-on", "WaitingWoL", minutes=1, wake_method="operator")
    with_run("s-woken", "WaitingWoL", minutes=1)
    attention = ["u-held", "v-held-long-ago", "t-to-switch-on", "x-failed", "w-released", "y-failed-long-ago"]
    running, rest = ["c-live", "d-queued", "s-woken"], ["a-never", "b-passed"]
    assert order() == [*attention, *running, *rest]
    assert (order("attention"), order("running"), order("rest")) == (attention, running, rest)
    assert placing.page(Host.objects.all()).counts == {"attention": 6, "running": 3, "rest": 2}


def test_only_the_newest_run_of_a_host_counts() -> None:
    failed = with_run("alpha", "Failed", "failed")
    factories.RunFactory(host=failed.host, state="Completed", verdict="passed")
    assert placing.page(Host.objects.all()).counts == {"attention": 0, "running": 0, "rest": 1}


def test_a_host_that_begins_to_need_somebody_moves_to_the_first_page(operator: Client) -> None:
    hosts("a", "b", "c", "d")
    run = with_run("z", "Memory")
    address = reverse("dashboard-parts")
    Run.objects.filter(pk=run.pk).update(state="Completed", verdict="passed")
    assert "z" not in shown(as_read(operator.get(address, {"part": "grid"}).content))
    Run.objects.filter(pk=run.pk).update(state="FailedHolding", verdict="failed")
    assert shown(as_read(operator.get(address, {"part": "grid"}).content))[0] == "z"


def test_a_page_says_where_it_is_and_links_to_its_neighbours(operator: Client) -> None:
    hosts("a", "b", "c", "d", "e", "f", "g")
    first, second, third = (as_read(operator.get("/", {"page": number}).content) for number in (1, 2, 3))
    assert [shown(page) for page in (first, second, third)] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert "Hosts 4 to 6 of 7" in second
    assert '<a href="/?">Previous</a>' in second and '<a href="/?page=3">Next</a>' in second
    assert "Previous" not in first and "Next" not in third


def test_few_hosts_have_no_pages(operator: Client) -> None:
    hosts("a", "b", "c")
    assert "Pages of hosts" not in operator.get("/").content.decode()


def test_a_page_beyond_the_last_is_the_last(operator: Client) -> None:
    hosts("a", "b", "c", "d")
    for number in ("3", "999999"):
        assert shown(as_read(operator.get("/", {"page": number}).content)) == ["d"]
    for nonsense in ("0", "-1", "x", "²", "9" * 500):
        assert shown(as_read(operator.get("/", {"page": nonsense}).content))[:1] == ["a"]


def test_a_live_update_asks_for_the_page_that_is_shown(operator: Client) -> None:
    hosts("a", "b", "c", "d", "e")
    page = as_read(operator.get("/", {"page": 2, "q": ""}).content)
    address = page.split('data-parts="')[1].split('"')[0].replace("&amp;", "&")
    assert shown(as_read(operator.get(f"{address}&part=grid").content)) == ["d", "e"]


def test_pages_keep_the_filter_and_another_filter_begins_with_its_first_page(operator: Client) -> None:
    hosts("pve-1", "pve-2", "pve-3", "pve-4", "x-5")
    page = as_read(operator.get("/", {"q": "pve", "page": 2}).content)
    assert shown(page) == ["pve-4"]
    assert '<a href="/?q=pve">Previous</a>' in page
    tabs = operator.get("/", {"q": "pve", "page": 2}).context["tabs"]
    assert [tab["address"] for tab in tabs][1] == "?q=pve&show=attention"


def test_the_counts_are_of_all_pages(operator: Client) -> None:
    for number in range(5):
        with_run(f"held-{number}", "FailedHolding", "failed", minutes=number)
    hosts("a", "b")
    page = operator.get("/", {"page": 2})
    assert [tab["count"] for tab in page.context["tabs"]] == [7, 5, 0, 2]
    read = as_read(page.content)
    assert shown(read) == ["held-3", "held-4", "a"]
    assert 'Needs you <span class="count">5</span>' in read and 'All others <span class="count">2</span>' in read
