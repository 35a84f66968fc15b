"""No page grows beyond what a browser and the web process can bear, whatever the rows of a run hold: those of an older
version included, which took in anything."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent.contract import codec
from runs.models import Finding, LeftOut, Run, RunEvent, SpecDiff
from runs.reports import document as report_document
from tests.pages import as_read
from tests.rows import a_finding, a_host, a_run, a_stage
from tests.runs.dashboard import first_tiles
from tests.talker import INVENTORY

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MOST_BYTES = 4_000_000  # with every character escaped, which makes five of one
LONG = '<"&' * 300


@pytest.fixture
def run() -> Run:
    """Written past every bound, as an older version would have."""
    inventory = codec.encode(INVENTORY) | {"psus": [{"name": f"PSU{n} {LONG}", "present": True} for n in range(600)]}
    run = a_run(a_host(expected={"disks": []}), state="FailedHolding", verdict="failed", inventory=inventory)
    checks = [{"name": f"c{n} {LONG}", "outcome": "passed", "reason": LONG, "component": LONG} for n in range(600)]
    for attempt in range(1, 7):
        a_stage(run, "Storage", "failed", attempt=attempt, reason=LONG, checks=checks, numbers={f"n.{LONG}": 1.0})
    signature = {"where": LONG, "kind": "fs", "label": LONG, "words": LONG}
    refusal = {"gate": 3, "reason": LONG, "digest": "d", "signatures": [signature] * 25}
    moved = {"counter": LONG, "component_kind": "disk", "component": LONG, "before": 0}
    stage = a_stage(
        run,
        "Storage",
        "failed",
        attempt=7,
        reason=LONG,
        checks=checks,
        numbers={f"n{n}.{LONG}": 1.0 for n in range(300)},
        counters=[{**moved, "after": n} for n in range(300)],
        refusals=[{**refusal, "serial": f"S{n}"} for n in range(60)],
    )
    Finding.objects.bulk_create(
        Finding(run=run, stage_run=stage, code="smart.wear", severity="warning", component=f"W{n}", message=LONG)
        for n in range(1_500)
    )
    a_finding(stage, component="S-BAD")
    SpecDiff.objects.bulk_create(
        SpecDiff(
            run=run, stage_run=stage, path=f"disks[S{n}]", severity="critical", expected=LONG, actual=LONG, message=LONG
        )
        for n in range(600)
    )
    RunEvent.objects.bulk_create(RunEvent(run=run, actor="agent", kind="rung", text=LONG) for _ in range(700))
    return run


ADDRESSES = ("run", "spec", "adopt")


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_page_of_a_run_grows_with_what_its_rows_hold(name: str, run: Run, admin_client: Client) -> None:
    response = admin_client.get(reverse(name, args=[run.pk]))
    assert response.status_code == 200
    assert len(response.content) < MOST_BYTES, name
    assert b"more" in response.content


def test_nor_does_the_page_of_its_host_the_dashboard_or_the_comparison(run: Run, admin_client: Client) -> None:
    a_stage(a_run(run.host), "Storage", numbers={f"n{n}": 1.0 for n in range(5_000)})
    sizes = {
        address: len(admin_client.get(address).content)
        for address in (
            "/",
            f"/hosts/{run.host.name}/",
            f"/hosts/{run.host.name}/compare/",
            f"/runs/{run.pk}/override/",
        )
    }
    assert max(sizes.values()) < MOST_BYTES, sizes
    assert sizes["/"] < 20_000


def test_the_worst_findings_are_shown_first(run: Run, admin_client: Client) -> None:
    page = as_read(admin_client.get(run.get_absolute_url()).content)
    assert page.index("S-BAD") < page.index("<b>W0</b>")
    assert "and 1\u00a0301 more: the report has all that are kept" in page


def test_a_tile_names_two_parts_and_counts_the_others(run: Run) -> None:
    stage = run.stage_runs.last()
    for number in range(5):
        a_finding(stage, component=f"T{number}")
    (tile,) = first_tiles()
    assert [finding.component for finding in tile.blamed] == ["S-BAD", "T0"] and tile.more_blamed == 4


def test_reading_a_page_of_a_run_costs_as_many_queries_however_much_was_found(run: Run, admin_client: Client) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(run.get_absolute_url())
        counts.append(len(queries))
        for number in range(20):
            a_finding(run.stage_runs.last(), component=f"T{number}")
    assert counts[1] <= counts[0] < 40, counts


def test_what_was_left_out_is_in_the_report(run: Run) -> None:
    stage = run.stage_runs.last()
    LeftOut.objects.create(run=run, stage_run=stage, what="findings", count=16_900, whole="result-Storage-7.json")
    (row,) = report_document.document(run)["not_kept"]
    assert row == {
        "stage": "Storage",
        "attempt": 7,
        "what": "findings",
        "count": 16_900,
        "words": "16,900 more findings were sent than are kept",
        "file": "result-Storage-7.json",
    }
