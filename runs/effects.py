"""The rows that a transition writes besides the state, in the same transaction. Ticks of pxe/ and notifications/ read
these rows and act. Nothing here calls outward."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from runs import boots, early_memtest, hold, power, reporting, stage_rows
from runs.judging import run_verdict
from runs.machine import ENDED, Effect, State
from runs.models import Run, Verdict, WakeRequest

NOTIFICATIONS = {
    Effect.TELL_STAGE_FAILED: "StageFailed",
    Effect.TELL_HOLDING: "HoldingOpened",
    Effect.TELL_COMPLETED: "RunCompleted",
}


def carry_out(effect: Effect, run: Run, before: State, why: str) -> None:
    """Write the rows of one effect. `before` is the state that the run left; `why` says what happened."""
    match effect:
        case Effect.WAKE:
            WakeRequest.objects.create(run=run)
        case Effect.EXPECT_BOOT:
            _expect_boot(run)
        case Effect.OPEN_STAGE:
            stage_rows.open_attempt(run, by_retry=before == State.FAILED_HOLDING)
        case Effect.CLOSE_STAGE:
            stage_rows.fail_running(run, stage_rows.HOST_LOST, why)
        case Effect.GIVE_UP_STAGE:
            stage_rows.fail_running(run, stage_rows.OVERDUE, why)
        case Effect.DROP_STAGE:
            stage_rows.drop_running(run, why)
        case Effect.CANCEL_STAGE:
            stage_rows.cancel_running(run)
        case Effect.OPEN_HOLD:
            hold.open_session(run)
        case Effect.CLOSE_HOLD:
            _close_hold(run)
        case Effect.WRITE_VERDICT:
            run_verdict.write(run)
        case Effect.END:
            if run.ended_at is None:
                _save(run, ended_at=timezone.now(), boot_deadline=None)
        case Effect.REOPEN:
            _save(run, ended_at=None, retry_stage="", stopped_by="", bench_error="", verdict=Verdict.NONE)
        case Effect.REPORT:
            reporting.want(run)
        case Effect.CYCLE_POWER:
            power.cycle_hung(run)
        case Effect.READ_POWER:
            power.read_after(run)
        case _ if effect not in NOTIFICATIONS:  # notifications read those from the event's row
            raise ValueError(f"nothing carries out the effect {effect}")


def told(effects: tuple[Effect, ...]) -> str:
    """The notification kind among the effects, or empty."""
    return next((NOTIFICATIONS[effect] for effect in effects if effect in NOTIFICATIONS), "")


def _expect_boot(run: Run) -> None:
    boots.expect(run)
    now = timezone.now()
    limit_s = boots.limit_s(run) + early_memtest.takes_at_most_s(run)
    _save(run, started_at=now, boot_deadline=now + timedelta(seconds=limit_s))


def _close_hold(run: Run) -> None:
    hold.close_sessions(run)
    if run.state in ENDED:  # a released host gets no retry
        _save(run, retry_stage="")


def _save(run: Run, **fields: object) -> None:
    for name, value in fields.items():
        setattr(run, name, value)
    run.save(update_fields=list(fields))
