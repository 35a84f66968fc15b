"""The list of what was told to whom."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import Delivery
from tests import rows

pytestmark = pytest.mark.django_db


def test_the_list_is_narrowed_to_one_kind_of_message(admin_client: Client) -> None:
    run = rows.a_run()
    for kind in ("StageFailed", "RunCompleted"):
        Delivery.objects.create(event=rows.an_event(run, kind), target=f"to-{kind}")
    page = admin_client.get(reverse("admin:notifications_delivery_changelist"), {"kind": "StageFailed"})
    assert [row.target for row in page.context["cl"].result_list] == ["to-StageFailed"]
