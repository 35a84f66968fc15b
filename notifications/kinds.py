"""The four kinds of message and their texts. One `RunEvent` row with `tells` becomes one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.conf import settings

from hosts.readable import spelled_out
from notifications.message import Message, Weight
from runs import hold, stages
from runs.judging import run_verdict
from runs.models import Finding, Run, RunEvent, Severity

MAX_LINES = 10
MAX_COMPONENTS = 50
MAX_LINE_CHARS = 300  # ten of them stay under Discord's 2,000 and ntfy's 4,096


@dataclass(frozen=True)
class Kind:
    """`title` gets the host's name and the stage; `lines` says what happened, device and number first."""

    name: str
    severity: Weight
    title: str
    lines: Callable[[RunEvent], Iterable[str]]


def _stage_failed(event: RunEvent) -> Iterable[str]:
    """The critical findings of the stage's last attempt; if there are none, the event's text."""
    attempts = event.run.stage_runs.filter(name=event.state_before, created_at__lte=event.at)
    findings = Finding.objects.filter(stage_run=attempts.order_by("attempt").last(), at__lte=event.at)
    lines = [finding.message for finding in findings.filter(severity=Severity.CRITICAL)]
    return lines or [event.text or event.run.bench_error or event.run.stopped_by]


def _spec_mismatch(event: RunEvent) -> Iterable[str]:
    diffs = event.run.spec_diffs.filter(severity=Severity.CRITICAL).values_list("message", flat=True)
    return diffs or [event.text]


def _holding_opened(event: RunEvent) -> Iterable[str]:
    """Where to log in; the key itself is only on the run's page."""
    session = hold.current(event.run)
    where = (hold.ssh_command(session) if session else "") or "its address is on the run's page"
    return [event.run.stopped_by or event.text, f"Waiting for a person: {where}"]


def _run_completed(event: RunEvent) -> Iterable[str]:
    warnings = event.run.findings.filter(severity=Severity.WARNING).values_list("message", flat=True)
    return [f"Verdict: {event.run.verdict or 'none'}", *warnings]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("StageFailed", "critical", "{host}: {stage} failed", _stage_failed),
        Kind("SpecMismatch", "critical", "{host} is not what is expected", _spec_mismatch),
        Kind("HoldingOpened", "critical", "{host} is held open for you", _holding_opened),
        Kind("RunCompleted", "info", "{host}: vetting {verdict}", _run_completed),
    )
}


def compose(event: RunEvent) -> Message:
    """The message of one event. Raises KeyError when `tells` names no kind."""
    kind, run = KINDS[event.tells], event.run
    lines = [line for line in map(plain, kind.lines(event)) if line]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"… and {len(lines) - MAX_LINES} more"]
    if run.repair:
        lines.append(f"After: {plain(run.repair)}")
    lines.append(f"Run {run.pk}, profile {run.profile_name}")
    body, at = "\n".join(lines), event.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Message(kind.name, kind.severity, title(event), body, link(run), str(event.pk), at, facts(event))


def summarise(events: Sequence[RunEvent]) -> Message:
    """One message for what waited for a person: how many of each kind, then the titles, the critical ones first."""
    by_weight = sorted(events, key=lambda event: KINDS[event.tells].severity != "critical")
    number = Counter(event.tells for event in by_weight)
    hosts = len({event.run.host_id for event in events})
    lines = [", ".join(f"{count} {kind}" for kind, count in number.items())]
    lines += [title(event) for event in by_weight[:MAX_LINES]]
    if len(events) > MAX_LINES:
        lines.append(f"… and {len(events) - MAX_LINES} more")
    heading = f"{len(events)} messages about {hosts} host{'' if hosts == 1 else 's'}"
    base, weight = settings.VETTING.web.link_base, KINDS[by_weight[0].tells].severity
    return Message("Summary", weight, heading, "\n".join(lines), f"{base}/", f"{events[0].pk}-summary")


def title(event: RunEvent) -> str:
    """One line such as `pve-3: Disk health failed`."""
    run, stage = event.run, stages.BY_NAME.get(event.state_before)
    words = {"stage": stage.title if stage else "boot", "verdict": run.verdict or "completed"}
    return plain(KINDS[event.tells].title.format(host=run.host, **words))


def facts(event: RunEvent) -> dict[str, Any]:
    """What the message is about, for programs. `verdict` is null until the run has one."""
    run, stage = event.run, stages.BY_NAME.get(event.state_before)
    return {
        "run": run.pk,
        "host": run.host.name,
        "state": run.state,
        "verdict": run.verdict or None,
        "profile": run.profile_name,
        "repair": run.repair,
        "stage": stage.name if stage else None,
        "components": run_verdict.blamed(run)[:MAX_COMPONENTS],
    }


def link(run: Run) -> str:
    return settings.VETTING.web.link_base + run.get_absolute_url()


def plain(text: str) -> str:
    """One line without control characters: serial numbers and model names come from hardware."""
    kept = "".join(char if char.isprintable() else " " for char in spelled_out(text))
    return " ".join(kept.split())[:MAX_LINE_CHARS]
