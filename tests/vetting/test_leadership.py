"""Which machine leads, what the others do, and what people are told of them. (tests/several/ has real processes.)"""

from __future__ import annotations

import io
import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

import pxe.supervisor
import runs.jobs
import runs.outages
from runs.bench import last_seen, process, service_state
from runs.bench import problems as bench
from runs.database import clock
from runs.files import volatile
from runs.models import Lease
from vetting import leadership, rounds

pytestmark = pytest.mark.django_db


def other_machine(name: str = "orch-2", **fields: Any) -> Lease:
    return Lease.objects.create(name=Lease.round_of(name), holder=f"{name}/00000000/1/1", **fields)


def test_a_machine_leads_through_its_sessions() -> None:
    assert leadership.take_round("me") and leadership.take_lead("me")
    assert leadership.renew("me") == (True, True)
    leadership.free_round("me")
    assert Lease.objects.get(name=leadership.local()).until is None
    assert Lease.objects.get(name=Lease.ROUND).until is not None, "no other machine takes over in between"


def test_the_next_process_of_a_machine_that_leads_goes_on_leading() -> None:
    before, after = f"{process.here()}1/1", f"{process.here()}2/2"
    assert leadership.take_round(before) and leadership.take_lead(before)
    leadership.free_round(before)
    assert leadership.take_round(after) and leadership.take_lead(after)
    assert leadership.renew(before) == (False, False)
    assert leadership.renew(after) == (True, True)


@pytest.mark.django_db(transaction=True)
def test_who_has_handed_over_and_was_not_told_so_does_not_hand_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit happened, and its answer was lost: two sessions were queued."""
    really, calls = rounds.hand_over, list[str]()

    def hand_over(me: str) -> None:
        really(me)
        calls.append(me)
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(rounds, "hand_over", hand_over)
    for name, value in {"TICKS": (), "ALONE_SESSION_S": 0.0, "SESSION_S": 0.0, "INTERVAL_S": 0.0}.items():
        monkeypatch.setattr(rounds, name, value)
    rounds.session()
    assert (len(calls), OrmQ.objects.count()) == (1, 1)
    assert Lease.objects.get(name=leadership.local()).until is None


def test_who_goes_on_renews_without_a_write_and_is_seen_all_the_same() -> None:
    assert leadership.take_round("me") and leadership.take_lead("me")
    rows = list(Lease.objects.order_by("name").values())
    for _ in range(3):
        assert leadership.renew("me") == (True, True)
    assert list(Lease.objects.order_by("name").values()) == rows
    assert service_state.age_s() < 5 and not service_state.is_silent()


def test_a_round_that_is_seen_is_kept_and_one_that_is_not_seen_for_10_s_is_taken_over() -> None:
    assert leadership.take_round("me")
    leadership.renew("me")
    Lease.objects.update(until=timezone.now() - timedelta(hours=1))
    assert not leadership.take_round("another")
    last_seen.note(leadership.local(), timezone.now() - timedelta(seconds=11))
    assert leadership.take_round("another")
    assert leadership.renew("me") == (False, False)


def test_a_round_that_ends_says_in_its_row_when_it_was_seen() -> None:
    assert leadership.take_round("me") and leadership.take_lead("me")
    leadership.renew("me")
    leadership.drop()
    leadership.free_round("me")
    shutil.rmtree(volatile.folder(settings.PID_DIR))  # as a restart of the machine does
    assert service_state.last_round(leadership.local())


def test_where_no_file_can_be_written_the_row_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leadership.take_round("me") and leadership.take_lead("me")
    monkeypatch.setattr(last_seen, "note", lambda lease, at: False)
    leadership.renew("me")
    assert service_state.age_s() < 5


def test_while_another_machine_leads_this_one_does_its_own_round() -> None:
    Lease.objects.create(name=Lease.ROUND, holder="orch-2/0/1/1", until=timezone.now() + timedelta(seconds=9))
    assert leadership.take_round("me")
    assert not leadership.take_lead("me")
    assert leadership.renew("me") == (True, False)


def test_a_machine_whose_clock_is_wrong_does_not_lead_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "ahead_s", lambda: -7.0)
    assert not leadership.take_lead("me")
    assert "is more than 5 s behind the database's" in bench.problems("clock")[0].what
    monkeypatch.setattr(clock, "ahead_s", lambda: 0.5)
    assert leadership.take_lead("me")
    assert bench.problems("clock") == []


def test_two_machines_with_one_name_are_told(caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    until = timezone.now() + timedelta(seconds=9)
    other_machine(settings.MACHINE, until=until)
    assert not leadership.take_round(process.mine())
    assert "VETTING_MACHINE" in caplog.text


def test_a_machine_that_does_no_rounds_is_named() -> None:
    other_machine(ticked_at=timezone.now() - timedelta(minutes=5))
    other_machine("orch-3", ticked_at=timezone.now())
    (told,) = leadership._silent_machines()
    assert told.what.startswith("orch-2 has done no round since ")


def test_a_relay_does_what_is_near_its_hosts_and_no_jobs(settings: Any) -> None:
    near = rounds.ticks_of(leads=False)
    assert {pxe.supervisor.tick, rounds.share_link, runs.jobs.tick} < set(near)
    settings.VETTING = settings.VETTING.model_copy(update={"role": "relay"})
    assert [tick for tick in near if tick not in rounds.ticks_of(leads=False)] == [runs.jobs.tick]


def test_every_tick_of_each_machine_is_a_tick() -> None:
    assert set(rounds.ON_EACH_MACHINE) - set(rounds.TICKS) == {runs.outages.look_at_web}


def test_the_command_lists_the_machines(settings: Any) -> None:
    leadership.take_round(me := process.mine())
    leadership.take_lead(me)
    leadership.renew(me)
    other_machine(ticked_at=timezone.now() - timedelta(minutes=5))
    call_command("machines", stdout=(said := io.StringIO()))
    assert f"{settings.MACHINE}: at work, round 0 s ago, leads, this one\n" in said.getvalue()
    assert "orch-2: silent, round 300 s ago\n" in said.getvalue()


def test_a_machine_that_is_gone_can_be_forgotten() -> None:
    other_machine()
    OrmQ.objects.create(key="vetting orch-2", payload="x", lock=timezone.now())
    call_command("machines", "--forget", "orch-2", stdout=io.StringIO())
    assert not Lease.objects.exists() and not OrmQ.objects.exists()


def test_a_machine_at_work_is_not_forgotten() -> None:
    other_machine(until=timezone.now() + timedelta(seconds=9))
    with pytest.raises(CommandError, match="is at work"):
        call_command("machines", "--forget", "orch-2")
    with pytest.raises(CommandError, match="no machine is called"):
        call_command("machines", "--forget", "orch-9")


def test_while_the_database_fails_this_machine_does_not_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(me: str) -> bool:
        raise OperationalError("database is locked")

    monkeypatch.setattr(leadership, "take_lead", refuse)
    assert not rounds._may_lead("me")
