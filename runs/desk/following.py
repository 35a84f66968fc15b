"""Follow a run in a terminal: its present state as data, as a picture, or line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runs import adopting, lacking
from runs.bench import service_state
from runs.desk import terminal
from runs.files import logs as logfiles
from runs.machine import ENDED, State
from runs.models import Finding, Outcome, Run, StageRun
from runs.profiles import durations
from runs.wording import naming, remedies
from runs.wording.formatting import duration

MARKS: dict[str, tuple[str, str]] = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.NOT_TESTED: ("–", "yellow"),
}
EXIT_PASSED, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_CANCELLED, EXIT_USAGE = range(5)


def snapshots(run: Run, every_s: float = 0.5, wait: Callable[[float], object] = time.sleep) -> Iterator[Run]:
    """Yields the run repeatedly, until nothing more happens to it by itself. `wait` may return early."""
    while True:
        run.refresh_from_db()
        yield run
        if is_final(run):
            return
        wait(every_s)


def is_final(run: Run) -> bool:
    """Whether the run has ended or is held; also a failed run that no agent has come to hold for 30 s."""
    if run.state in ENDED or run.state == State.FAILED_HOLDING:
        return not run.retry_stage
    return run.state == State.FAILED and (timezone.now() - run.state_since).total_seconds() > 30


def exit_status(run: Run) -> int:
    """0 passed, 1 failed, 2 incomplete or error, 3 cancelled."""
    if run.state == State.CANCELLED:
        return EXIT_CANCELLED
    return {"passed": EXIT_PASSED, "failed": EXIT_FAILED}.get(run.verdict, EXIT_INCOMPLETE)


def advice(run: Run) -> Iterator[str]:
    """What an operator may say of the host after this run, so that the next one can pass: adopt what was found, and
    that it has none of what could not be tested."""
    lacks = lacking.of(run)
    for lack in lacks:
        doubt = f"; but {lack.doubt}" if lack.doubt else ""
        yield f"not tested, for want of a sensor or a part: {lack.words} ({lack.topic}){doubt}"
    options = ["--adopt"] if adopting.lacks_spec(run) else []
    options += ["--has-no-untested"] if any(not lack.doubt for lack in lacks) else []
    if options:
        command = remedies.command(f"host expect {run.host} {' '.join(options)}")
        yield f"if the host is as it should be: {command} (--dry-run shows what that changes)"


def as_data(run: Run) -> dict[str, Any]:
    """For scripts: one flat object per snapshot."""
    return {
        "run": run.pk,
        "host": run.host.name,
        "state": run.state,
        "verdict": run.verdict or None,
        **stages_as_data(run),
        "findings": [
            {"code": f.code, "severity": f.severity, "component": f.component, "message": f.message}
            for f in run.findings.all()
        ],
        "stopped_by": run.stopped_by,
    }


def stages_as_data(run: Run) -> dict[str, Any]:
    """What the present stage does, and the outcome of each."""
    rows = list(run.stage_runs.all())
    running = max((row for row in rows if row.outcome == Outcome.RUNNING), key=lambda row: row.order, default=None)
    return {
        "stage_progress": running.progress if running else [],
        "stages": {row.name: row.outcome or "running" for row in rows},
    }


def picture(run: Run, log: int = 0) -> RenderableType:
    """Ladder, stages with progress, findings, and the last `log` lines of its log."""
    parts = [_heading(run), _ladder(run), _waiting(run), _stages(run), *_findings(run), *_log(run, log)]
    return Group(*(part for part in parts if part is not None))


def news(run: Run, after_event: int) -> tuple[int, list[str]]:
    """One line for each event since that one, for output that is no terminal; and the newest event."""
    rows = list(run.events.filter(pk__gt=after_event).order_by("pk"))
    lines = [
        f"{row.at:%H:%M:%S} {row.state_after or row.kind}: {logfiles.clean(row.text)}".rstrip(": ") for row in rows
    ]
    return (rows[-1].pk if rows else after_event), lines


def _log(run: Run, count: int) -> list[RenderableType]:
    if not count:
        return []
    lines = logfiles.tail(run.pk, count, before=run.log_bytes).lines
    return [Text(), terminal.log_lines(lines) if lines else Text("\nno log yet, or it lies on another machine", "dim")]


def _heading(run: Run) -> Text:
    text = Text.assemble(
        ("run ", "dim"),
        str(run.pk),
        ("  host ", "dim"),
        (run.host.name, "bold"),
        ("  ", ""),
        (run.state, "bold cyan"),
    )
    at_work = not service_state.is_silent()
    position = durations.standing(run.profile, run.state, run.stage_runs.all(), timezone.now(), at_work=at_work)
    if position.ends_at:
        left_s = (position.ends_at - timezone.now()).total_seconds()
        text.append(f"  {position.fraction:.0%}, about {duration(left_s)} left", style="dim")
    if run.verdict:
        text.append(f"  verdict {run.verdict}", style="bold green" if run.verdict == "passed" else "bold red")
    if run.stopped_by:
        text.append(f"\n{logfiles.clean(run.stopped_by)}", style="red")
    if run.retry_stage:
        text.append(f"\nretry of {naming.state_in_words(run.retry_stage)} waits for a free slot", style="yellow")
    return text


def _ladder(run: Run) -> Text | None:
    rungs = list(run.rungs.all())
    if not rungs:
        return Text("waiting for a slot") if run.state == State.QUEUED else None
    first = rungs[0].at
    return Text(
        " → ".join(f"{r.get_rung_display()} +{(r.at - first).total_seconds():.0f} s" for r in rungs),
        style="dim",
    )


def _waiting(run: Run) -> Text | None:
    """What was last done to wake the host, and what a person may have to do."""
    last = run.events.order_by("-pk").first() if run.state in (State.WAITING_WOL, State.BOOTING) else None
    return Text(logfiles.clean(last.text), "yellow") if last and last.text else None


def _stages(run: Run) -> Table | None:
    rows = list(run.stage_runs.all())
    table = Table.grid(padding=(0, 2))
    for row in rows:
        mark, style = MARKS.get(row.outcome, ("▸", "cyan"))
        attempt = f" ({row.attempt})" if row.attempt > 1 else ""
        table.add_row(
            Text(mark, style),
            Text(naming.state_in_words(row.name) + attempt, style),
            Text(_took(row), "dim"),
            _doing(row),
        )
    return table if rows else None


def _took(row: StageRun) -> str:
    return duration(((row.ended_at or timezone.now()) - row.go_at).total_seconds()) if row.go_at else ""


def _doing(row: StageRun) -> RenderableType:
    if row.outcome:
        return Text(logfiles.clean(row.reason), style="dim")
    if row.go_at is None:
        return Text(f"waits for the bench: {row.bench}" if row.bench else "waits for the shared link", style="yellow")
    if not row.progress:
        return Text("…", style="dim")
    inner = Table.grid(padding=(0, 1))
    for item in row.progress[:8]:
        inner.add_row(
            terminal.plain(item["item"]),
            ProgressBar(100, item["percent"], width=24),
            f"{item['percent']:.0f} %",
            terminal.plain(item["doing"]),
        )
    return inner


def _findings(run: Run) -> list[Text]:
    styles = {"critical": "bold red", "warning": "yellow", "info": "dim"}
    return [
        Text(logfiles.clean(f"{f.severity:8} {_who(f)}{f.message}"), style=styles[f.severity])
        for f in run.findings.exclude(severity="info")
    ]


def _who(finding: Finding) -> str:
    return "" if finding.component in finding.message else f"{finding.component}: "
