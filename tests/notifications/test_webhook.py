"""Webhooks: signed, with an envelope for programs, and tried again until the receiver takes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications import outbox, sending
from notifications.channel import DeliveryFailed
from notifications.channels import webhook
from notifications.models import Delivery
from runs.models import RunEvent
from tests import rows
from tests.notifications.receivers import http_server, self_signed, silent_server
from tests.notifications.test_channels import LIMIT_S, MESSAGE, _closed_port

KEY = "a key that both sides know"


def hook(url: str, name: str = "cmdb") -> dict[str, str]:
    return {"name": name, "kind": "webhook", "url": f"{url}/hooks/vetting", "token_env": "WEBHOOK_KEY"}


@pytest.fixture
def configure_hook(configure: Callable) -> Callable[..., None]:
    return lambda *targets: configure(list(targets), secrets={"WEBHOOK_KEY": KEY})


def a_failed_run() -> RunEvent:
    run = rows.a_run(state="Failed", verdict="failed", repair="new DIMM")
    rows.a_finding(rows.a_stage(run, "SMART", "failed"))
    return rows.an_event(run, "StageFailed")


def comes_due(row: Delivery) -> None:
    Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the standard's own libraries."""
    key, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    made = webhook.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_that_is_no_base64_is_told_without_showing_it() -> None:
    with pytest.raises(DeliveryFailed) as failure:
        webhook.signature("whsec_%%%", "1", "1", b"")
    assert "%%%" not in str(failure.value)


@pytest.mark.django_db
def test_a_program_gets_the_facts_and_can_check_who_sent_them(configure_hook: Callable, run_queue: Callable) -> None:
    with http_server(204) as server:
        configure_hook(hook(server.url))
        event = a_failed_run()
        outbox.tick()
        run_queue()
    [(path, headers, body)] = server.posts
    head = {name.lower(): value for name, value in headers.items()}
    assert (path, head["content-type"], head["webhook-id"]) == (
        "/hooks/vetting",
        "application/json",
        f"vetting-{event.pk}",
    )
    assert (body["type"], body["version"], body["timestamp"][-1]) == ("vetting.StageFailed", 1, "Z")
    assert body["data"]["title"] == "node-1: Disk health failed"
    told = {
        name: body["data"][name] for name in ("run", "host", "verdict", "stage", "components", "repair", "severity")
    }
    assert told == {
        "run": event.run_id, "host": "node-1", "verdict": "failed", "stage": "SMART", "components": ["SATA-0001"],
        "repair": "new DIMM", "severity": "critical",
    }  # fmt: skip
    signed = (
        f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode()
        + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    )
    wanted = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{wanted}"


@pytest.mark.django_db
@pytest.mark.parametrize("status", [429, 500, 302])
def test_it_is_tried_again_until_it_is_taken_with_the_same_id(
    configure_hook: Callable, run_queue: Callable, status: int
) -> None:
    with http_server(status) as broken:
        configure_hook(hook(broken.url))
        a_failed_run()
        outbox.tick()
        run_queue()
        outbox.tick()
        assert run_queue() == 0, "not before it is due"
    row = Delivery.objects.get()
    assert (row.sent_at, row.tries) == (None, 1) and f"answered {status}" in row.problem
    assert row.due_at is not None and 50 < (row.due_at - timezone.now()).total_seconds() <= 60
    with http_server() as mended:
        configure_hook(hook(mended.url))
        comes_due(row)
        outbox.tick()
        assert run_queue() == 1
    row.refresh_from_db()
    assert (row.tries, row.problem, row.due_at) == (2, "", None) and row.sent_at
    ids = [{name.lower(): value for name, value in of[1].items()}["webhook-id"] for of in broken.posts + mended.posts]
    assert len(ids) == 2 and len(set(ids)) == 1
    outbox.tick()
    assert run_queue() == 0


@pytest.mark.django_db
def test_it_is_given_up_after_the_last_try(configure_hook: Callable, run_queue: Callable) -> None:
    configure_hook(hook(f"http://127.0.0.1:{_closed_port()}"))
    a_failed_run()
    waits = []
    outbox.tick()
    while run_queue():
        row = Delivery.objects.get()
        if row.due_at is None:
            break
        waits.append(round((row.due_at - timezone.now()).total_seconds() / 10) * 10)
        comes_due(row)
        outbox.tick()
    assert tuple(waits) == webhook.SERVICE.retry_after_s
    assert (row.tries, row.sent_at) == (7, None) and "cannot be reached" in row.problem


@pytest.mark.django_db
def test_a_receiver_that_hangs_is_tried_again_and_delays_nobody(
    configure_hook: Callable, run_queue: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LIMIT_S", 0.5)
    with silent_server() as silent, http_server() as well:
        configure_hook(hook(silent.url, "hangs"), hook(well.url, "well"))
        a_failed_run()
        outbox.tick()
        run_queue()
        assert len(well.posts) == 1
    hangs = Delivery.objects.get(target="hangs")
    assert "no answer" in hangs.problem and hangs.due_at is not None
    assert Delivery.objects.get(target="well").due_at is None


@pytest.mark.django_db
def test_a_program_gets_again_what_a_dying_worker_may_have_sent(configure_hook: Callable, run_queue: Callable) -> None:
    with http_server() as server:
        configure_hook(hook(server.url))
        row = Delivery.objects.create(event=a_failed_run(), target="cmdb", attempted_at=timezone.now())
        outbox.deliver([row.pk])
        row.refresh_from_db()
        assert row.problem == outbox.NOBODY_KNOWS and row.due_at is not None and server.posts == []
        comes_due(row)
        outbox.tick()
        run_queue()
    assert len(server.posts) == 1


@pytest.mark.django_db
def test_a_target_that_is_no_longer_configured_is_not_tried_again(
    configure_hook: Callable, run_queue: Callable
) -> None:
    configure_hook(hook("http://127.0.0.1:9"))
    a_failed_run()
    outbox.tick()
    configure_hook(hook("http://127.0.0.1:9", "another"))
    run_queue()
    assert Delivery.objects.get(target="cmdb").due_at is None


def test_a_test_message_says_that_it_is_one() -> None:
    with http_server() as server:
        webhook.send(webhook.Options(url=server.url, token=KEY), MESSAGE, LIMIT_S)
    assert server.posts[0][1].get("webhook-id") == "vetting-test"


# --- sent again by a person ----------------------------------------------------------------------------------------


def press(client: Client, *wanted: Delivery) -> Any:
    given = {"action": "send_again", "_selected_action": [row.pk for row in wanted]}
    return client.post(reverse("admin:notifications_delivery_changelist"), given, follow=True)


@pytest.mark.django_db
def test_an_operator_sends_a_message_again(configure_hook: Callable, run_queue: Callable, admin_client: Client) -> None:
    with http_server() as server:
        configure_hook(hook(server.url))
        row = Delivery.objects.create(
            event=a_failed_run(), target="cmdb", attempted_at=timezone.now(), problem="no", tries=7
        )
        assert "1 message is sent again" in press(admin_client, row).content.decode()
        assert run_queue() == 1
    row.refresh_from_db()
    assert (row.problem, row.tries, len(server.posts)) == ("", 1, 1)


@pytest.mark.django_db
def test_one_that_is_being_sent_is_left_alone(
    configure_hook: Callable, run_queue: Callable, admin_client: Client
) -> None:
    configure_hook(hook("http://127.0.0.1:9"))
    row = Delivery.objects.create(event=a_failed_run(), target="cmdb", attempted_at=timezone.now())
    assert "being sent" in press(admin_client, row).content.decode()
    assert run_queue() == 0


@pytest.mark.django_db
def test_who_may_only_look_may_not_send_again(client: Client, run_queue: Callable) -> None:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    row = Delivery.objects.create(event=a_failed_run(), target="cmdb", attempted_at=timezone.now(), problem="no")
    press(client, row)
    assert run_queue() == 0


@pytest.mark.django_db
def test_a_certificate_that_nobody_vouches_for_gets_nothing_and_is_tried_again(
    configure_hook: Callable, run_queue: Callable, tmp_path: Path
) -> None:
    with http_server(tls=self_signed(tmp_path)) as server:
        configure_hook(hook(f"https://127.0.0.1:{server.port}"))
        a_failed_run()
        outbox.tick()
        run_queue()
        row = Delivery.objects.get()
        assert row.problem == f"127.0.0.1:{server.port}: its TLS certificate is not accepted"
        assert row.due_at is not None and server.posts == []
