"""On a bench from which no host can boot, no run is queued unless somebody insists."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from runs import lifecycle
from runs.bench import problems as bench
from runs.bench import readiness
from runs.bench.problems import Problem
from runs.models import Lease
from tests import factories, rows
from tests.pages import as_read

pytestmark = pytest.mark.django_db
WHAT, FIX = "web.address is 127.0.0.1, which no host can reach", "`vetting setup` sets this machine's address"


@pytest.fixture
def host() -> Host:
    return rows.a_host("pve-1")


@pytest.fixture
def unready(settings: Any) -> None:
    """An installation whose worker runs, and which no host can reach."""
    settings.INSTALLED = True
    Lease.objects.create(name=Lease.ROUND, ticked_at=timezone.now())
    bench.report(readiness.SOURCE, [Problem("configuration", WHAT, FIX)])


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_run_is_refused_with_the_remedy(host: Host, unready: None) -> None:
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.start_run(host)
    assert str(refused.value) == f"No host can boot from this bench now. {WHAT}: {FIX}"
    assert not host.runs.exists()
    assert lifecycle.start_run(host, anyway=True).host == host


def test_without_a_worker_an_installation_queues_nothing(host: Host, settings: Any) -> None:
    settings.INSTALLED = True
    with pytest.raises(lifecycle.NotReady, match="no worker is running that could wake a host: systemctl restart"):
        lifecycle.start_run(host)


def test_once_the_cause_is_gone_it_starts(host: Host, unready: None) -> None:
    bench.report(readiness.SOURCE, [])
    assert lifecycle.start_run(host).host == host


def test_other_problems_refuse_no_run(host: Host, unready: None) -> None:
    bench.report(readiness.SOURCE, [])
    bench.report("iperf3", [Problem("bench", "port 5201 is taken", "stop what uses it")])
    assert lifecycle.start_run(host).host == host


def test_a_checkout_refuses_none(host: Host) -> None:
    bench.report(readiness.SOURCE, [Problem("configuration", WHAT, FIX)])
    assert lifecycle.start_run(host).host == host


def test_the_page_says_it_before_and_lets_who_knows_better(operator: Client, host: Host, unready: None) -> None:
    start = reverse("start", args=[host.name])
    page = as_read(operator.post(start, {"profile": "quick"}).content)
    assert f"No host can boot now: {WHAT}." in page and 'name="anyway"' in page
    assert operator.post(start, {"profile": "quick", "confirmed": "yes"}).status_code == 409
    assert not host.runs.exists()
    assert operator.post(start, {"profile": "quick", "confirmed": "yes", "anyway": "yes"}).status_code == 302
    assert host.runs.count() == 1


def test_a_ready_bench_asks_for_nothing_more(operator: Client, host: Host) -> None:
    page = as_read(operator.post(reverse("start", args=[host.name]), {"profile": "quick"}).content)
    assert "anyway" not in page


def test_every_page_has_the_banner(operator: Client, host: Host, unready: None) -> None:
    for address in (reverse("dashboard"), host.get_absolute_url()):
        assert WHAT in as_read(operator.get(address).content)


def test_the_administration_has_it_too_and_no_more_than_that(admin_client: Client, unready: None) -> None:
    addresses = ("/admin/", "/admin/hosts/host/", "/admin/hosts/host/add/")
    for address in addresses:
        assert WHAT in as_read(admin_client.get(address).content)
    bench.report(readiness.SOURCE, [])
    for address in addresses:
        assert "notice warn" not in as_read(admin_client.get(address).content)


def test_the_command_names_the_way_around(host: Host, unready: None) -> None:
    with pytest.raises(CommandError, match="Who knows better: --anyway") as refused:
        call_command("vet", host.name, "--no-wait", stderr=io.StringIO())
    assert refused.value.returncode == 4 and WHAT in str(refused.value)
    call_command("vet", host.name, "--no-wait", "--anyway", stdout=io.StringIO(), stderr=io.StringIO())
    assert host.runs.count() == 1
