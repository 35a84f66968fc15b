"""Missed deadlines become events of the table, with what was last seen; our own outages don't count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from agent.contract import wire
from hosts.models import Host
from runs import lifecycle, outages, stage_rows, watchdog
from runs.bench import last_seen
from runs.models import BenchShortage, Lease, Run, WebOutage
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker


@pytest.fixture
def host(db: None) -> Host:
    return a_host("node-1", mac=MAC, expected=EXPECTED)


@pytest.fixture
def run(host: Host) -> Run:
    return lifecycle.start_run(host, profile_name="quick")


@pytest.fixture(autouse=True)
def web_is_seen(db: None) -> None:
    """Our web answered just now (watchdog looks again only after some seconds)."""
    Lease.objects.create(name=Lease.web_of("127.0.0.1"), web_seen_at=timezone.now())


def seconds_ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def test_a_machine_that_never_boots_says_at_which_rung_it_stopped(run: Run) -> None:
    work.dispatch()
    Run.objects.filter(pk=run.pk).update(boot_deadline=seconds_ago(1))
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Failed", "error", "unknown")
    assert run.bench_error and run.ended_at


def test_its_token_has_expired_then(host: Host, run: Run) -> None:
    talker = Talker(host)
    work.dispatch()
    talker.fetch_script()
    Run.objects.filter(pk=run.pk).update(boot_deadline=seconds_ago(1))
    watchdog.tick()
    talker.claim(status=401)
    assert talker.fetch_script().kind == "local"


def test_a_silent_host_fails_its_stage_with_what_was_last_seen(host: Host, run: Run) -> None:
    talker = Talker(host)
    talker.boot_and_claim()
    talker.heartbeat("InventoryCheck", 1, [wire.Progress("lshw", 40, "reading")])
    _backdate(run, 601)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Failed", "failed")
    assert "lshw 40 % reading" in run.stopped_by
    assert run.findings.get().component == "system"


def test_silence_within_the_deadline_is_patience(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 590)
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"


def test_time_in_which_our_web_was_down_does_not_count(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 700)
    WebOutage.objects.create(started_at=seconds_ago(690), ended_at=seconds_ago(500))
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"


def test_an_outage_that_still_goes_on_does_not_count_either(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 700)
    Lease.objects.filter(name=Lease.web_of("127.0.0.1")).update(web_seen_at=seconds_ago(400))
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"


def test_a_stage_that_takes_too_long_fails(host: Host, run: Run) -> None:
    talker = Talker(host)
    talker.boot_and_claim()
    stage_run = run.stage_runs.get()
    run.stage_runs.update(go_at=seconds_ago(stage_run.timeout_s + 5))
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "Failed" and run.stopped_by.startswith("Inventory was not done after")
    assert run.findings.get().code == "system.overdue", "the host answers: it is not lost"
    talker.result("InventoryCheck")
    assert "late_result" in run.stage_runs.get().evidence


def test_the_time_of_a_stage_begins_anew_with_a_restarted_agent_but_not_for_ever(host: Host, run: Run) -> None:
    """It starts over what can't be resumed: the time that is left would be too short for a sound host."""
    talker = Talker(host)
    talker.boot_and_claim()
    limit_s = run.stage_runs.get().timeout_s
    for restart in range(1, 5):
        run.stage_runs.update(go_at=seconds_ago(restart * limit_s - 5))
        talker.claim()
        talker.claim()  # its answer was lost: said twice, counted once
        assert run.events.filter(kind="agent_restarted").count() == min(restart, stage_rows.MAX_RESTARTS)
    run.stage_runs.update(go_at=seconds_ago(4 * limit_s + 5))
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "Failed"


def test_a_stage_that_waits_for_the_link_has_no_deadline_yet(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    run.stage_runs.update(go_at=None, created_at=seconds_ago(100_000))
    Run.objects.filter(pk=run.pk).update(last_seen=timezone.now())
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"


def test_a_hold_ends_by_itself_after_the_allowed_hours(host: Host, run: Run) -> None:
    talker = Talker(host)
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    talker.hold()
    why = Run.objects.get(pk=run.pk).stopped_by
    assert why
    Run.objects.filter(pk=run.pk).update(state_since=seconds_ago(169 * 3600))
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.stopped_by) == ("Released", why), "why it failed is not forgotten"


def test_an_outage_is_written_down_when_the_web_is_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Lease.objects.filter(name=Lease.web_of("127.0.0.1")).update(web_seen_at=seconds_ago(60))
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    outages.look_at_web()
    outage = WebOutage.objects.get()
    assert 59 < (outage.ended_at - outage.started_at).total_seconds() < 65


def seen_in_the_row() -> datetime:
    seen = Lease.objects.get(name=Lease.web_of("127.0.0.1")).web_seen_at
    assert seen
    return seen


def test_while_no_run_goes_on_that_the_web_answers_is_not_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    Lease.objects.update(web_seen_at=(before := seconds_ago(5)))
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    outages.look_at_web()
    assert seen_in_the_row() == before
    assert outages.web_outages(seconds_ago(100), timezone.now() + timedelta(seconds=7)) == []
    lifecycle.start_run(host, profile_name="quick")
    last_seen.note(Lease.web_of("127.0.0.1"), seconds_ago(4))
    outages.look_at_web()
    assert seen_in_the_row() > seconds_ago(3)


def test_an_outage_after_idle_hours_begins_when_the_web_was_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    Lease.objects.update(web_seen_at=seconds_ago(7200))
    last_seen.note(Lease.web_of("127.0.0.1"), seconds_ago(60))
    ((since, _),) = outages.web_outages(seconds_ago(9000), timezone.now())
    assert 59 < (timezone.now() - since).total_seconds() < 65
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    outages.look_at_web()
    outage = WebOutage.objects.get()
    assert 59 < (outage.ended_at - outage.started_at).total_seconds() < 65
    assert seen_in_the_row() == outage.ended_at


@contextmanager
def writes_refused() -> Iterator[None]:
    """As on a full disk, or one that was remounted read-only: each write fails at once, and reads go on."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.postgresql
def test_time_in_which_nothing_could_be_written_does_not_count(
    host: Host, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The web process answers meanwhile, but keeps no heartbeat."""
    Talker(host).boot_and_claim()
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    watchdog.tick()
    began = timezone.now()
    with writes_refused():
        for after_s in range(4, 700, 3):
            monkeypatch.setattr(timezone, "now", lambda at=began + timedelta(seconds=after_s): at)
            with suppress(OperationalError):
                watchdog.tick()
    monkeypatch.setattr(timezone, "now", lambda: began + timedelta(seconds=701))
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.stopped_by) == ("InventoryCheck", "")
    outage = WebOutage.objects.get()
    assert 695 < (outage.ended_at - outage.started_at).total_seconds() < 730


def _backdate(run: Run, seconds: float) -> None:
    Run.objects.filter(pk=run.pk).update(last_seen=seconds_ago(seconds))
    run.stage_runs.update(created_at=seconds_ago(seconds), go_at=timezone.now())


# --- the bench was starved ---------------------------------------------------------------------------------------


def _starved(from_s: float, to_s: float) -> None:
    BenchShortage.objects.create(
        kind="cpu", why="13 tasks waited", started_at=seconds_ago(from_s), ended_at=seconds_ago(to_s)
    )


def test_time_in_which_the_bench_was_starved_moves_a_deadline(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 700)
    _starved(690, 500)
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"


def test_but_not_for_ever_and_then_the_bench_is_blamed_and_not_the_host(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 1300)
    _starved(1300, 0)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Failed", "error", "unknown")
    assert run.bench_error.startswith("bench: The bench was short of CPU for 1300 of these 1300 s.")
    stage_run = run.stage_runs.get()
    assert (stage_run.outcome, stage_run.findings.get().severity) == ("not_tested", "info")


def test_a_host_that_was_silent_long_before_is_lost_all_the_same(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 1300)
    _starved(300, 0)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict, run.findings.get().code) == ("Failed", "failed", "system.lost")


def test_a_late_result_of_a_stage_that_the_bench_dropped_is_kept_as_evidence(host: Host, run: Run) -> None:
    talker = Talker(host)
    talker.boot_and_claim()
    _backdate(run, 1300)
    _starved(1300, 0)
    watchdog.tick()
    talker.result("InventoryCheck")
    assert "late_result" in run.stage_runs.get().evidence


def test_a_stage_that_took_long_on_a_starved_bench_is_not_overdue(host: Host, run: Run) -> None:
    talker = Talker(host)
    talker.boot_and_claim()
    limit_s = run.stage_runs.get().timeout_s
    run.stage_runs.update(go_at=seconds_ago(limit_s + 50))
    _starved(200, 100)
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"
    run.stage_runs.update(go_at=seconds_ago(limit_s + 150))
    watchdog.tick()
    run.refresh_from_db()
    assert run.findings.get().code == "system.overdue"


def _without_link(from_s: float, to_s: float, site: str = "127.0.0.1") -> None:
    BenchShortage.objects.create(
        kind="link",
        site=site,
        why="its own port has no link",
        started_at=seconds_ago(from_s),
        ended_at=seconds_ago(to_s),
    )


@pytest.mark.postgresql
def test_time_in_which_the_benchs_own_port_had_no_link_moves_a_deadline_of_its_site(host: Host, run: Run) -> None:
    """A switch that restarts takes up to twelve minutes."""
    Talker(host).boot_and_claim()
    _backdate(run, 730)
    _without_link(725, 5)
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"
    BenchShortage.objects.update(site="10.88.0.1")
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Failed", "failed"), "another site's port says nothing of this host"


@pytest.mark.postgresql
def test_without_a_link_nothing_waits_for_ever_and_no_host_is_blamed(host: Host, run: Run) -> None:
    Talker(host).boot_and_claim()
    _backdate(run, 1300)
    _without_link(1290, 0)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Failed", "error", "unknown")
    assert run.bench_error.startswith("bench: The bench's own port had no link for 1290 of these 1300 s.")


def test_a_boot_that_misses_its_deadline_on_a_starved_bench_is_the_benchs(run: Run) -> None:
    work.dispatch()
    deadline_s = 900
    Run.objects.filter(pk=run.pk).update(started_at=seconds_ago(1000), boot_deadline=seconds_ago(1000 - deadline_s))
    _starved(1000, 800)
    watchdog.tick()
    run.refresh_from_db()
    assert run.state == "WaitingWoL", "200 s of it do not count"
    Run.objects.filter(pk=run.pk).update(started_at=seconds_ago(1200), boot_deadline=seconds_ago(300))
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Failed", "error")
    assert run.bench_error.startswith("The bench was short of CPU for 200 of these 1200 s.")


def test_a_host_with_a_deadline_of_its_own_is_waited_for_by_that_one(run: Run) -> None:
    """By everybody's, 900 s, all of the time would not count."""
    work.dispatch()
    Run.objects.filter(pk=run.pk).update(started_at=seconds_ago(600), boot_deadline=seconds_ago(500))
    _starved(600, 1)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Failed", "error")


def test_an_outage_and_a_shortage_at_the_same_time_count_once(db: None) -> None:
    WebOutage.objects.create(started_at=seconds_ago(100), ended_at=seconds_ago(50))
    _starved(80, 20)
    now = timezone.now()
    excused_s = outages.not_counted(now - timedelta(seconds=200), now, 1000).total_seconds()
    assert round(excused_s) == 80
    assert round(outages.not_counted(now - timedelta(seconds=200), now, 10).total_seconds()) == 60


def test_an_outage_counts_for_the_hosts_of_its_site_only(db: None) -> None:
    since, now = seconds_ago(200), timezone.now()
    WebOutage.objects.create(site="10.0.0.1", started_at=seconds_ago(150), ended_at=seconds_ago(120))
    Lease.objects.create(name=Lease.web_of("10.0.0.2"), web_seen_at=seconds_ago(50))

    def excused_s(site: str) -> int:
        return round(outages.not_counted(since, now, 1000, site).total_seconds())

    assert [excused_s(site) for site in ("10.0.0.1", "10.0.0.2", "10.0.0.3")] == [30, 50, 0]


def test_an_outage_that_an_older_version_saw_counts_for_all(db: None) -> None:
    WebOutage.objects.create(started_at=seconds_ago(150), ended_at=seconds_ago(120))
    excused = outages.not_counted(seconds_ago(200), timezone.now(), 1000, "10.0.0.3")
    assert round(excused.total_seconds()) == 30
