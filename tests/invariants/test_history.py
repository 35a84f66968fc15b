"""Each invariant holds on runs as they are made, and is seen to fail on rows made wrong."""

from __future__ import annotations

from django.utils import timezone

from runs import invariants
from runs.machine import Event, State
from runs.models import Actor, Run, RunEvent
from tests.talker import Talker


def broken() -> set[str]:
    return {violation.invariant for violation in invariants.check()}


def test_nothing_is_broken_where_nothing_ever_ran(db: None) -> None:
    assert invariants.check() == []


def test_nothing_is_broken_in_a_run_that_passed(passed: Run) -> None:
    assert (passed.verdict, invariants.check()) == ("passed", [])


def test_nothing_is_broken_while_a_host_is_tested(machine: Talker) -> None:
    machine.pass_stages_until("Memory")
    assert invariants.check() == []


def test_nothing_is_broken_while_a_host_is_held(held: Run) -> None:
    assert (held.state, invariants.check()) == (State.FAILED_HOLDING, [])


def test_a_step_that_the_table_does_not_have(passed: Run) -> None:
    event = passed.events.get(kind=Event.CLAIMED)
    RunEvent.objects.filter(pk=event.pk).update(kind=Event.RELEASE)
    assert broken() == {"history_in_table", "attempts_by_history"}


def test_an_event_that_is_missing(passed: Run) -> None:
    passed.events.filter(kind=Event.STAGE_DONE).order_by("id")[3].delete()
    assert broken() == {"history_is_chain", "attempts_by_history"}


def test_a_run_that_does_not_begin_at_the_beginning(passed: Run) -> None:
    passed.events.get(kind=Event.QUEUE).delete()
    assert broken() == {"history_is_chain"}


def test_an_event_that_came_twice(passed: Run) -> None:
    event = passed.events.filter(kind=Event.STAGE_DONE).last()
    event.pk = None
    event.save()
    assert broken() == {"history_is_chain"}


def test_a_state_that_no_event_led_to(passed: Run) -> None:
    Run.objects.filter(pk=passed.pk).update(state=State.RELEASED)
    assert broken() == {"state_by_history", "passed_with_evidence"}


def test_a_run_without_any_history(passed: Run) -> None:
    passed.events.all().delete()
    assert broken() == {"state_by_history", "attempts_by_history"}


def test_an_end_that_is_missing(passed: Run) -> None:
    Run.objects.filter(pk=passed.pk).update(ended_at=None)
    assert broken() == {"ended_when_over"}


def test_an_end_that_came_too_early(machine: Talker) -> None:
    Run.objects.update(ended_at=timezone.now())
    assert broken() == {"ended_when_over"}


def test_a_failure_that_the_run_went_on_from_is_no_step(passed: Run) -> None:
    done = passed.events.filter(kind=Event.STAGE_DONE).first()
    here = {"state_before": done.state_before, "state_after": done.state_before}
    RunEvent.objects.create(run=passed, kind=Event.STAGE_FAILED, actor=Actor.AGENT, **here)
    assert broken() == set()
