"""The log of a run: one text file, `<RUNS_DIR>/<id>/run.log`, written as the lines arrive.

    2026-11-23T22:10:05.123Z INFO  SMART        sda: short self-test started

`Run.log_bytes` has the committed length. What a file has beyond it was written by a process that died before the
commit; the next `append` removes it. Readers that pass the committed length never see it. On PostgreSQL several
processes, also of several machines, may append to one file.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from agent.contract.wire import TOKEN_PREFIX
from hosts import bounds
from hosts.readable import readable
from runs import tokens
from runs.files import storage
from runs.models import Run

_BLOCK_BYTES = 64 * 1024
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}


@dataclass(frozen=True)
class Line:
    """One line of a log. `level` is DEBUG, INFO, WARN or ERROR; `stage` is empty if none ran; `at` is the time as the
    file has it; `offset` is its place in the file in bytes, if the reader gave it."""

    at: str
    level: str
    stage: str
    text: str
    offset: int = 0

    @property
    def clock(self) -> str:
        """The time of day, such as `22:10:05`, in the time zone of the settings. (The file has UTC.)"""
        try:
            return timezone.localtime(datetime.fromisoformat(self.at)).strftime("%H:%M:%S")
        except ValueError:
            return ""


@dataclass(frozen=True)
class Tail:
    """Lines in order. `start` is the offset of the first, in bytes: pass it as `before` to get the lines before it."""

    lines: list[Line]
    start: int


def path(run_id: int) -> Path:
    return Path(settings.RUNS_DIR) / str(run_id) / "run.log"


def format_line(time: float, level: str, stage: str, text: str) -> str:
    """One line of the file, newline included. `time` in seconds since the epoch."""
    return f"{_stamp(time)} {_LEVELS.get(level, 'INFO'):<5} {clean(stage) or '-':<12} {clean(text)}\n"


def clean(text: str) -> str:
    """The text on one line, without control characters and run tokens, cut to its bound."""
    if text.isascii() and text.isprintable() and len(text) <= bounds.LOG_LINE.most and TOKEN_PREFIX not in text:
        return text
    line = readable(text.replace("\t", " ").replace("\n", " "))
    return bounds.LOG_LINE.cut(tokens.without_tokens(line))


def append(run_id: int, committed_bytes: int, data: bytes) -> int:
    """Write `data` after the first `committed_bytes` bytes and return the new length, for `Run.log_bytes`.

    If the file is shorter than that (the janitor removed it, a backup was restored), write at its end. Raises OSError,
    e.g. on a full disk. Nothing is lost then: the agent gets no answer and sends the batch again.
    """
    storage.is_there()
    descriptor = _opened(run_id)
    try:
        if connection.vendor == "postgresql":
            _exclude_others(descriptor, run_id, committed_bytes)
        return _write_behind(descriptor, committed_bytes, data)
    finally:
        os.close(descriptor)


def append_all(parts: Sequence[tuple[int, int, bytes]]) -> list[int]:
    """Like `append` for several runs, each with its committed length, whose rows the caller's transaction has locked.
    If that transaction was ended meanwhile, the one statement here fails (see `_exclude_others`)."""
    storage.is_there()
    descriptors: list[int] = []
    try:
        for run_id, _, _ in parts:
            descriptors.append(_opened(run_id))
        if connection.vendor == "postgresql":
            for descriptor in descriptors:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        return [_write_behind(opened, part[1], part[2]) for opened, part in zip(descriptors, parts, strict=True)]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _write_behind(descriptor: int, committed_bytes: int, data: bytes) -> int:
    size = os.fstat(descriptor).st_size
    start = min(size, committed_bytes)
    if size > start:
        os.ftruncate(descriptor, start)
    _write_all(descriptor, data, start)
    return start + len(data)


def _exclude_others(descriptor: int, run_id: int, committed_bytes: int) -> None:
    """Refuse to write if another process has appended since `committed_bytes` was read. Its lines would be removed.

    A process may be stopped at any moment and go on when another one has taken its place. So: 1. lock the file, until
    it is closed; 2. lock the row, and see that the file's length is still the committed one. From 1 on nobody else
    writes to it. If our transaction was ended meanwhile, 2 fails.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if Run.objects.select_for_update().values_list("log_bytes", flat=True).get(pk=run_id) != committed_bytes:
        raise OSError(errno.ESTALE, "another process has written to this log meanwhile")


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
    """Whole lines between two offsets, 1 MiB at most, and the offset after the last of them."""
    try:
        with path(run_id).open("rb") as stream:
            stream.seek(offset)
            block = stream.read(min(max(end - offset, 0), 16 * _BLOCK_BYTES))
    except FileNotFoundError:
        return offset, []
    whole = block[: block.rfind(b"\n") + 1]
    return offset + len(whole), [parse_line(row.decode("utf-8", "replace")) for row in whole.split(b"\n")[:-1]]


def parse_line(raw: str, offset: int = 0) -> Line:
    """The fields of a line. If it does not have our format, all of it is `text`."""
    parts = raw.split(" ", 1)
    rest = parts[1].split(None, 2) if len(parts) == 2 else []
    if len(parts[0]) != 24 or len(rest) < 2:
        return Line("", "INFO", "", raw, offset)
    return Line(parts[0], rest[0], "" if rest[1] == "-" else rest[1], rest[2] if len(rest) == 3 else "", offset)


def _last_lines(block: bytes, start: int, count: int) -> Tail:
    """The last `count` lines of a block that begins at offset `start`. A first line that may be cut is left out."""
    rows = block.split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    kept = rows[-count:] if start == 0 or len(rows) > count else rows[1:]
    skipped = sum(len(row) + 1 for row in rows[: len(rows) - len(kept)])
    return Tail([parse_line(row.decode("utf-8", "replace")) for row in kept], start + skipped)


def _opened(run_id: int) -> int:
    """A descriptor of the log, which is made if it is missing."""
    file = os.path.join(settings.RUNS_DIR, str(run_id), "run.log")
    try:
        return os.open(file, _FLAGS, 0o640)
    except FileNotFoundError:
        path(run_id).parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        return os.open(file, _FLAGS, 0o640)


def _write_all(descriptor: int, data: bytes, start: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, start)
        view, start = view[written:], start + written


def _stamp(time: float) -> str:
    """ISO 8601 in UTC with milliseconds. A time that Python can't represent is written as the epoch."""
    try:
        moment = datetime.fromtimestamp(time, UTC)
    except (OverflowError, OSError, ValueError):
        moment = datetime.fromtimestamp(0, UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"
