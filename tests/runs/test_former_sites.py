"""web.address is changed while a host is under test: its deadlines and its turn at the link go on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from runs import former_sites, lifecycle, outages, watchdog
from runs.bench import last_seen, process
from runs.models import Lease, Run, WebOutage
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
NEW = "10.78.0.1"


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> Talker:
    """Of a host that has booted, from a bench whose web process answers."""
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    host = a_host("node-1", mac=MAC, expected=EXPECTED)
    lifecycle.start_run(host, profile_name="quick")
    talker = Talker(host)
    talker.boot_and_claim()
    watchdog.tick()
    return talker


def the_run(talker: Talker) -> Run:
    return Run.objects.get(pk=talker.run_id)


def move(settings: Any, away_s: float = 60) -> None:
    """Web and worker are restarted with another address; so long ago the web process answered at the old one."""
    name, seen = Lease.web_of(settings.VETTING.web.address), timezone.now() - timedelta(seconds=away_s)
    Lease.objects.filter(name=name).update(web_seen_at=seen)
    last_seen.note(name, seen)
    settings.VETTING = settings.VETTING.model_copy(
        update={"web": settings.VETTING.web.model_copy(update={"address": NEW})}
    )


def silent_for(talker: Talker, seconds: float) -> None:
    """As if the host had been heard of for the last time so long ago, just before the move."""
    at = timezone.now() - timedelta(seconds=seconds)
    run = the_run(talker)
    run.stage_runs.update(created_at=at)
    run.events.filter(kind=former_sites.MOVED).update(at=at + timedelta(seconds=1))
    Run.objects.filter(pk=run.pk).update(last_seen=at)
    WebOutage.objects.update(started_at=at, ended_at=at + timedelta(seconds=5))


def test_a_run_of_the_former_address_belongs_to_the_present_one(talker: Talker, settings: Any) -> None:
    move(settings)
    watchdog.tick()
    run = the_run(talker)
    assert (run.site, run.state) == (NEW, "InventoryCheck")
    assert run.events.get(kind="site_moved").text == (
        "the bench has moved: web.address was 127.0.0.1 when this host booted, and is 10.78.0.1 now"
    )
    outage = WebOutage.objects.get(site=NEW)
    assert 60 <= (outage.ended_at - outage.started_at).total_seconds() < 65, "this did not count before the move either"


def test_a_host_that_can_not_reach_the_old_address_ends_its_run_and_is_not_blamed(
    talker: Talker, settings: Any
) -> None:
    move(settings)
    watchdog.tick()
    silent_for(talker, 700)
    watchdog.tick()
    run = the_run(talker)
    assert (run.state, run.verdict, run.host.health) == ("Failed", "error", "unknown")
    assert run.bench_error.startswith(
        "bench: The bench has moved: web.address was 127.0.0.1 when this host booted, and"
    )


def test_a_host_that_was_heard_of_after_the_move_and_is_lost_then_is_lost(talker: Talker, settings: Any) -> None:
    move(settings)
    watchdog.tick()
    silent_for(talker, 700)
    the_run(talker).events.filter(kind="site_moved").update(at=timezone.now() - timedelta(seconds=800))
    watchdog.tick()
    assert the_run(talker).verdict == "failed"


def test_network_gets_its_go_after_the_move(talker: Talker, settings: Any) -> None:
    talker.pass_stages_until("Network")
    move(settings)
    watchdog.tick()
    work.dispatch()
    assert the_run(talker).stage_runs.get(name="Network").go_at


def test_the_hosts_of_another_machine_stay_its_own(talker: Talker, settings: Any) -> None:
    """With SQLite there is no other machine."""
    elsewhere = process.mine().replace(django_settings.MACHINE, "another", 1)
    move(settings)
    Lease.objects.filter(name=Lease.web_of("127.0.0.1")).update(holder=elsewhere)
    watchdog.tick()
    assert the_run(talker).site == (NEW if connection.vendor == "sqlite" else "127.0.0.1")


def test_a_site_whose_web_process_answered_just_now_is_not_taken_over(talker: Talker, settings: Any) -> None:
    move(settings, away_s=2)
    watchdog.tick()
    assert the_run(talker).site == "127.0.0.1"
