"""A bench that was starved while a host was measured: the host is measured again, or not at all, and never blamed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agent.contract import codes, wire
from hosts.models import Host
from runs import lifecycle
from runs.bench import fitness
from runs.bench import problems as bench
from runs.bench.load import Shortage
from runs.dispatcher import LoopbackResult
from runs.judging import required_checks
from runs.models import BenchShortage, Lease, Run, StageRun
from tests import work
from tests.pages import as_read
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker

SLOW = "eth0: 25 Mbit/s out, floor 85 Mbit/s"
STARVED = Shortage("13 tasks waited for each of its 2 cores", 2.6)


@pytest.fixture
def host(db: None) -> Host:
    return a_host("node-1", mac=MAC, expected=EXPECTED)


@pytest.fixture
def talker(host: Host) -> Talker:
    """In Network, which has had its go."""
    lifecycle.start_run(host, profile_name="quick")
    talker = Talker(host)
    talker.boot_and_claim()
    talker.pass_stages_until("Network")
    work.dispatch()
    assert network(talker).go_at
    return talker


def network(talker: Talker) -> StageRun:
    return StageRun.objects.filter(run=talker.run_id, name="Network").order_by("-attempt").first()


def the_run(talker: Talker) -> Run:
    return Run.objects.get(pk=talker.run_id)


def started(talker: Talker, seconds_ago: float = 60) -> datetime:
    """When the attempt that runs began."""
    at = timezone.now() - timedelta(seconds=seconds_ago)
    StageRun.objects.filter(pk=network(talker).pk).update(go_at=at)
    return at


def starved(since: datetime, seconds: float, kind: str = BenchShortage.CPU, why: str = STARVED.why) -> None:
    BenchShortage.objects.create(
        kind=kind, why=why, weight=2.6, started_at=since, ended_at=since + timedelta(seconds=seconds)
    )


def checks(talker: Talker, *failed: str) -> list[wire.Check]:
    run = the_run(talker)
    wanted = [demand.name for demand in required_checks.of_stage("Network", run.profile, run.expected)]
    passed = [wire.Check(name, wire.Outcome.PASSED, component=MAC) for name in wanted if name not in failed]
    return passed + [wire.Check(name, wire.Outcome.FAILED, SLOW, MAC) for name in failed]


def slow(talker: Talker, attempt: int = 1, **more: Any) -> wire.ResultAnswer:
    code = "network.slow"
    finding = wire.Finding(code, codes.CODES[code].severity, "nic", MAC, SLOW, 25.0, 85.0, "Mbit/s")
    fields = {"findings": [finding], "checks": checks(talker, "throughput"), "reason": SLOW} | more
    return talker.result("Network", "failed", attempt=attempt, **fields)


def test_on_a_calm_bench_a_slow_port_is_blamed(talker: Talker) -> None:
    started(talker)
    assert slow(talker).next_state == "Failed"
    assert (the_run(talker).verdict, network(talker).bench) == ("failed", "")


def test_on_a_starved_one_it_is_measured_again(talker: Talker) -> None:
    starved(started(talker), 40)
    answer = slow(talker)
    assert (answer.next_state, answer.attempt, answer.go) == ("Network", 2, False)
    first = network(talker).run.stage_runs.get(name="Network", attempt=1)
    assert first.outcome == "not_tested"
    assert first.reason.startswith("bench: short of CPU, 13 tasks waited for each of its 2 cores; for 40 of 60")
    assert first.findings.get().severity == "info"
    work.dispatch()
    assert talker.heartbeat().go
    talker.result("Network", attempt=2, checks=checks(talker))
    talker.pass_stages_until("Completed")
    assert the_run(talker).verdict == "passed", "its last word on the host counts"


def test_a_host_that_is_slow_on_the_calm_bench_as_well_is_blamed_then(talker: Talker) -> None:
    starved(started(talker, 300), 40)
    slow(talker)
    BenchShortage.objects.all().delete()
    work.dispatch()
    started(talker)
    assert slow(talker, 2).next_state == "Failed"
    assert the_run(talker).findings.filter(severity="critical").get().component == MAC


def test_on_a_busy_bench_it_is_measured_once_more_and_then_blamed(talker: Talker) -> None:
    starved(started(talker), 60, BenchShortage.BUSY)
    answer = slow(talker)
    assert (answer.next_state, answer.attempt) == ("Network", 2)
    assert network(talker).run.stage_runs.get(name="Network", attempt=1).reason.startswith("bench: busy, 13 tasks")
    work.dispatch()
    starved(started(talker), 60, BenchShortage.BUSY)
    assert slow(talker, 2).next_state == "Failed"
    assert the_run(talker).findings.filter(severity="critical").get().component == MAC


def test_a_busy_bench_makes_nobody_measure_again_what_has_passed_or_what_the_host_did_alone(talker: Talker) -> None:
    starved(started(talker), 60, BenchShortage.BUSY)
    assert talker.result("Network", checks=checks(talker)).next_state == "Burn"


def test_only_what_is_measured_again_waits_for_a_busy_bench(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    starved(started(talker), 60, BenchShortage.BUSY)
    slow(talker)
    asked: list[None] = []
    monkeypatch.setattr(fitness, "_shortage_now", lambda most: STARVED if most == fitness.busy_limits() else None)
    work.dispatch(lambda: asked.append(None) or LoopbackResult())
    assert (network(talker).go_at, network(talker).bench) == (None, f"busy: {STARVED.why}")
    assert not asked, "no test of its own makes it busier"
    StageRun.objects.filter(pk=network(talker).pk).update(bench_since=timezone.now() - timedelta(seconds=181))
    work.dispatch()
    assert network(talker).go_at, "it has waited long enough, and a busy bench is fit"


def test_the_first_attempt_does_not_wait_for_a_busy_bench(waiting: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "_shortage_now", lambda most: STARVED if most == fitness.busy_limits() else None)
    work.dispatch()
    assert network(waiting).go_at


def test_a_moment_of_load_excuses_nothing(talker: Talker) -> None:
    starved(started(talker, 300), 10)
    assert slow(talker).next_state == "Failed"


def test_a_shortage_before_the_measurement_excuses_nothing(talker: Talker) -> None:
    starved(started(talker) - timedelta(seconds=100), 90)
    assert slow(talker).next_state == "Failed"


def test_what_the_host_did_alone_fails_it_at_once(talker: Talker) -> None:
    starved(started(talker), 60)
    lost = wire.Finding("network.no_link", wire.Severity.CRITICAL, "nic", MAC, "eth0: no link")
    assert slow(talker, findings=[lost], checks=[]).next_state == "Failed"


def test_after_so_many_tries_it_is_not_tested_and_the_run_goes_on_to_incomplete(talker: Talker, settings: Any) -> None:
    for attempt in range(1, settings.VETTING.bench.network_tries + 1):
        starved(started(talker), 60)
        answer = slow(talker, attempt)
        BenchShortage.objects.all().delete()
        work.dispatch()
    assert answer.next_state == "Burn"
    talker.pass_stages_until("Completed")
    assert (the_run(talker).state, the_run(talker).verdict) == ("Completed", "incomplete")
    assert not the_run(talker).findings.filter(severity="critical").exists()


def test_a_port_of_the_bench_that_is_limited_is_not_the_hosts(talker: Talker) -> None:
    why = "its own port eth1 is limited to 10 Mbit/s (tc), iperf3.link_mbit is 100"
    starved(started(talker), 60, BenchShortage.PORT, why)
    assert slow(talker).attempt == 2
    assert network(talker).run.stage_runs.get(name="Network", attempt=1).reason.startswith(f"bench: {why}")


# --- before it measures ------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(host: Host) -> Talker:
    """Network is next and has no go."""
    lifecycle.start_run(host, profile_name="quick")
    talker = Talker(host)
    talker.boot_and_claim()
    talker.pass_stages_until("Network")
    return talker


def unfit() -> LoopbackResult:
    return LoopbackResult("too slow: 90 Mbit/s over its own loopback, 1200 needed")


def test_it_waits_for_a_bench_that_is_starved_and_says_so(waiting: Talker) -> None:
    work.dispatch(unfit)
    work.dispatch(unfit)
    row = network(waiting)
    assert (row.go_at, row.bench) == (None, unfit().why)
    events = the_run(waiting).events.filter(kind="bench_waits")
    assert events.get().text == f"Network waits for the bench: {unfit().why}"
    work.dispatch(lambda: LoopbackResult(words="the bench carries 9000 Mbit/s over its own loopback"))
    assert network(waiting).go_at and network(waiting).bench == ""
    assert "carries 9000 Mbit/s" in the_run(waiting).events.get(kind="go").text


def test_it_waits_while_samples_say_that_the_bench_is_starved(waiting: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    monkeypatch.setattr(fitness, "_shortage_now", lambda most: STARVED)
    work.dispatch(lambda: asked.append(None) or LoopbackResult())
    assert network(waiting).bench == f"short of CPU: {STARVED.why}"
    assert not asked, "a starved bench is not loaded with a test of its own"


def test_the_first_time_it_does_not_wait_for_ever(waiting: Talker) -> None:
    work.dispatch(unfit)
    StageRun.objects.filter(pk=network(waiting).pk).update(bench_since=timezone.now() - timedelta(seconds=181))
    work.dispatch(unfit)
    assert network(waiting).go_at, "what passes on a poor bench has passed"


def test_what_the_bench_has_spoilt_already_is_left_untested_then(talker: Talker) -> None:
    starved(started(talker), 60)
    slow(talker)
    work.dispatch(unfit)
    assert network(talker).attempt == 2
    StageRun.objects.filter(pk=network(talker).pk).update(bench_since=timezone.now() - timedelta(seconds=181))
    work.dispatch(unfit)
    row = network(talker)
    assert (row.outcome, row.reason) == ("not_tested", f"bench: {unfit().why}")
    assert the_run(talker).state == "Burn"
    assert talker.heartbeat().next_state == "Burn"


def test_nobody_waits_for_a_poor_port_the_first_time_and_then_it_is_left_untested(waiting: Talker) -> None:
    """It is nothing that passes by itself."""
    fitness.note(BenchShortage.PORT, Shortage("its own port eth1 negotiated 10 Mbit/s", 1), timezone.now())
    work.dispatch()
    started(waiting)
    starved(timezone.now() - timedelta(seconds=60), 60, BenchShortage.PORT, "its own port eth1 negotiated 10 Mbit/s")
    assert slow(waiting).attempt == 2
    work.dispatch()
    assert network(waiting).bench == "its own port eth1 negotiated 10 Mbit/s"
    StageRun.objects.filter(pk=network(waiting).pk).update(bench_since=timezone.now() - timedelta(seconds=181))
    work.dispatch()
    assert (network(waiting).outcome, the_run(waiting).state) == ("not_tested", "Burn")


def test_an_operators_retry_begins_to_count_anew(talker: Talker) -> None:
    starved(started(talker), 60)
    slow(talker)
    row = network(talker)
    StageRun.objects.filter(pk=row.pk).update(by_retry=True)
    work.dispatch()
    starved(started(talker), 60)
    assert slow(talker, 2).attempt == 3


# --- keeping the record ------------------------------------------------------------------------------------------


def test_one_row_tells_of_a_shortage_for_as_long_as_it_lasts(db: None) -> None:
    began = timezone.now() - timedelta(seconds=10)
    fitness.note(BenchShortage.CPU, Shortage("6 tasks waited", 1.2), began)
    fitness.note(BenchShortage.CPU, Shortage("13 tasks waited", 2.6), timezone.now())
    fitness.note(BenchShortage.CPU, Shortage("7 tasks waited", 1.4), timezone.now())
    row = BenchShortage.objects.get()
    assert (row.why, row.started_at) == ("13 tasks waited", began)


def test_shortages_that_overlap_count_once(db: None) -> None:
    began = timezone.now() - timedelta(seconds=100)
    starved(began, 40)
    starved(began + timedelta(seconds=20), 40, BenchShortage.PORT, "its own port is slow")
    assert "for 60 of 90 s" in fitness.unfit_between(began, began + timedelta(seconds=90))
    assert fitness.total(fitness.starved(began, began + timedelta(seconds=30))).total_seconds() == 30


def test_the_worker_takes_samples_and_one_that_asks_takes_his_own(db: None) -> None:
    fitness.tick()
    fitness.tick()
    assert len(fitness._kept()) == 2
    assert bench.problems("load") == [] and fitness.starved_now() == ""


def test_a_damaged_file_of_samples_begins_anew(db: None) -> None:
    fitness.tick()
    fitness._path().write_text('{"samples": [{"at": "x"}, 3]}')
    assert fitness.starved_now() == ""
    fitness.tick()
    assert len(fitness._kept()) == 1


def test_the_dashboard_says_that_the_bench_is_short_of_cpu(
    db: None, admin_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease.objects.create(name=Lease.ROUND, ticked_at=timezone.now())
    monkeypatch.setattr(fitness.benchload, "shortage", lambda samples, limits: STARVED)
    fitness.tick()
    assert "This bench is short of CPU" in as_read(admin_client.get("/").content)
    assert "ok, but: This bench is short of CPU" in as_read(admin_client.get("/healthz").content)
    monkeypatch.setattr(fitness.benchload, "shortage", lambda samples, limits: None)
    fitness.tick()
    assert "short of CPU" not in as_read(admin_client.get("/healthz").content)
