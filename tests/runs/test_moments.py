from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from runs.database.moments import Later
from runs.models import StageRun
from tests import factories

pytestmark = pytest.mark.django_db

AT = datetime(2026, 2, 28, 23, 59, 58, 250_000, UTC)


@pytest.mark.parametrize("seconds", [0, 0.5, 1.75, 2, 3600, 86_400.25, 40 * 3600])
def test_the_database_adds_seconds_to_a_time(seconds: float) -> None:
    factories.StageRunFactory(go_at=AT, timeout_s=seconds)
    (found,) = StageRun.objects.values_list(Later(F("go_at"), F("timeout_s")), flat=True)
    assert abs(found - (AT + timedelta(seconds=seconds))) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(("ago_s", "is_over"), [(59, False), (61, True)])
def test_it_compares_the_sum_with_another_time(ago_s: float, is_over: bool) -> None:
    factories.StageRunFactory(go_at=AT, timeout_s=60)
    ends = StageRun.objects.annotate(end=Later(F("go_at"), F("timeout_s")))
    assert ends.filter(end__lt=AT + timedelta(seconds=ago_s)).exists() is is_over


def test_without_a_time_there_is_no_sum() -> None:
    factories.StageRunFactory(go_at=None, timeout_s=60)
    assert StageRun.objects.values_list(Later(F("go_at"), F("timeout_s")), flat=True).get() is None
