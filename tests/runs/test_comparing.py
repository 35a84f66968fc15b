"""Runs of one host side by side: numbers, parts, findings, and their page."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import codec
from hosts.models import Host
from runs.desk import comparing
from runs.models import Run
from runs.wording import formatting, key_numbers
from tests import rows
from tests.pages import as_read
from tests.talker import INVENTORY


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("seq_read_mb_s.S4EV", ("sequential read", "S4EV", "MB/s", 1)),
        ("cpu_bogo_ops_s.matrix", ("CPU bogo ops", "matrix", "ops/s", 1)),
        ("rand_read_p99_ms.S4EV", ("random read 99th percentile", "S4EV", "ms", -1)),
        ("tcp_down_mbit.52:54:00:00:00:01", ("TCP down", "52:54:00:00:00:01", "Mbit/s", 1)),
        ("peak_temp_c.CPU0", ("peak temperature", "CPU0", "°C", -1)),
        ("thermal_resistance_c_w", ("thermal resistance", "", "°C/W", -1)),
        ("clock_load_mhz.CPU0", ("clock load", "CPU0", "MHz", 1)),
        ("covered_percent", ("covered", "", "%", 1)),
        ("memory_mb", ("memory", "", "MiB", 1)),
        ("passes", ("passes", "", "", 0)),
    ],
)
def test_a_name_is_put_into_words(name: str, told: tuple[str, str, str, int]) -> None:
    number = key_numbers.explained("Storage", name)
    assert (number.title, number.component, number.unit, number.better) == told


def test_a_number_that_got_worse_by_a_tenth_is_marked_in_its_own_direction() -> None:
    speed, wait = ("Storage", "seq_read_mb_s.A"), ("Storage", "rand_read_p99_ms.A")
    slower, longer = key_numbers.table([{speed: 1000, wait: 1.0}, {speed: 900, wait: 2.0}, {speed: 990, wait: 0.5}])[
        ::-1
    ]
    assert [cell.is_worse for cell in slower.cells] == [False, True, False]
    assert [cell.is_worse for cell in longer.cells] == [False, True, False]
    assert longer.cells[1].change_percent == 100


@pytest.mark.parametrize(("before", "after", "worse"), [(0, 1, True), (300, 301, True), (5, 0, False)])
def test_every_one_more_of_what_should_not_happen_is_marked(before: float, after: float, worse: bool) -> None:
    key = ("SMART", "pending_sectors.SATA-1")
    (row,) = key_numbers.table([{key: before}, {key: after}])
    assert row.newest.is_worse == worse
    assert formatting.change(row.newest) == {1: "+1", 301: "+1", 0: "−5"}[after]


@pytest.mark.parametrize(
    ("before", "after", "moved", "told"),
    [(0.0, 0.0042, True, "+0.0042"), (0.00501, 0.00504, False, "+0.6 %"), (0.005, 0.0057, True, "+14 %")],
)
def test_a_small_number_is_told_where_its_figures_differ(before: float, after: float, moved: bool, told: str) -> None:
    (row,) = key_numbers.table([{("Network", "loss_percent.A"): before}, {("Network", "loss_percent.A"): after}])
    assert row.newest.moved == moved
    assert formatting.change(row.newest).replace("\u00a0", " ") == told


def test_a_run_without_the_number_is_passed_over() -> None:
    key = ("Memory", "rate_mb_s")
    (row,) = key_numbers.table([{key: 100}, {}, {key: 80}])
    assert [cell.value for cell in row.cells] == [100, None, 80]
    assert row.newest.change_percent == -20


@given(st.lists(st.none() | st.floats(-1e12, 1e12), max_size=40))
def test_a_sparkline_stays_inside_its_box(values: list[float | None]) -> None:
    for spot in key_numbers.points(values).split():
        x, y = map(float, spot.split(","))
        assert 0 <= x <= 120 and 0 <= y <= 26


@pytest.fixture
def runs(db: None) -> list[Run]:
    """A DIMM was replaced between the two, a disk became slower, one finding went and another came."""
    host = rows.a_host()
    after = copy.deepcopy(codec.encode(INVENTORY))
    after["memory"]["dimms"][0]["serial"] = "D-0002"
    both = [rows.a_run(host, inventory=codec.encode(INVENTORY), repair="none"), rows.a_run(host, inventory=after)]
    for run, speed in zip(both, (500.0, 300.0), strict=True):
        numbers = {"seq_read_mb_s.SATA-0001": speed, "rand_read_iops.SATA-0001": 1000.0}
        stage = rows.a_stage(run, "Storage", numbers=numbers)
        rows.a_finding(stage, f"seen in run {run.pk}", component=f"part of run {run.pk}")
    return both


@pytest.fixture
def operator(admin_client: Client) -> Client:
    return admin_client


def page(client: Client, host: Host, **query: Any) -> str:
    response = client.get(reverse("compare", args=[host.name]), query)
    assert response.status_code == 200
    return as_read(response.content)


def test_parts_numbers_and_findings_that_changed_are_named(runs: list[Run]) -> None:
    (step,) = comparing.compare(runs[0].host, [run.pk for run in runs]).between
    assert [change.words for change in step.parts] == [
        "DIMM_A1: replaced, 3072 MB serial D-0001 → 3072 MB serial D-0002"
    ]
    assert [(row.number.title, row.cells[1].change_percent) for row in step.numbers] == [("sequential read", -40)]
    assert [finding.message for finding in step.findings_new] == [f"seen in run {runs[1].pk}"]
    assert [finding.message for finding in step.findings_gone] == [f"seen in run {runs[0].pk}"]


def test_runs_stand_oldest_first_however_they_are_asked_for(runs: list[Run]) -> None:
    shown = comparing.compare(runs[0].host, [runs[1].pk, runs[0].pk])
    assert [run.pk for run in shown.runs] == [run.pk for run in runs]


def test_a_retried_stage_counts_with_its_newest_attempt(runs: list[Run]) -> None:
    rows.a_stage(runs[1], "Storage", attempt=2, numbers={"seq_read_mb_s.SATA-0001": 490.0})
    (row,) = (row for row in comparing.trends(runs[::-1]) if row.number.name.startswith("seq"))
    assert row.values == [500, 490]


def test_the_page_shows_the_newest_two_without_being_asked(operator: Client, runs: list[Run]) -> None:
    text = page(operator, runs[0].host)
    assert f"What changed from run {runs[0].pk} to run {runs[1].pk}" in text
    assert "3072 MB serial D-0002" in text and "40\u00a0% worse" in text


def test_a_run_of_another_host_is_not_shown(operator: Client, runs: list[Run]) -> None:
    other = rows.a_run(rows.a_host("node-2", "52:54:00:00:00:02"))
    assert f"Run {other.pk}</a>" not in page(operator, runs[0].host, run=[runs[0].pk, other.pk])


def test_a_host_that_was_never_vetted_says_so(operator: Client, db: None) -> None:
    assert "has got as far as a stage yet" in page(operator, rows.a_host())


def test_what_is_no_number_of_a_run_is_refused(operator: Client, runs: list[Run]) -> None:
    address = reverse("compare", args=[runs[0].host.name])
    assert operator.get(address, {"run": "<b>"}).status_code == 400
    assert operator.get(address, {"run": "²"}).status_code == 400


def test_the_host_page_shows_the_trend_and_offers_to_compare(operator: Client, runs: list[Run]) -> None:
    text = as_read(operator.get(runs[0].host.get_absolute_url()).content)
    assert "Key numbers over the runs" in text and "<polyline" in text
    assert f'action="{reverse("compare", args=[runs[0].host.name])}"' in text


def test_with_one_run_the_numbers_stand_without_a_course(operator: Client, runs: list[Run]) -> None:
    runs[0].stage_runs.all().delete()
    text = as_read(operator.get(runs[0].host.get_absolute_url()).content)
    assert "2 numbers" in text and "<polyline" not in text and "Oldest to newest" not in text


def test_many_runs_take_as_many_questions_as_two(
    operator: Client, runs: list[Run], django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        rows.a_stage(rows.a_run(runs[0].host, inventory=codec.encode(INVENTORY)), "Storage")
    every = [run.pk for run in Run.objects.all()]
    with django_assert_max_num_queries(7):
        page(operator, runs[0].host, run=every)
