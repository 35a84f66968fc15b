"""The history of runs in the admin: found, filtered, shown, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runs.desk import run_search
from runs.models import Finding, Run
from tests import rows
from tests.database_work import watched

pytestmark = pytest.mark.django_db
LIST = "admin:runs_run_changelist"


@pytest.fixture
def history(admin_client: Client) -> Client:
    """Three runs of two hosts; one of them failed on a disk."""
    one, two = rows.a_host("pve-1"), rows.a_host("pve-2", "52:54:00:00:00:02")
    rows.a_run(one)
    failed = rows.a_run(one, state="Failed", verdict="failed", repair="new backplane")
    rows.a_finding(rows.a_stage(failed, outcome="failed"))
    rows.a_run(two, profile_name="deep")
    return admin_client


def shown(client: Client, **query: str) -> list[tuple[str, str]]:
    result = client.get(reverse(LIST), query).context["cl"].result_list
    return sorted((run.host.name, run.verdict) for run in result)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [("pve-1", "failed"), ("pve-1", "passed"), ("pve-2", "passed")]),
        ({"q": "SATA-0001"}, [("pve-1", "failed")]),
        ({"q": "52:54:00:00:00:02"}, [("pve-2", "passed")]),
        ({"q": "backplane"}, [("pve-1", "failed")]),
        ({"verdict__exact": "failed"}, [("pve-1", "failed")]),
        ({"state": "Failed"}, [("pve-1", "failed")]),
        ({"profile_name": "deep"}, [("pve-2", "passed")]),
    ],
)
def test_runs_are_found(history: Client, query: dict[str, str], expected: list) -> None:
    assert shown(history, **query) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("pve-", [("pve-1", "failed"), ("pve-1", "passed"), ("pve-2", "passed")]),
        ("PVE-1 failed", [("pve-1", "failed")]),
        ("pve-1 pve-2", []),
        ("Passed", [("pve-1", "passed"), ("pve-2", "passed")]),
        ("completed", [("pve-1", "passed"), ("pve-2", "passed")]),
        ("00:02", [("pve-2", "passed")]),
        ("sata-0", [("pve-1", "failed")]),
        ("TA-0001", []),
        ('"new backplane" pve', [("pve-1", "failed")]),
        ('new pve-1 "back', []),
        ("99999999999999999999", []),
        ("%", []),
        ("   ", [("pve-1", "failed"), ("pve-1", "passed"), ("pve-2", "passed")]),
    ],
)
def test_each_word_of_a_search_must_fit(history: Client, q: str, expected: list) -> None:
    assert shown(history, q=q) == expected


def test_a_run_is_found_by_its_number_and_who_asked(history: Client) -> None:
    run = Run.objects.filter(host__name="pve-2").get()
    Run.objects.filter(pk=run.pk).update(requested_by="ada", stopped_by="pulled the plug")
    for q in (str(run.pk), "ada", "plug", f"pve-2 {run.pk} ada"):
        assert shown(history, q=q) == [("pve-2", "passed")]


def test_the_page_says_what_the_search_looks_for(history: Client) -> None:
    assert "In the newest 2,000 runs also for what was repaired" in history.get(reverse(LIST)).content.decode()


def test_free_text_is_looked_for_in_the_newest_runs_only(history: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_search, "NEWEST", 1)
    assert shown(history, q="backplane") == []
    assert shown(history, q="SATA-0001") == [("pve-1", "failed")]


@pytest.mark.parametrize("q", ["backplane", "SATA-0001", "node-7", "00:09", "failed", "17"])
def test_a_search_costs_no_more_with_more_runs(history: Client, monkeypatch: pytest.MonkeyPatch, q: str) -> None:
    monkeypatch.setattr(run_search, "NEWEST", 20)
    host = rows.a_host("pve-9", "52:54:00:00:00:99")

    def asked(more: int) -> tuple[int, int]:
        old = {"state": "Cancelled", "verdict": "passed", "profile_name": "quick", "host": host}
        made = Run.objects.bulk_create(Run(**old) for _ in range(more))
        stage = rows.a_stage(made[0])
        Finding.objects.bulk_create(
            Finding(run=run, stage_run=stage, code="smart.x", severity="info", component=f"S-{run.pk}", message="x")
            for run in made
        )
        with watched() as work:
            list(run_search.found(Run.objects.all(), q)[:100])
        return len(work.statements), work.steps

    few, many = asked(100), asked(2000)
    assert few[0] == many[0] == 1
    assert many[1] - few[1] <= 500, "instructions of SQLite"


def test_a_run_links_to_its_page(history: Client) -> None:
    run = Run.objects.latest("id")
    page = history.get(reverse("admin:runs_run_change", args=[run.pk])).content.decode()
    assert f'href="{run.get_absolute_url()}"' in page
    assert 'name="_save"' not in page


def test_times_are_written_as_on_the_other_pages(history: Client) -> None:
    run, at = Run.objects.latest("id"), datetime(2026, 11, 25, 22, 31, tzinfo=UTC)
    times = {"created_at": at, "started_at": at, "ended_at": at + timedelta(minutes=5, seconds=2)}
    Run.objects.filter(pk=run.pk).update(**times)
    page = history.get(reverse(LIST)).content.decode()
    assert "25 Nov 2026 22:31" in page and "5\u00a0min 02\u00a0s" in page


def test_the_header_leads_back_once(history: Client) -> None:
    page = history.get(reverse(LIST)).content.decode()
    assert "View site" not in page and "Back to the hosts" in page


def test_what_was_frozen_is_readable(history: Client) -> None:
    run = rows.a_run(rows.a_host("pve-4", "52:54:00:00:00:04"), profile={"name": "quick", "stages": {"<b>": {"n": 1}}})
    page = history.get(reverse("admin:runs_run_change", args=[run.pk])).content.decode()
    assert "name: quick\nstages:\n  &lt;b&gt;:\n    n: 1\n" in page


@pytest.mark.parametrize("view", ["add", "change", "delete"])
def test_nothing_can_be_changed(history: Client, view: str) -> None:
    run = Run.objects.latest("id")
    args = [] if view == "add" else [run.pk]
    response = history.post(reverse(f"admin:runs_run_{view}", args=args), {"post": "yes", "verdict": "passed"})
    assert response.status_code == 403
    assert Run.objects.count() == 3


def test_the_list_asks_as_much_for_many_runs_as_for_few(history: Client, django_assert_max_num_queries: Any) -> None:
    host = rows.a_host("pve-3", "52:54:00:00:00:03")
    for _ in range(40):
        rows.a_run(host)
    with django_assert_max_num_queries(12):
        history.get(reverse(LIST))
