"""Search a run's log by level and text, from its end backwards. One call reads a bounded amount, however long the log
is, and returns how far it has looked; the next call goes on from there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from runs.files import logs as logfiles
from runs.files.logs import Line

# The lowest level that is shown → all levels that are shown, as they are written in the file.
LEVELS: dict[str, tuple[str, ...]] = {
    "": (),
    "info": ("INFO", "WARN", "ERROR"),
    "warning": ("WARN", "ERROR"),
    "error": ("ERROR",),
}
SEARCH_BYTES = 32 * 1024 * 1024
_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted. Ignores upper and lower case."""

    level: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.level or self.text)

    def wants(self, raw: bytes) -> bool:
        if self.text and self._needle not in raw.lower():
            return False
        return not self.level or logfiles.parse_line(raw.decode("utf-8", "replace")).level in LEVELS[self.level]

    def may_be_in(self, block: bytes) -> bool:
        """Whether a block can have a wanted line: a cheap test before it is split into lines."""
        if self.text and self._needle not in block.lower():
            return False
        levels = LEVELS[self.level]
        return not levels or "INFO" in levels or any(f" {name:<5} ".encode() in block for name in levels)

    @property
    def _needle(self) -> bytes:
        return self.text.encode().lower()


@dataclass(frozen=True)
class Found:
    """The lines found, in order, between the offsets `start` and `end`. What is before `start` was not searched."""

    lines: list[Line]
    start: int
    end: int


def find(run_id: int, wanted: Filter, count: int, end: int, after: int = 0) -> Found:
    """The last `count` wanted lines between the offsets `after` and `end`. Both are at the beginning of a line."""
    kept: list[Line] = []
    start = end
    try:
        with logfiles.path(run_id).open("rb") as stream:
            start = end = max(0, min(end, stream.seek(0, os.SEEK_END)))
            for start, raw in _backwards(stream, wanted, after, end):
                if raw is not None and wanted.wants(raw):
                    kept.append(logfiles.parse_line(raw.decode("utf-8", "replace"), start))
                if len(kept) == count:
                    break
    except FileNotFoundError:
        return Found([], 0, 0)
    return Found(kept[::-1], start, end)


def _backwards(stream: BinaryIO, wanted: Filter, after: int, end: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its offset, the last first. For a block without a wanted line, its offset and None."""
    for offset, block in _blocks(stream, after, end):
        if not wanted.may_be_in(block):
            yield offset, None
            continue
        position = offset + len(block)
        for row in reversed(block.removesuffix(b"\n").split(b"\n")):
            position = max(offset, position - len(row) - 1)
            yield position, row


def _blocks(stream: BinaryIO, after: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, some 256 KiB each, with the offset of the first line; the last block first."""
    oldest = max(after, end - SEARCH_BYTES)
    while end > oldest:
        start = max(oldest, end - _BLOCK_BYTES)
        stream.seek(start)
        block = stream.read(end - start)
        cut = block.find(b"\n") + 1 if start > after else 0
        if cut == len(block) and start == oldest:
            return  # the rest of a line that begins where the next answer looks
        if cut < len(block):  # a line longer than a block, of a file that is not ours, is taken in pieces
            start, block = start + cut, block[cut:]
        yield start, block
        end = start
