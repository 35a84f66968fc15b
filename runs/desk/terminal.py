"""Code that the commands share: tables and colours, text from hardware without escape codes, and single keys."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hosts.models import Host
from hosts.nearest import did_you_mean
from runs.files import logs as logfiles
from runs.models import Run
from runs.wording import remedies

try:
    import termios
    import tty
except ImportError:  # no terminal to read keys from, e.g. on Windows
    termios = tty = None  # type: ignore[assignment]

_NO_HOST_YET = (
    "There are no hosts yet. Add one in the administration (/admin/hosts/host/add/), or import a file: "
    f"`{remedies.command('hosts import FILE')}`."
)
NAMES_LISTED, NAMES_COMPARED = 20, 500
"""How many hosts an unknown name is compared with, and how many are listed if none is similar."""
_STYLES = {
    "good": "green", "passed": "green", "bad": "bold red", "failed": "bold red", "incomplete": "yellow",
    "error": "yellow", "ERROR": "red", "WARN": "yellow", "DEBUG": "dim",
}  # fmt: skip


def console(stream: Any) -> Console:
    """A console on the command's output. If that is no terminal, it is as wide as the widest row needs."""
    file: IO[str] = getattr(stream, "_out", stream)
    is_terminal = bool(getattr(file, "isatty", bool)())
    return Console(file=file, width=None if is_terminal else 200, highlight=False, markup=False, emoji=False)


def plain(text: str) -> Text:
    """Text from hardware or a person: no markup, no control characters, line breaks kept."""
    return Text("\n".join(logfiles.clean(line) for line in text.split("\n")))


def word(text: str) -> Text:
    return Text(text, _STYLES.get(text, ""))


def table(*columns: str) -> Table:
    made = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def runs_table(runs: Iterable[Run], *, with_host: bool = True) -> Table:
    made = table(
        "Run", *(["Host"] if with_host else []), "State", "Verdict", "Profile", "Started", "Repair", "Why it stopped"
    )
    for run in runs:
        made.add_row(
            str(run.pk),
            *([run.host.name] if with_host else []),
            run.state,
            word(run.verdict),
            plain(run.profile_name),
            f"{run.created_at:%Y-%m-%d %H:%M}",
            plain(run.repair),
            plain(run.stopped_by or run.bench_error),
        )
    return made


def log_lines(lines: Iterable[logfiles.Line]) -> Text:
    text = Text()
    for line in lines:
        text.append(f"{line.clock} {line.level:<5} {line.stage:<12} ", "dim")
        text.append(f"{logfiles.clean(line.text)}\n", _STYLES.get(line.level, ""))
    return text


def how_many_more(total: int, shown: int, things: str) -> str:
    """A line below a list that has not all of them; empty below one that has."""
    return f"{total - shown:,} more {things}: --limit 0 shows all" if total > shown else ""


def unknown_host(name: str) -> str:
    names = list(Host.objects.values_list("name", flat=True)[:NAMES_COMPARED])
    if not names:
        return f"there is no host {name!r}. {_NO_HOST_YET}"
    if meant := did_you_mean(name, names):
        return f"there is no host {name!r}{meant}"
    more = ", …" if len(names) > NAMES_LISTED else ""
    return f"there is no host {name!r}; registered: {', '.join(names[:NAMES_LISTED])}{more}"


def no_host() -> str:
    """Why a list of hosts is empty."""
    if Host.objects.exists():
        return f"No host matches these options. `{remedies.command('hosts')}` without options lists what there is."
    return _NO_HOST_YET


class Keys:
    """Read single keys while a command waits. `pressed` waits at most `timeout_s` and returns an empty text if no key
    was pressed."""

    def __init__(self, source: IO[str] | None) -> None:
        self.source = source

    def pressed(self, timeout_s: float) -> str:
        if self.source is None:
            time.sleep(timeout_s)
            return ""
        ready, _, _ = select.select([self.source], [], [], timeout_s)
        return self.source.read(1) if ready else ""


@contextmanager
def keys() -> Iterator[Keys]:
    """Reads single keys if standard input is a terminal (Ctrl-C still works), otherwise none."""
    if termios is None or not sys.stdin.isatty():
        yield Keys(None)
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield Keys(sys.stdin)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def unknown_run(number: int) -> str:
    newest = Run.objects.order_by("-id").values_list("id", flat=True).first()
    known = f"the newest is {newest}" if newest else f"there is none yet: `{remedies.command('vet HOST')}` starts one"
    return f"there is no run {number}; {known}"
