"""The answers to claim, result and heartbeat: what the agent does next."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.utils import timezone

from agent.contract import codec, wire
from runs import disk_writes, stage_rows
from runs.machine import ENDED, TESTING, State
from runs.models import Boot, Outcome, Run, StageRun
from runs.profiles import estimate
from runs.stages import AGENT_STAGES, LENT_S


def claim_answer(run: Run, boot: Boot) -> wire.ClaimAnswer:
    """Everything that the stages need. Stages and disks are sent only if the run is in a stage and this is its newest
    boot. Any other claim allows a hold and nothing else."""
    testing = run.state in TESTING and boot.number == stage_rows.claimed_boot(run)
    stage_run = stage_rows.current(run) if testing else None
    return wire.ClaimAnswer(
        mode=wire.Mode.TEST if testing else wire.Mode.HOLD,
        run=run.pk,
        boot=boot.number,
        host=run.host.name,
        stages=stage_orders(run) if testing else [],
        disks=[codec.decode(wire.AllowedDisk, disk) for disk in run.disks] if testing else [],
        destructive_allowed=testing and run.destructive_allowed,
        write_mode=testing and disk_writes.writes(run.profile),
        not_expected=list((run.expected or {}).get("not_expected") or []),
        expected=(run.expected or {}) if testing else {},
        sensor_limits=run.frozen.sensors,
        iperf=_iperf(),
        next_state=run.state,
        attempt=stage_run.attempt if stage_run else 0,
        go=_go(stage_run),
        override_flags=override_flags(run, stage_run),
    )


def stage_orders(run: Run) -> list[wire.StageOrder]:
    """The agent's stages of the profile, in order. Which of them are skipped is decided when the run gets there."""
    orders, ordered = [], run.frozen.stages
    for stage in AGENT_STAGES:
        if (wanted := ordered.get(stage.name)) is not None:
            orders.append(
                wire.StageOrder(
                    name=stage.name,
                    title=stage.title,
                    attempt=_next_attempt(run, stage.name),
                    timeout_s=estimate.timeout_of_run_s(run, stage.name),
                    params=wanted.params,
                    limits=wanted.limits,
                    required=wanted.required,
                    writes=stage.writes and disk_writes.writes(run.profile),
                )
            )
    return orders


def heartbeat_answer(run: Run, stage_run: StageRun | None, at_work: tuple[str, int]) -> wire.HeartbeatAnswer:
    """`at_work` is the stage and attempt that the agent says it runs."""
    cmd = command(run)
    attempt = stage_run.attempt if stage_run else 0
    retry = cmd is wire.Cmd.CONTINUE and tells_retry(stage_run, at_work)
    return wire.HeartbeatAnswer(
        cmd=wire.Cmd.RETRY_STAGE if retry else cmd,
        next_state=run.state,
        attempt=attempt,
        go=_go(stage_run),
        stage=stage_run.name if retry and stage_run else "",
        override_flags=override_flags(run, stage_run) if retry else [],
        reason=run.stopped_by if cmd is not wire.Cmd.CONTINUE else "",
        link_s=link_s(stage_run),
    )


def tells_retry(stage_run: StageRun | None, at_work: tuple[str, int]) -> bool:
    """Whether the agent, in its hold, must be told to come back for this attempt."""
    return bool(stage_run and stage_run.by_retry and at_work != (stage_run.name, stage_run.attempt))


def link_s(stage_run: StageRun | None) -> float:
    """For how many more seconds this attempt may use the bench's link. No loan lasts longer than LENT_S: then the clock
    was set back, and the loan is over."""
    if stage_run is None or stage_run.link_until is None:
        return 0.0
    left_s = (stage_run.link_until - timezone.now()).total_seconds()
    return left_s if 0 < left_s <= LENT_S else 0.0


def result_answer(run: Run) -> wire.ResultAnswer:
    stage_run = stage_rows.current(run)
    return wire.ResultAnswer(
        next_state=run.state,
        attempt=stage_run.attempt if stage_run else 0,
        go=_go(stage_run),
        cmd=command(run) if run.state in ENDED else wire.Cmd.CONTINUE,
        reason=run.stopped_by,
    )


def command(run: Run) -> wire.Cmd:
    """What the agent does now. If a newer run of the host exists, a failed run's machine powers off, so that it can be
    woken for the new run."""
    if run.state in ENDED or (run.state == State.FAILED and is_superseded(run)):
        return wire.Cmd.SHUTDOWN
    return wire.Cmd.ABORT if run.state == State.FAILED else wire.Cmd.CONTINUE


def is_superseded(run: Run) -> bool:
    return Run.objects.filter(host_id=run.host_id, pk__gt=run.pk).exists()


def override_flags(run: Run, stage_run: StageRun | None) -> list[wire.OverrideFlags]:
    """The overrides of exactly this attempt."""
    if stage_run is None:
        return []
    given: Any = run.overrides.filter(stage=stage_run.name, attempt=stage_run.attempt, boot=stage_run.boot)
    return [wire.OverrideFlags(run.pk, row.boot, row.stage, row.attempt, row.serial, row.digest) for row in given]


def _next_attempt(run: Run, name: str) -> int:
    rows = list(run.stage_runs.filter(name=name).order_by("-attempt").only("attempt", "outcome")[:1])
    if not rows:
        return 1
    return rows[0].attempt if rows[0].outcome == Outcome.RUNNING else rows[0].attempt + 1


def _go(stage_run: StageRun | None) -> bool:
    return stage_run is not None and stage_run.go_at is not None


def _iperf() -> wire.IperfServer:
    config = settings.VETTING
    return wire.IperfServer(
        address=config.web.address,
        ports=list(config.iperf3.ports),
        server_link_mbit=config.iperf3.link_mbit,
        server_cpus=os.cpu_count() or 1,
    )
