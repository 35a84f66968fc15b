"""The dashboard shows what its address asks for, and says what is behind it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import Health
from runs.bench import problems as bench
from runs.desk import tile_filter
from runs.desk.tile_filter import TileFilter
from tests import factories
from tests.pages import as_read
from tests.runs.dashboard import first_tiles

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _names(page: str) -> set[str]:
    return {part.split("</a>")[0].split(">")[-1] for part in page.split("<h3>")[1:]}


def test_a_part_of_the_name_or_of_a_mac_finds_a_host(operator: Client) -> None:
    host, other = factories.HostFactory(name="alpha"), factories.HostFactory(name="beta")
    mac = host.macs.get().mac
    for text in ("ALP", mac, mac.upper().replace(":", "-"), mac[-5:]):
        assert _names(as_read(operator.get(reverse("dashboard"), {"q": text}).content)) == {"alpha"}
    assert _names(as_read(operator.get(reverse("dashboard"), {"q": "nothing"}).content)) == set()
    assert _names(as_read(operator.get(reverse("dashboard")).content)) == {"alpha", other.name}


def test_groups_health_and_profile_narrow_what_is_shown(operator: Client) -> None:
    held, running, passed = factories.held(), factories.in_smart(), factories.passed()
    passed.host.profile_name = "deep"
    passed.host.save()
    for query, run in (
        ({"show": "attention"}, held),
        ({"show": "running"}, running),
        ({"show": "rest"}, passed),
        ({"health": Health.GOOD}, passed),
        ({"health": Health.BAD}, held),
        ({"profile": "deep"}, passed),
    ):
        assert _names(as_read(operator.get(reverse("dashboard"), query).content)) == {run.host.name}


def test_the_tabs_count_every_group_whichever_is_shown(operator: Client) -> None:
    factories.held(), factories.in_smart(), factories.in_storage()
    tabs = operator.get(reverse("dashboard"), {"show": "attention"}).context["tabs"]
    assert [tab["count"] for tab in tabs] == [3, 1, 2, 0]
    assert [tab["current"] for tab in tabs] == [False, True, False, False]


def test_a_live_update_asks_for_the_same_hosts_as_the_page(operator: Client) -> None:
    factories.HostFactory(name="alpha"), factories.HostFactory(name="beta")
    page = as_read(operator.get(reverse("dashboard"), {"q": "alpha"}).content)
    address = page.split('data-parts="')[1].split('"')[0]
    fresh = as_read(operator.get(f"{address}&part=grid").content)
    assert _names(fresh) == {"alpha"}


def test_what_an_address_can_not_ask_for_counts_as_not_asked() -> None:
    asked = tile_filter.asked_for(QueryDict("show=<script>&health=sick&q=" + "x" * 500))
    assert (asked.group, asked.health, len(asked.text)) == ("", "", 100)


def test_the_address_keeps_the_other_parts_of_a_filter() -> None:
    assert TileFilter(text="a b", group="rest").address(show="running") == "?q=a+b&show=running"
    assert TileFilter().address() == "?"


def test_an_empty_search_says_so_and_leads_back(operator: Client) -> None:
    factories.HostFactory()
    page = as_read(operator.get(reverse("dashboard"), {"q": "nothing"}).content)
    assert "No host matches" in page
    assert "Register the first machine" not in page


def test_a_host_that_a_person_wakes_needs_that_person() -> None:
    run = factories.waiting()
    assert first_tiles()[0].group == "running"
    run.host.wake_method = "operator"
    run.host.save()
    (tile,) = first_tiles()
    assert (tile.group, tile.tone) == ("attention", "warn")


@pytest.mark.parametrize(("age_s", "warned"), [(None, True), (5, False), (90, True)])
def test_a_worker_that_does_no_rounds_is_told_on_every_page(
    operator: Client, age_s: float | None, warned: bool
) -> None:
    if age_s is not None:
        factories.worker_at_work(timezone.now() - timedelta(seconds=age_s))
    run = factories.in_smart()
    for address in (
        reverse("dashboard"),
        run.get_absolute_url(),
        run.host.get_absolute_url(),
        reverse("worker-warning"),
    ):
        assert ("The worker is not running" in as_read(operator.get(address).content)) == warned


def test_a_bench_that_cannot_boot_a_host_is_told_on_every_page_and_to_monitoring(operator: Client) -> None:
    factories.worker_at_work()
    assert operator.get(reverse("healthz")).content == b"ok\n"
    bench.report("dnsmasq", [bench.Problem("bench", "dnsmasq is not <installed>", "apt install dnsmasq-base")])
    bench.report("iperf3", [])
    said = "can't do its part:</b> dnsmasq is not &lt;installed&gt;. Remedy: apt install dnsmasq-base."
    for address in (reverse("dashboard"), reverse("worker-warning")):
        assert said in as_read(operator.get(address).content)
    health = operator.get(reverse("healthz"))
    assert (health.status_code, health.content) == (
        200,
        b"ok, but: dnsmasq is not <installed>; apt install dnsmasq-base\n",
    )


def test_the_worker_warning_is_for_operators(client: Client) -> None:
    assert client.get(reverse("worker-warning")).status_code == 302
