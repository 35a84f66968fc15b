"""What a transition writes besides the state, in the same transaction. Ticks of pxe/ and notifications/ read these
rows and act on them; nothing here calls outward."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from runs import boots, hold, reporting, stage_rows
from runs.judging import run_verdict
from runs.machine import ENDED, Effect, State
from runs.models import Run, Verdict, WakeRequest

NOTIFICATIONS = {
    Effect.TELL_STAGE_FAILED: "StageFailed",
    Effect.TELL_HOLDING: "HoldingOpened",
    Effect.TELL_COMPLETED: "RunCompleted",
}


def carry_out(effect: Effect, run: Run, before: State, why: str) -> None:
    """Write the rows of one effect. `before` is the state that was left, `why` what happened in a sentence."""
    if effect not in NOTIFICATIONS:
        _WRITERS[effect](run, before, why)


def told(effects: tuple[Effect, ...]) -> str:
    """The notification kind among the effects, or empty."""
    return next((NOTIFICATIONS[effect] for effect in effects if effect in NOTIFICATIONS), "")


def _wake(run: Run, before: State, why: str) -> None:
    WakeRequest.objects.create(run=run)


def _expect_boot(run: Run, before: State, why: str) -> None:
    boots.expect(run)
    now = timezone.now()
    _save(run, started_at=now, boot_deadline=now + timedelta(seconds=settings.VETTING.deadlines.boot_s))


def _open_stage(run: Run, before: State, why: str) -> None:
    stage_rows.open_attempt(
        run, by_retry=before == State.FAILED_HOLDING or stage_rows.was_skipped_in_retry(run, before)
    )


def _close_stage(run: Run, before: State, why: str) -> None:
    blamed = None if run.state == State.CANCELLED else stage_rows.HOST_LOST
    stage_rows.close_running(run, why, blamed)


def _give_up_stage(run: Run, before: State, why: str) -> None:
    stage_rows.close_running(run, why, stage_rows.OVERDUE)


def _drop_stage(run: Run, before: State, why: str) -> None:
    stage_rows.close_running(run, why, stage_rows.BENCH_STARVED)


def _open_hold(run: Run, before: State, why: str) -> None:
    hold.open_session(run)


def _close_hold(run: Run, before: State, why: str) -> None:
    hold.close_sessions(run)
    if run.state in ENDED:  # who is released waits for no retry
        _save(run, retry_stage="")


def _write_verdict(run: Run, before: State, why: str) -> None:
    run_verdict.write(run)


def _end(run: Run, before: State, why: str) -> None:
    if run.ended_at is None:
        _save(run, ended_at=timezone.now(), boot_deadline=None)


def _reopen(run: Run, before: State, why: str) -> None:
    _save(run, ended_at=None, retry_stage="", stopped_by="", bench_error="", verdict=Verdict.NONE)


def _report(run: Run, before: State, why: str) -> None:
    reporting.want(run)


def _save(run: Run, **fields: object) -> None:
    for name, value in fields.items():
        setattr(run, name, value)
    run.save(update_fields=list(fields))


_WRITERS: dict[Effect, Callable[[Run, State, str], None]] = {
    Effect.WAKE: _wake,
    Effect.EXPECT_BOOT: _expect_boot,
    Effect.OPEN_STAGE: _open_stage,
    Effect.CLOSE_STAGE: _close_stage,
    Effect.GIVE_UP_STAGE: _give_up_stage,
    Effect.DROP_STAGE: _drop_stage,
    Effect.OPEN_HOLD: _open_hold,
    Effect.CLOSE_HOLD: _close_hold,
    Effect.WRITE_VERDICT: _write_verdict,
    Effect.END: _end,
    Effect.REOPEN: _reopen,
    Effect.REPORT: _report,
}
