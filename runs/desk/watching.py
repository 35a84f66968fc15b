"""Follow a run from a command: a live picture in a terminal, lines in a pipe, JSON for scripts. Each returns when
nothing more happens to the run by itself."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from runs.desk import following, terminal
from runs.files import logs as logfiles
from runs.models import Run
from runs.wording import remedies

LOG_LINES = 15


def watch(run: Run, command: BaseCommand, *, as_json: bool, with_log: bool) -> None:
    """Follow in the way that fits the command's output. Ctrl-C ends the process with 130; the run goes on."""
    try:
        _watch(run, command.stdout, as_json=as_json, with_log=with_log)
    except KeyboardInterrupt:
        again = remedies.command(f"runs {run.pk} --follow")
        command.stderr.write(f"\nrun {run.pk} goes on; its page: {run.get_absolute_url()}, to follow it again: {again}")
        sys.exit(130)


def _watch(run: Run, stream: Any, *, as_json: bool, with_log: bool) -> None:
    console = terminal.console(stream)
    if as_json:
        _as_json(run, stream)
    elif console.is_terminal:
        _live(run, console, with_log=with_log)
    else:
        _by_line(run, stream, with_log=with_log)
        console.print(following.picture(run))


def _live(run: Run, console: Console, *, with_log: bool) -> None:
    """Redraw one picture; the key l shows and hides the log. The last picture stays."""
    shows_log = with_log

    def wait(seconds: float) -> None:
        nonlocal shows_log
        if keys.pressed(seconds) == "l":
            shows_log = not shows_log

    with terminal.keys() as keys, Live(console=console, auto_refresh=False) as live:
        hint = Text("l log · Ctrl-C stops following, the run goes on" if keys.source else "", "dim")
        for snapshot in following.snapshots(run, wait=wait):
            live.update(Group(following.picture(snapshot, LOG_LINES if shows_log else 0), hint), refresh=True)
        live.update(following.picture(run), refresh=True)


def _by_line(run: Run, stream: Any, *, with_log: bool) -> None:
    """Print a line for each event."""
    event, offset = 0, 0
    for snapshot in following.snapshots(run):
        event, lines = following.news(snapshot, event)
        while with_log:
            offset, more = logfiles.since(snapshot.pk, offset, snapshot.log_bytes)
            lines += [f"{line.clock} {line.level:<5} {line.stage}: {line.text}" for line in more]
            if not more:
                break
        for line in lines:
            stream.write(line)
        stream.flush()


def _as_json(run: Run, stream: Any) -> None:
    last = None
    for snapshot in following.snapshots(run):
        if (data := following.as_data(snapshot)) != last:
            stream.write(json.dumps(data))
            stream.flush()
            last = data
