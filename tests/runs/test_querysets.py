from __future__ import annotations

import pytest
from django.db import IntegrityError

from runs.machine import ENDED, HELD, LIVE, State
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


def test_the_index_of_one_run_per_host_names_the_states_that_are_over() -> None:
    """So that a new stage is guarded by it, too."""
    (constraint,) = Run._meta.constraints
    ((_, over),) = constraint.condition.children
    assert constraint.condition.negated
    assert set(over) == {*ENDED, State.FAILED} == set(State) - LIVE - HELD


@pytest.mark.parametrize("state", [State.QUEUED, State.BURN, State.FAILED_HOLDING])
def test_a_host_has_one_run_that_is_live_or_held(state: State) -> None:
    run = rows.a_run(state=state)
    with pytest.raises(IntegrityError):
        rows.a_run(host=run.host, state=State.QUEUED)
