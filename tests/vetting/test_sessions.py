from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import TimeMachineFixture

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("hours", "status"), [(11, 200), (13, 302)])
def test_a_login_ends_after_half_a_day_whoever_has_its_cookie(
    admin_client: Client, time_machine: TimeMachineFixture, hours: int, status: int
) -> None:
    time_machine.move_to(timezone.now() + timedelta(hours=hours))
    assert admin_client.get("/").status_code == status
