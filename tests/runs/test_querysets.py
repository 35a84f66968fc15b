from __future__ import annotations

import pytest

from runs.models import Run
from runs.querysets import DOCUMENTS
from tests import rows

pytestmark = pytest.mark.django_db


def test_a_host_is_busy_with_its_live_or_held_run_only() -> None:
    host = rows.a_run(state="Completed").host
    assert Run.objects.busy_on(host) is None
    held = rows.a_run(host=host, state="FailedHolding")
    assert Run.objects.busy_on(host) == held


def test_runs_with_parts_come_newest_first() -> None:
    first = rows.a_run(state="Completed", inventory={"cpu": {}})
    second = rows.a_run(host=first.host, state="Completed", inventory={"cpu": {}})
    rows.a_run(host=first.host, state="Failed", inventory=None)
    assert list(first.host.runs.with_parts()) == [second, first]


def test_a_light_run_lacks_its_documents_but_those_that_are_kept() -> None:
    run = Run.objects.light("inventory").get(pk=rows.a_run().pk)
    assert run.get_deferred_fields() == set(DOCUMENTS) - {"inventory"}
