"""Progress of a backup or a restore: a line that changes on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from runs.desk import terminal
from vetting.backups import archive


@contextmanager
def shown(stream: Any, title: str) -> Iterator[archive.Progress]:
    console = terminal.console(stream)
    if not console.is_terminal:
        yield archive.silent
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title)

        def tell(what: str, done_bytes: int) -> None:
            bar.update(task, description=f"{title}: {done_bytes / 1e6:,.1f} MB  {what}")

        yield tell
