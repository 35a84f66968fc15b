"""One flat text file per run, `<RUNS_DIR>/<id>/run.log`, written as the lines come.

    2026-11-23T22:10:05.123Z INFO  SMART        sda: short self-test started

The committed length stands in `Run.log_bytes`: what a file holds beyond it was written by somebody who died
before the commit, and the next `append` cuts it off. Readers that pass the committed length never see it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from hosts import bounds
from hosts.readable import readable
from runs import tokens

_BLOCK_BYTES = 64 * 1024
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}


@dataclass(frozen=True)
class Line:
    """`level` is DEBUG, INFO, WARN or ERROR; `stage` empty where none ran; `at` as it stands in the file. `offset` in
    the file, in bytes, where the reader gave it."""

    at: str
    level: str
    stage: str
    text: str
    offset: int = 0

    @property
    def clock(self) -> str:
        """`22:10:05`: the file has UTC, the pages the time zone that is set."""
        try:
            return timezone.localtime(datetime.fromisoformat(self.at)).strftime("%H:%M:%S")
        except ValueError:
            return ""


@dataclass(frozen=True)
class Tail:
    """Lines in order; `start` is the offset in bytes of the first: pass it as `before` for what precedes."""

    lines: list[Line]
    start: int


def path(run_id: int) -> Path:
    return Path(settings.RUNS_DIR) / str(run_id) / "run.log"


def format_line(time: float, level: str, stage: str, text: str) -> str:
    """One line of the file, newline included. `time` in seconds since the epoch."""
    return f"{_stamp(time)} {_LEVELS.get(level, 'INFO'):<5} {clean(stage) or '-':<12} {clean(text)}\n"


def clean(text: str) -> str:
    """Readable and on one line, with run tokens without_tokens out, cut to its bound."""
    line = readable(text.replace("\t", " ").replace("\n", " "))
    return bounds.LOG_LINE.cut(tokens.without_tokens(line))


def append(run_id: int, committed_bytes: int, data: bytes) -> int:
    """Write `data` behind the first `committed_bytes` bytes and return the new length, for `Run.log_bytes`.

    A file shorter than that (retention removed it, a backup was restored) is continued at its end. Raises
    OSError, e.g. on a full disk; nothing is lost then: the sender gets no answer and sends the batch again.
    """
    file = path(run_id)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        start = min(os.fstat(descriptor).st_size, committed_bytes)
        stream.truncate(start)
        stream.seek(start)
        _write_all(stream.fileno(), data)
    return start + len(data)


def tail(run_id: int, lines: int = 200, before: int | None = None) -> Tail:
    """The last `lines` lines that end at or before offset `before` (default: the end of the file)."""
    try:
        with path(run_id).open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            end = end if before is None else max(0, min(before, end))
            start, block = end, b""
            while start > 0 and block.count(b"\n") <= lines:
                step = min(_BLOCK_BYTES, start)
                start = stream.seek(start - step)
                block = stream.read(step) + block
    except FileNotFoundError:
        return Tail([], 0)
    return _last_lines(block, start, lines)


def since(run_id: int, offset: int, end: int) -> tuple[int, list[Line]]:
    """The whole lines between two offsets, some at a time, and the offset behind the last of them."""
    try:
        with path(run_id).open("rb") as stream:
            stream.seek(offset)
            block = stream.read(min(max(end - offset, 0), 16 * _BLOCK_BYTES))
    except FileNotFoundError:
        return offset, []
    whole = block[: block.rfind(b"\n") + 1]
    return offset + len(whole), [parse_line(row.decode("utf-8", "replace")) for row in whole.split(b"\n")[:-1]]


def parse_line(raw: str, offset: int = 0) -> Line:
    """The parts of a line; text that is not of our format comes back whole as `text`."""
    parts = raw.split(" ", 1)
    rest = parts[1].split(None, 2) if len(parts) == 2 else []
    if len(parts[0]) != 24 or len(rest) < 2:
        return Line("", "INFO", "", raw, offset)
    return Line(parts[0], rest[0], "" if rest[1] == "-" else rest[1], rest[2] if len(rest) == 3 else "", offset)


def _last_lines(block: bytes, start: int, count: int) -> Tail:
    """`block` begins at offset `start`. A first line that is cut (start > 0) is left out."""
    rows = block.split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    kept = rows[-count:] if start == 0 or len(rows) > count else rows[1:]
    skipped = sum(len(row) + 1 for row in rows[: len(rows) - len(kept)])
    return Tail([parse_line(row.decode("utf-8", "replace")) for row in kept], start + skipped)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _stamp(time: float) -> str:
    """ISO 8601 in UTC with milliseconds. A clock beyond all calendars is written as the epoch."""
    try:
        moment = datetime.fromtimestamp(time, UTC)
    except (OverflowError, OSError, ValueError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
