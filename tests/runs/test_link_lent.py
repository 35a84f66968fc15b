"""The bench's link is lent to Burn for a short time, while nobody measures with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from runs import dispatcher, lifecycle
from runs.bench import fitness
from runs.bench.load import Shortage
from runs.models import StageRun
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, Talker


def in_stage(name: str, number: int, stage: str) -> Talker:
    mac = f"52:54:00:00:02:0{number}"
    host = a_host(name, mac=mac, expected={key: words for key, words in EXPECTED.items() if key != "nics"})
    lifecycle.start_run(host, profile_name="quick")
    talker = Talker(host, boot_id=f"boot-{number}", uuid=f"00000000-0000-0000-0000-00000000000{number}", macs=[mac])
    talker.boot_and_claim()
    talker.pass_stages_until(stage)
    return talker


def row(talker: Talker, stage: str = "Burn") -> StageRun:
    return StageRun.objects.get(run=talker.run_id, name=stage)


def lent_s(talker: Talker) -> float:
    return talker.heartbeat("Burn").link_s


def its_time_is_over(talker: Talker) -> None:
    StageRun.objects.filter(pk=row(talker).pk).update(link_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def burning(db: None) -> Talker:
    return in_stage("node-1", 1, "Burn")


def test_it_is_lent_while_nobody_else_needs_it_and_the_heartbeat_says_for_how_long(burning: Talker) -> None:
    assert lent_s(burning) == 0.0
    work.dispatch()
    assert 0 < lent_s(burning) <= dispatcher.LENT_S
    its_time_is_over(burning)
    assert lent_s(burning) == 0.0
    work.dispatch()
    assert lent_s(burning) > 0


def test_who_measures_waits_for_its_end_and_then_has_it_alone(burning: Talker) -> None:
    work.dispatch()
    measuring = in_stage_of_network(2)
    work.dispatch()
    assert row(measuring, "Network").go_at is None, "the link is lent"
    its_time_is_over(burning)
    work.dispatch()
    assert row(measuring, "Network").go_at is not None
    work.dispatch()
    assert lent_s(burning) == 0.0


def in_stage_of_network(number: int) -> Talker:
    return in_stage(f"node-{number}", number, "Network")


def test_it_is_lent_to_one_after_the_other(burning: Talker) -> None:
    other = in_stage("node-3", 3, "Burn")
    its_time_is_over(burning)
    work.dispatch()
    assert (lent_s(burning) > 0, lent_s(other) > 0) == (False, True)
    its_time_is_over(other)
    StageRun.objects.filter(pk=row(burning).pk).update(link_until=timezone.now() - timedelta(seconds=60))
    work.dispatch()
    assert (lent_s(burning) > 0, lent_s(other) > 0) == (True, False)


def test_a_bench_that_is_short_of_cpu_lends_nothing(burning: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "_shortage_now", lambda _limits: Shortage("13 tasks waited", 2.6))
    work.dispatch()
    assert lent_s(burning) == 0.0


@pytest.mark.postgresql
def test_a_loan_that_ends_later_than_any_is_over_since_the_clock_was_set_back(burning: Talker) -> None:
    measuring = in_stage_of_network(2)
    StageRun.objects.filter(pk=row(burning).pk).update(link_until=timezone.now() + timedelta(hours=2))
    assert lent_s(burning) == 0.0
    work.dispatch()
    assert row(measuring, "Network").go_at is not None


@pytest.mark.postgresql
def test_who_waits_for_a_fit_bench_since_a_later_time_has_waited(
    burning: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitness, "_shortage_now", lambda _limits: Shortage("13 tasks waited", 2.6))
    measuring = in_stage_of_network(2)
    work.dispatch()
    assert row(measuring, "Network").go_at is None
    StageRun.objects.filter(pk=row(measuring, "Network").pk).update(bench_since=timezone.now() + timedelta(hours=2))
    work.dispatch()
    assert row(measuring, "Network").go_at is not None


def test_a_run_that_has_ended_keeps_nobody_waiting(burning: Talker) -> None:
    work.dispatch()
    burning.result("Burn")
    assert not dispatcher.lent().exists()
