"""What agents send every few seconds: heartbeats, log lines, measurements. `agentapi` handles several of them in one
transaction, so each function is short and makes few queries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db.models import F
from django.utils import timezone

from agent.contract import codec, wire
from hosts import bounds
from runs import answers, left_out, stage_rows
from runs import measurements as measured
from runs.files import logs as logfiles
from runs.judging import sensor_limits
from runs.machine import ENDED, TESTING
from runs.models import Boot, Run, Severity, StageRun
from runs.transition import Refused


class UnknownBoot(Exception):
    """The message came from another boot than the one that claimed the token; answered 403."""


def heartbeat(boot: Boot, message: wire.Heartbeat, address: str) -> wire.HeartbeatAnswer:
    """Note when the host was heard of, keep its progress if it changed, answer with the command."""
    run = boot.run if boot.run.state in ENDED else claimed(boot, message.boot_id)
    stage_run = stage_rows.current(run) if run.state in TESTING else None
    progress = new_progress(stage_run, message)
    # The run's row is locked first, as in every call: so two processes that handle calls of one run can't wait for each
    # other.
    Run.objects.filter(pk=run.pk).update(
        last_seen=timezone.now(), **({} if progress is None else {"progress_seq": F("progress_seq") + 1})
    )
    if stage_run is not None and progress is not None:
        StageRun.objects.filter(pk=stage_run.pk).update(progress=progress)
    return answers.heartbeat_answer(run, stage_run, (message.stage, message.attempt))


def log_lines(boot: Boot, message: wire.LogBatch, address: str) -> wire.Accepted:
    """Append to the run's log file, up to its bound. Lines beyond the bound are counted.

    A batch that was sent before is answered and not written again. The row holds the committed length of the file, so
    that the next append removes what a crash left behind it.
    """
    run = claimed(boot, message.boot_id)
    if message.seq > boot.log_seq:
        _append(run, message.lines)
        Boot.objects.filter(pk=boot.pk).update(log_seq=message.seq)
    return wire.Accepted(max(message.seq, boot.log_seq))


def _append(run: Run, lines: list[wire.LogLine]) -> None:
    if run.log_bytes >= bounds.RUN_LOG.most:
        left_out.count_more(run, "log lines", len(lines))
        return
    text = log_text(lines)
    if run.log_bytes + len(text) >= bounds.RUN_LOG.most:
        end = f"the log has reached {bounds.RUN_LOG.most:,} bytes: further lines are counted but not kept"
        text += logfiles.format_line(timezone.now().timestamp(), "warning", "", end)
    length = logfiles.append(run.pk, run.log_bytes, text.encode())
    Run.objects.filter(pk=run.pk).update(log_bytes=length)


def log_text(lines: list[wire.LogLine]) -> str:
    """The lines as they stand in the file."""
    return "".join(logfiles.format_line(line.time, line.level, line.stage, line.text) for line in lines)


def measurements(boot: Boot, message: wire.SensorBatch, address: str) -> wire.Accepted:
    """Keep up to 50 measurements and check them against the profile's sensor limits. On PostgreSQL two web processes
    may have the same batch at once: the conditional update lets one of them keep it."""
    run = claimed(boot, message.boot_id)
    if message.seq > boot.sensor_seq:
        Run.objects.filter(pk=run.pk).update(sensor_seq=F("sensor_seq") + 1)
        if Boot.objects.filter(pk=boot.pk, sensor_seq__lt=message.seq).update(sensor_seq=message.seq):
            _check_limits(run, message.measurements)  # before they are stored: it looks for earlier samples
            if has_room(run):
                left_out.count_beyond_curves(measured.store([(run.pk, message.measurements)]))
            else:
                left_out.count_more(run, "measurements", len(message.measurements))
    return wire.Accepted(max(message.seq, boot.sensor_seq))


def has_room(run: Run, more: int = 0) -> bool:
    """Whether the run may store another batch of measurements, after `more` of them."""
    return (run.sensor_seq + more) * wire.MAX_MEASUREMENTS_PER_BATCH < bounds.RUN_MEASUREMENTS.most


def last_seen_text(run: Run) -> str:
    """When and where the host was last heard of, and what it was doing: the evidence of a missed deadline."""
    if run.last_seen is None:
        return "it never sent anything"
    stage_run = run.stage_runs.filter(name=run.state).order_by("-attempt").first()
    doing = "; ".join(
        f"{p['item']} {p['percent']:.0f} % {p['doing']}".strip() for p in (stage_run.progress if stage_run else [])
    )
    when = run.last_seen.strftime("%H:%M:%S")
    return f"last heard of at {when} UTC from {run.agent_address or 'an unknown address'}" + (
        f", at {doing}" if doing else ""
    )


def claimed(boot: Boot, boot_id: str) -> Run:
    """The run, if this boot has claimed it and no later boot has. Raises Refused or UnknownBoot."""
    if boot.claimed_at is None:
        raise Refused("this boot has claimed no run: POST claim first")
    if boot.boot_id != boot_id[:64]:
        raise UnknownBoot("another boot has claimed this token")
    if boot.dead_at is not None:
        raise UnknownBoot("the host has booted again since")
    return boot.run


def new_progress(stage_run: StageRun | None, message: wire.Heartbeat) -> list[Any] | None:
    """The progress to store; None if it is as before, or of another attempt."""
    if stage_run is None or (message.stage, message.attempt) != (stage_run.name, stage_run.attempt):
        return None
    progress: list[Any] = codec.encode(message.progress)
    return None if progress == stage_run.progress else progress


@lru_cache(maxsize=32_768)
def _sensor_limits(run_id: int) -> dict[str, float]:
    """From the profile, which was frozen when the run was queued."""
    return Run.objects.only("profile").get(pk=run_id).frozen.sensors


def may_break_limit(run: Run, batch: list[wire.Measurement]) -> bool:
    """Whether a sample is beyond a limit. If none is, `_check_limits` finds nothing, whatever came before."""
    return sensor_limits.is_any_beyond(_sensor_limits(run.pk), batch)


def _check_limits(run: Run, batch: list[wire.Measurement]) -> None:
    sensors = _sensor_limits(run.pk)
    firsts = sensor_limits.broken_by_first(sensors, batch)
    found = sensor_limits.check(sensors, batch, measured.before(run.pk, firsts))
    if not found or (stage_run := stage_rows.current(run)) is None:
        return
    known = stage_run.findings.filter(
        code__in={one.code for one in found}, component__in={one.component for one in found}
    )
    said = set(known.values_list("code", "component", "severity"))
    _add(run, stage_run, [finding for finding in found if not _was_said(finding, said)])


def _was_said(finding: wire.Finding, said: set[tuple[str, str, str]]) -> bool:
    """Whether this finding is known, or a critical one of the same code and component."""
    return any((finding.code, finding.component, one) in said for one in (finding.severity, Severity.CRITICAL))


def _add(run: Run, stage_run: StageRun, findings: list[wire.Finding]) -> None:
    """Add findings up to the bound, counted for each severity: warnings take no room from critical findings."""
    for severity in dict.fromkeys(finding.severity for finding in findings):
        same = [finding for finding in findings if finding.severity == severity]
        room = max(0, bounds.FINDINGS.most - stage_run.findings.filter(severity=severity).count())
        stage_rows.add_findings(stage_run, same[:room])
        if len(same) > room:
            left_out.count_more(run, "findings", len(same) - room, stage_run)
