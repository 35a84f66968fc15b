"""Rows of a run's life made wrong: history, attempts, slots, waiting."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from runs.machine import Event, State
from runs.models import Boot, HoldSession, Job, RunEvent, StageRun, WakeRequest
from tests import rows
from tests.invariants.cases import OLD, breaks, put
from tests.invariants.conftest import Runs

# --- history -----------------------------------------------------------------------------------------------------


@breaks("history_in_table", "attempts_by_history")
def a_step_that_the_table_does_not_have(runs: Runs) -> None:
    runs.passed.events.filter(kind=Event.CLAIMED).update(kind=Event.RELEASE)


@breaks("history_is_chain", "attempts_by_history")
def an_event_that_is_missing(runs: Runs) -> None:
    runs.passed.events.filter(kind=Event.STAGE_DONE).order_by("id")[3].delete()


@breaks("history_is_chain")
def a_run_that_does_not_begin_at_the_beginning(runs: Runs) -> None:
    runs.passed.events.get(kind=Event.QUEUE).delete()


@breaks("history_is_chain")
def an_event_that_came_twice(runs: Runs) -> None:
    event = runs.passed.events.filter(kind=Event.STAGE_DONE).last()
    event.pk = None
    event.save()


@breaks("state_by_history", "passed_with_evidence")
def a_state_that_no_event_led_to(runs: Runs) -> None:
    put(runs.passed, in_state=State.RELEASED)


@breaks("state_by_history", "attempts_by_history")
def a_run_without_any_history(runs: Runs) -> None:
    runs.passed.events.all().delete()


@breaks("ended_when_over")
def an_end_that_is_missing(runs: Runs) -> None:
    put(runs.passed, ended_at=None)


@breaks("ended_when_over")
def an_end_that_came_too_early(runs: Runs) -> None:
    put(runs.testing, ended_at=timezone.now())


# --- attempts ----------------------------------------------------------------------------------------------------


@breaks("one_open_attempt")
def a_stage_without_an_open_attempt(runs: Runs) -> None:
    runs.testing.stage_runs.filter(outcome="").update(outcome="passed")


@breaks("one_open_attempt", "attempts_by_history")
def two_open_attempts(runs: Runs) -> None:
    open_now = runs.testing.stage_runs.get(outcome="")
    open_now.pk, open_now.attempt = None, 2
    open_now.save()


@breaks("attempts_by_history", "passed_with_evidence")
def an_attempt_that_was_lost(runs: Runs) -> None:
    runs.passed.stage_runs.filter(name="SMART").delete()


@breaks("attempts_by_history")
def an_attempt_with_a_wrong_number(runs: Runs) -> None:
    runs.passed.stage_runs.filter(name="SMART").update(attempt=2)


@breaks("batches_counted")
def measurements_that_no_batch_brought(runs: Runs) -> None:
    rows.measured(runs.testing, 40.0)


@breaks("batches_counted")
def a_batch_that_was_acknowledged_and_not_counted(runs: Runs) -> None:
    Boot.objects.filter(run=runs.testing).update(sensor_seq=3)


@breaks("one_live_token")
def an_older_boot_that_may_still_speak(runs: Runs) -> None:
    Boot.objects.filter(run=runs.testing).update(number=2)
    Boot.objects.create(run=runs.testing, number=1, nonce="n", agent_token_hash="h")


@breaks("keys_while_held")
def a_hold_that_stays_open(runs: Runs) -> None:
    HoldSession.objects.create(run=runs.passed, boot=1, public_key="p")


@breaks("keys_while_held")
def a_key_that_is_kept(runs: Runs) -> None:
    HoldSession.objects.create(run=runs.held, boot=1, public_key="p", private_key_sealed="x", closed_at=timezone.now())


@breaks("keys_while_held")
def a_held_host_without_a_hold(runs: Runs) -> None:
    HoldSession.objects.filter(run=runs.held).update(closed_at=timezone.now(), private_key_sealed="")


@breaks("retry_while_held")
def a_retry_of_a_run_that_is_not_held(runs: Runs) -> None:
    put(runs.testing, retry_stage="SMART")


# --- slots -------------------------------------------------------------------------------------------------------


@breaks("one_run_per_host", "state_by_history", "ended_when_over")
def two_runs_of_a_host(runs: Runs) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_live_or_held_run_per_host")
    put(runs.passed, in_state=State.QUEUED, state_since=timezone.now(), verdict="", host_id=runs.testing.host_id)


@breaks("within_slots")
def a_run_that_was_one_too_many(runs: Runs) -> None:
    event = runs.testing.events.get(kind=Event.DISPATCH)
    RunEvent.objects.filter(pk=event.pk).update(data={"slots": 0})


@breaks()
def slots_that_were_taken_again_after_others_had_left(runs: Runs) -> None:
    RunEvent.objects.filter(kind=Event.DISPATCH).update(data={"slots": 1})


@breaks(
    "one_at_link", "state_by_history", "one_open_attempt", "attempts_by_history", "ended_when_over", "keys_while_held",
    "verdict_when_over",
)  # fmt: skip
def two_at_the_link(runs: Runs) -> None:
    now = timezone.now()
    for run in (runs.testing, runs.held):
        put(run, in_state=State.NETWORK)
        StageRun.objects.create(run=run, name="Network", order=7, timeout_s=60, go_at=now)


# --- waiting -----------------------------------------------------------------------------------------------------


@breaks("waits_have_deadlines", "state_by_history", "one_open_attempt")
def a_boot_without_a_deadline(runs: Runs) -> None:
    put(runs.testing, in_state=State.BOOTING, boot_deadline=None)


@breaks("waits_have_deadlines")
def a_stage_without_a_time_limit(runs: Runs) -> None:
    runs.testing.stage_runs.filter(outcome="").update(timeout_s=0)


@breaks("waits_have_deadlines")
def a_stage_that_nobody_lets_go(runs: Runs) -> None:
    runs.testing.stage_runs.filter(outcome="").update(go_at=None)


@breaks("deadlines_are_kept")
def a_silent_host_that_nobody_misses(runs: Runs) -> None:
    put(runs.testing, last_seen=timezone.now() - OLD)
    runs.testing.stage_runs.filter(outcome="").update(created_at=timezone.now() - OLD)


@breaks("deadlines_are_kept")
def a_stage_that_nobody_ends(runs: Runs) -> None:
    runs.testing.stage_runs.filter(outcome="").update(go_at=timezone.now() - OLD)


@breaks("deadlines_are_kept")
def a_hold_that_nobody_ends(runs: Runs) -> None:
    put(runs.held, state_since=timezone.now() - timedelta(days=30))


@breaks("worker_is_prompt")
def a_report_that_nobody_writes(runs: Runs) -> None:
    put(runs.passed, report_due=True)
    runs.passed.events.update(at=timezone.now() - OLD)


@breaks("worker_is_prompt")
def a_job_that_nobody_hands_out(runs: Runs) -> None:
    Job.objects.create(call="runs.reports.write.write_due", title="the report", limit_s=60, due_at=timezone.now() - OLD)


@breaks("worker_is_prompt")
def a_job_that_never_ends(runs: Runs) -> None:
    Job.objects.create(
        call="runs.reports.write.write_due", title="the report", limit_s=60, handed_at=timezone.now() - OLD
    )


@breaks("worker_is_prompt", "state_by_history", "one_open_attempt")
def a_wake_that_nobody_sends(runs: Runs) -> None:
    put(runs.testing, in_state=State.WAITING_WOL)
    WakeRequest.objects.filter(run=runs.testing).update(requested_at=timezone.now() - OLD, sent=0)


@breaks("worker_is_prompt", "state_by_history", "one_open_attempt")
def a_queue_that_nobody_serves(runs: Runs) -> None:
    RunEvent.objects.update(at=timezone.now() - OLD)
    put(runs.testing, in_state=State.QUEUED, state_since=timezone.now() - OLD)


@breaks("waits_have_deadlines", "state_by_history", "one_open_attempt")
def a_queued_run_of_a_disabled_host(runs: Runs) -> None:
    put(runs.testing, in_state=State.QUEUED)
    runs.testing.host.enabled = False
    runs.testing.host.save()
