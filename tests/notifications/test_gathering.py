"""Nobody gets 500 mails at night: messages wait in quiet hours and in a burst, and come as one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from notifications import gathering, kinds, outbox, routing
from notifications.models import Delivery
from runs.models import Run, RunEvent
from tests import rows
from tests.notifications.receivers import http_server
from vetting import config
from vetting.config import Quiet, Route

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = {"after": "22:00", "until": "07:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("quiet", "severity", "now", "until"),
    [
        (NIGHT, "info", "2026-11-30 21:59", None),
        (NIGHT, "info", "2026-11-30 22:00", "2026-12-01 07:00"),
        (NIGHT, "info", "2026-12-01 00:30", "2026-12-01 07:00"),
        (NIGHT, "info", "2026-12-01 07:00", None),
        (NIGHT, "critical", "2026-12-01 00:30", None),
        (NIGHT | {"severities": ["critical", "info"]}, "critical", "2026-12-01 00:30", "2026-12-01 07:00"),
        (NIGHT | {"targets": ["mail"]}, "info", "2026-12-01 00:30", None),
        ({"after": "12:00", "until": "13:30"}, "info", "2026-11-30 12:59", "2026-11-30 13:30"),
        ({"after": "12:00", "until": "13:30"}, "info", "2026-11-30 13:30", None),
        (NIGHT, "info", "2026-10-24 23:00", "2026-10-25 07:00"),  # the night in which clocks are set back
    ],
)
def test_quiet_hours_end_when_they_say(quiet: dict[str, Any], severity: str, now: str, until: str | None) -> None:
    found = gathering.quiet_until([Quiet(**quiet)], "phone", severity, at(now))
    assert found == (at(until) if until else None)


@pytest.mark.parametrize(
    ("quiet", "words"),
    [
        ({"after": 1320, "until": "07:00"}, "in quotes"),
        ({"after": "22:00", "until": "22:00"}, "the same time"),
        ({"after": "25:00", "until": "07:00"}, "after"),
        (NIGHT | {"targets": ["fax"]}, "quiet names fax"),
    ],
)
def test_quiet_hours_that_make_no_sense_stop_the_start(quiet: dict[str, Any], words: str) -> None:
    with pytest.raises(config.ConfigError, match=words):
        config.parse({"notifications": {"quiet": [quiet]}}, "test")


def test_a_route_takes_the_hosts_that_it_names() -> None:
    routes = [Route(hosts=["pve-*", "backup"], to=["ops"]), Route(to=["all"])]
    assert routing.targets(routes, "RunCompleted", "info", routing.About("pve-3")) == ["ops", "all"]
    assert routing.targets(routes, "RunCompleted", "info", routing.About("xpve-3")) == ["all"]


# --- with a database -------------------------------------------------------------------------------------------------


@pytest.fixture
def to(configure: Callable, settings: Any) -> Callable[..., None]:
    """Sets targets at this address, with quiet hours and a burst."""

    def apply(url: str, *, hook: str = "", **more: Any) -> None:
        targets = [{"name": "phone", "kind": "ntfy", "url": f"{url}/t"}]
        if hook:
            targets.append({"name": "cmdb", "kind": "webhook", "url": hook, "token_env": "KEY"})
        configure(targets, secrets={"KEY": "k"})
        routes = [{"to": [target["name"] for target in targets]}]
        settings.VETTING = config.parse({"notifications": {"targets": targets, "routes": routes, **more}}, "test")

    return apply


def events(number: int, run: Run | None = None) -> list[RunEvent]:
    run = run or rows.a_run()
    return [rows.an_event(run, "RunCompleted") for _ in range(number)]


@pytest.mark.django_db
def test_of_500_messages_at_night_one_arrives_in_the_morning(to: Callable, run_queue: Callable, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    with http_server() as phone, timezone.override(BERLIN):
        to(phone.url, quiet=[NIGHT])
        with time_machine.travel(at("2026-11-30 23:00"), tick=False):
            events(150)
            for _ in range(10):
                outbox.tick()
                run_queue()
            assert phone.posts == []
        with time_machine.travel(at("2026-12-01 07:00") + timedelta(seconds=1), tick=False):
            outbox.tick()
            run_queue()
    [(_, _, body)] = phone.posts
    assert body["title"] == "150 messages about 1 host"
    assert body["message"].splitlines()[0] == "150 RunCompleted"
    assert Delivery.objects.filter(sent_at__isnull=False, due_at=None).count() == 150


@pytest.mark.django_db
def test_a_burst_comes_as_single_messages_and_then_as_one(to: Callable, run_queue: Callable) -> None:
    with http_server() as phone:
        to(phone.url, burst_after=3)
        events(8)
        outbox.tick()
        run_queue()
        assert len(phone.posts) == 3
        due = set(Delivery.objects.exclude(due_at=None).values_list("due_at", flat=True))
        assert len(due) == 1
        Delivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
        outbox.tick()
        assert run_queue() == 1
        assert len(phone.posts) == 4 and phone.posts[-1][2]["title"] == "5 messages about 1 host"
        outbox.tick()
        assert run_queue() == 0


@pytest.mark.django_db
def test_one_message_that_waited_comes_as_it_is(to: Callable, run_queue: Callable) -> None:
    with http_server() as phone:
        to(phone.url, burst_after=1)
        events(2)
        outbox.tick()
        run_queue()
        Delivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
        outbox.tick()
        run_queue()
    assert [post[2]["title"] for post in phone.posts] == ["node-1: vetting passed"] * 2


@pytest.mark.django_db
def test_a_program_gets_each_message_at_once_and_nothing_waits_where_that_is_switched_off(
    to: Callable, run_queue: Callable
) -> None:
    with http_server() as phone, http_server() as cmdb:
        to(phone.url, hook=f"{cmdb.url}/h", burst_after=2)
        events(5)
        outbox.tick()
        run_queue()
        assert (len(phone.posts), len(cmdb.posts)) == (2, 5)
        to(phone.url, burst_after=None)
        events(5, Run.objects.get())
        outbox.tick()
        run_queue()
        assert len(phone.posts) == 7


@pytest.mark.django_db
def test_a_summary_that_fails_is_recorded_for_each_message_and_not_sent_again(
    to: Callable, run_queue: Callable
) -> None:
    with http_server(500) as phone:
        to(phone.url, burst_after=1)
        events(4)
        outbox.tick()
        run_queue()
        Delivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
        for _ in range(3):
            outbox.tick()
            run_queue()
    assert len(phone.posts) == 2
    assert Delivery.objects.filter(problem__contains="500", due_at=None).count() == 4


@pytest.mark.django_db
def test_a_summary_has_the_critical_ones_first(configure: Callable) -> None:
    configure([])
    good, bad = rows.a_run(), rows.a_run(rows.a_host("node-2", "52:54:00:00:00:02"), verdict="failed", state="Failed")
    told = [*events(12, good), rows.an_event(bad, "StageFailed")]
    message = kinds.summarise(told)
    assert (message.severity, message.title) == ("critical", "13 messages about 2 hosts")
    lines = message.body.splitlines()
    assert lines[0] == "1 StageFailed, 12 RunCompleted"
    assert (lines[1], lines[-1]) == ("node-2: Disk health failed", "… and 3 more")
