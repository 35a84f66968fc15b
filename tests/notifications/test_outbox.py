from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ

from notifications import checks, kinds, outbox, sending
from notifications.models import Cursor, Delivery, Notice
from runs.bench import process
from runs.models import Job, RunEvent
from tests import rows
from tests.notifications.receivers import http_server, mail_server, silent_server
from tests.work import begin, do_queued

pytestmark = pytest.mark.django_db


def ntfy(name: str, url: str, **more: str) -> dict:
    return {"name": name, "kind": "ntfy", "url": f"{url}/vetting", **more}


def mail(name: str, port: int) -> dict:
    return {
        "name": name,
        "kind": "smtp",
        "host": "127.0.0.1",
        "port": port,
        "sender": "v@b.test",
        "to": ["a@x.test"],
    }


def failed_run() -> RunEvent:
    run = rows.a_run(state="Failed", verdict="failed")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"))
    return rows.an_event(run, "StageFailed")


def test_a_failed_run_reaches_ntfy_discord_and_mail(configure: Callable, run_queue: Callable) -> None:
    with http_server() as phone, http_server(204) as room, mail_server() as post:
        hook = {"name": "room", "kind": "discord", "url": f"{room.url}/hook"}
        configure([ntfy("phone", phone.url), hook, mail("mail", post.port)])
        failed_run()
        outbox.tick()
        assert run_queue() == 1
    assert phone.posts[0][2]["message"].startswith("SATA-0001: 2 pending sectors")
    assert room.posts[0][2]["embeds"][0]["title"] == "node-1: Disk health failed"
    assert post.mails[0]["Subject"] == "[vetting] node-1: Disk health failed"
    assert Delivery.objects.filter(sent_at__isnull=False, problem="").count() == 3


def test_an_event_that_tells_nothing_sends_nothing(configure: Callable, run_queue: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    rows.an_event(rows.a_run(), "")
    outbox.tick()
    assert run_queue() == 0
    assert not Notice.objects.exists()


def test_a_second_tick_and_a_second_run_of_the_same_job_send_nothing_again(
    configure: Callable, run_queue: Callable
) -> None:
    with http_server() as phone:
        configure([ntfy("phone", phone.url)])
        failed_run()
        outbox.tick()
        outbox.tick()
        assert Job.objects.count() == 1
        run_queue()
        outbox.deliver(list(Delivery.objects.values_list("pk", flat=True)))
    assert len(phone.posts) == 1


def test_a_worker_that_still_has_the_old_cursor_takes_nothing_up_twice(configure: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    failed_run()
    outbox.tick()
    Cursor.objects.update(last_event=0)
    outbox.tick()
    assert Delivery.objects.count() == 1
    assert Job.objects.count() == 1


def test_a_backlog_is_taken_up_a_part_a_round_and_all_of_it(configure: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    run = rows.a_run()
    for _ in range(2 * outbox.PER_TICK + 5):
        rows.an_event(run, "RunCompleted")
        rows.an_event(run)
    taken = []
    for _ in range(4):
        outbox.tick()
        taken.append(Delivery.objects.count())
    assert taken == [outbox.PER_TICK, 2 * outbox.PER_TICK, 2 * outbox.PER_TICK + 5, 2 * outbox.PER_TICK + 5]


def test_an_event_committed_behind_the_cursor_is_still_told(configure: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    event = failed_run()
    rows.an_event(event.run)
    Cursor.objects.create(name="outbox", last_event=event.pk + 1)
    outbox.tick()
    assert Delivery.objects.get().event == event


def test_a_failure_is_recorded_logged_and_not_tried_again(
    configure: Callable, run_queue: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    with http_server(500) as phone:
        configure([ntfy("phone", phone.url)])
        failed_run()
        outbox.tick()
        run_queue()
        outbox.tick()
        assert run_queue() == 0
    row = Delivery.objects.get()
    assert row.sent_at is None
    assert row.problem == f"127.0.0.1:{phone.port}: answered 500"
    assert "StageFailed not delivered to phone" in caplog.text
    assert len(phone.posts) == 1


def in_order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets, as each is done with."""
    ended, send = [], sending.send_to_all

    def told(*given: Any) -> Iterator[sending.Outcome]:
        for outcome in send(*given):
            ended.append(outcome[0])
            yield outcome

    monkeypatch.setattr(sending, "send_to_all", told)
    return ended


def test_a_target_that_never_answers_is_bounded_and_in_nobodys_way(
    configure: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LIMIT_S", 0.5)
    with silent_server() as silent, http_server() as phone, mail_server() as post:
        configure(
            [
                ntfy("dead", silent.url),
                mail("dead-mail", silent.port),
                ntfy("phone", phone.url),
                mail("mail", post.port),
            ]
        )
        failed_run()
        outbox.tick()
        begin()
        ended = in_order(monkeypatch)
        do_queued()
    assert set(ended[2:]) == {"dead", "dead-mail"}, "who answers waits for nobody who does not"
    assert {row.target: bool(row.problem) for row in Delivery.objects.all()} == {
        "dead": True,
        "dead-mail": True,
        "phone": False,
        "mail": False,
    }
    assert all("no answer within 0.5 s" in row.problem for row in Delivery.objects.exclude(problem=""))
    assert len(phone.posts) == len(post.mails) == 1


def test_a_message_that_can_not_be_composed_is_put_aside_once(
    configure: Callable, run_queue: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not asked for again every half minute, with a row in the history each time."""
    monkeypatch.setattr(kinds, "compose", lambda event: 1 // 0)
    configure([ntfy("phone", "http://127.0.0.1:9")])
    failed_run()
    for _ in range(6):
        outbox.tick()
        run_queue()
        Job.objects.exclude(due_at=None).update(due_at=timezone.now())
    assert Job.objects.get().tries == 3
    assert RunEvent.objects.filter(kind="job_put_aside").count() == 1


def test_a_message_whose_worker_died_is_sent_once_and_its_row_says_what_is_known(
    configure: Callable, run_queue: Callable
) -> None:
    """Killed behind the sending to one target and before the claim of another; the job is tried again."""
    with http_server() as phone, http_server() as other:
        configure([ntfy("phone", phone.url), ntfy("other", other.url)])
        failed_run()
        outbox.tick()
        Delivery.objects.filter(target="phone").update(attempted_at=timezone.now())
        begin()
        Job.objects.update(holder=f"{process.here()}{2**22 + 1}/1", started_at=timezone.now())
        OrmQ.objects.all().delete()
        begin()
        Job.objects.update(due_at=timezone.now())
        assert run_queue() == 1
    assert (len(phone.posts), len(other.posts)) == (0, 1)
    assert Delivery.objects.get(target="phone").problem == outbox.NOBODY_KNOWS
    assert not Job.objects.exists() and not RunEvent.objects.filter(kind="job_put_aside").exists()


def test_the_tick_itself_sends_nothing(configure: Callable) -> None:
    with http_server() as phone:
        configure([ntfy("phone", phone.url)])
        failed_run()
        outbox.tick()
        assert phone.posts == []


def test_a_kind_that_nobody_knows_is_logged_and_does_not_stop_the_next(
    configure: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    rows.an_event(rows.a_run(), "Gossip")
    rows.an_event(rows.a_run(rows.a_host("node-2", "52:54:00:00:00:02")), "RunCompleted")
    outbox.tick()
    assert "'Gossip', which is no kind of message" in caplog.text
    assert Delivery.objects.get().event.tells == "RunCompleted"


def test_a_secret_missing_from_the_environment_is_an_error_at_the_start_and_a_problem_on_the_row(
    configure: Callable, run_queue: Callable
) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9", token_env="NTFY_TOKEN")])
    [error] = checks.targets_have_their_secrets()
    assert "NTFY_TOKEN" in error.msg
    failed_run()
    outbox.tick()
    run_queue()
    assert "the environment has no NTFY_TOKEN" in Delivery.objects.get().problem


def test_the_secret_reaches_the_target_and_no_log(
    configure: Callable, run_queue: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with http_server(403) as phone:
        configure([ntfy("phone", phone.url, token_env="NTFY_TOKEN")], secrets={"NTFY_TOKEN": "tk_hidden"})
        failed_run()
        outbox.tick()
        run_queue()
    assert phone.posts[0][1]["Authorization"] == "Bearer tk_hidden"
    assert "tk_hidden" not in caplog.text + Delivery.objects.get().problem


def test_a_target_without_a_route_is_a_warning(configure: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")], routes=[])
    [warning] = checks.targets_are_routed()
    assert "phone is in no route" in warning.msg


def test_notify_test_says_for_each_target_what_came_of_it(configure: Callable) -> None:
    out = StringIO()
    with http_server() as phone, http_server(404) as wrong:
        configure([ntfy("phone", phone.url), ntfy("wrong", wrong.url)])
        with pytest.raises(CommandError, match="1 not delivered: wrong"):
            call_command("notify_test", stdout=out)
        call_command("notify_test", "--target", "phone", stdout=out)
    assert f"wrong: 127.0.0.1:{wrong.port}: answered 404" in out.getvalue()
    assert len(phone.posts) == 2


def test_notify_test_names_the_targets_there_are(configure: Callable) -> None:
    configure([ntfy("phone", "http://127.0.0.1:9")])
    with pytest.raises(CommandError, match="no target 'fax'; there is: phone"):
        call_command("notify_test", "--target", "fax")
