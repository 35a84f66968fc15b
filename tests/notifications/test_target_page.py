"""The page of the targets: who may see it, and what its button does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from notifications import sending, target_page
from notifications.models import Delivery
from tests import rows
from tests.notifications.receivers import http_server, silent_server

pytestmark = pytest.mark.django_db
PAGE = "/admin/notifications/delivery/targets/"


def browser(role: str) -> Client:
    user = get_user_model().objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def ntfy(url: str, name: str = "phone") -> dict[str, str]:
    return {"name": name, "kind": "ntfy", "url": f"{url}/topic"}


def press(client: Client, name: str) -> str:
    return client.post(PAGE, {"target": name}, follow=True).content.decode()


def test_an_operator_sends_a_test_message_to_one_target(configure: Callable) -> None:
    with http_server() as phone, http_server() as other:
        configure([ntfy(phone.url), ntfy(other.url, "other")])
        assert "The test message was delivered to phone." in press(browser("operator"), "phone")
    assert (len(phone.posts), len(other.posts)) == (1, 0)
    assert phone.posts[0][2]["title"] == "Vetting: a test message"


def test_what_goes_wrong_is_told(configure: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LIMIT_S", 0.3)
    client = browser("operator")
    with http_server(500) as broken, silent_server() as silent:
        configure([ntfy(broken.url), ntfy(silent.url, "silent")])
        assert "not delivered to phone: " in press(client, "phone")
        assert "answered 500" in press(client, "phone")
        assert "no answer within" in press(client, "silent")
        assert "has no target" in press(client, "nobody")
        with target_page._turn:
            assert "Another test message is being sent" in press(client, "phone")
    assert len(broken.posts) == 2


def test_a_viewer_sees_what_each_target_got_and_has_no_button(configure: Callable) -> None:
    with http_server() as phone:
        configure([ntfy(phone.url), ntfy(phone.url, "other")])
        event = rows.an_event(rows.a_run(), "StageFailed")
        Delivery.objects.create(event=event, target="phone", problem="answered 500", tries=1)
        client = browser("viewer")
        page = client.get(PAGE).content.decode()
        assert "answered 500" in page and "No message yet." in page and 'name="target"' not in page
        assert client.post(PAGE, {"target": "phone"}).status_code == 403
        assert PAGE in client.get(reverse("admin:notifications_delivery_changelist")).content.decode()
    assert phone.posts == []
