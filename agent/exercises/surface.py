"""Reads a disk's surface: which places, how far it came, what could not be read. It never writes."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent import findings
from agent.contract import wire
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import fio
from agent.parsing import ParseError

MIB = 1024 * 1024
SECTOR_BYTES = 512
_MIN_RATE_BYTES_S = 1 * MIB  # a healthy disk reads a hundred times as fast; a slower one hangs
_START_S = 60.0


@dataclass(frozen=True)
class Segment:
    """A range of a disk, in bytes."""

    offset: int
    length: int


@dataclass
class Surface:
    """How far the reading came. `bad` are (LBA, sectors) that could not be read. `trouble` says why it ended early,
    which is as planned only with `time_over`. `slowest_ms` is the longest time that one request took, in the segment at
    `slowest_at`."""

    read_bytes: int = 0
    seconds: float = 0.0
    bad: list[tuple[int, int]] = field(default_factory=list)
    trouble: str = ""
    time_over: bool = False
    slowest_ms: float = 0.0
    slowest_at: int = 0

    @property
    def rate_mb_s(self) -> float:
        return self.read_bytes / self.seconds / 1e6 if self.seconds > 0 else 0.0

    def is_enough(self, planned: int, min_percent: float) -> bool:
        """Whether at least this share of the `planned` bytes was read."""
        return self.read_bytes > 0 and self.read_bytes >= planned * min_percent / 100


def plan(size: int, sample_max_bytes: int, segment_bytes: int) -> list[Segment]:
    """The segments to read, in their order. If `sample_max_bytes` is 0 or covers the disk: the whole disk. If not: that
    many bytes, spread from the first to the last byte of the disk. The rest behind the last whole MiB is a segment of
    its own, since fio reads whole blocks only and would skip it silently."""
    if size <= 0:
        return []
    whole = size // MIB * MIB
    tail = [Segment(whole, size - whole)] if size > whole else []
    return _scattered([*_spread(whole, sample_max_bytes, segment_bytes), *tail])


def _scattered(segments: list[Segment]) -> list[Segment]:
    """The first, the last, then halves, quarters, eighths. If the time runs out, the places that were read are spread
    over the whole disk. (The bits of each number are reversed: van der Corput's sequence.)"""
    bits = len(segments).bit_length()
    order = sorted(range(len(segments)), key=lambda number: f"{number:0{bits}b}"[::-1])
    order.remove(len(segments) - 1)
    order.insert(1, len(segments) - 1)
    return [segments[number] for number in order]


def _spread(size: int, sample_max_bytes: int, segment_bytes: int) -> list[Segment]:
    if not sample_max_bytes or size <= sample_max_bytes:
        return [Segment(at, min(segment_bytes, size - at)) for at in range(0, size, segment_bytes)]
    length = min(segment_bytes, sample_max_bytes)
    count = max(2, sample_max_bytes // length)
    length = min(length, sample_max_bytes // count) // MIB * MIB or MIB
    # In whole numbers: a rounded step would end one MiB before the disk does.
    return [Segment(n * (size - length) // (count - 1) // MIB * MIB, length) for n in range(count)]


def read(
    name: str, segments: list[Segment], surface: Surface, *, time_limit_s: float, bad_max: int, stop: StopFlag,
    told: Callable[[Surface, int], None], reads_on: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Read `segments` and add the results to `surface`. `told` is called after each with the number done. Ends early at
    the time limit, unless `reads_on` then gives more time for the next segment, at `bad_max` bad places, or when fio
    can't go on."""
    began = time.monotonic()
    for number, segment in enumerate(segments, start=1):
        elapsed_s = time.monotonic() - began
        if stop.is_set():
            surface.trouble = f"stopped: {stop.reason}"
        elif elapsed_s > time_limit_s and not reads_on():
            surface.trouble, surface.time_over = f"{elapsed_s:.0f} s were over", True
        elif len(surface.bad) >= bad_max:
            surface.trouble = f"given up after {len(surface.bad)} unreadable places"
        else:
            _read_segment(name, segment, surface, bad_max, stop)
        if surface.trouble:
            return
        told(surface, number)


def _read_segment(name: str, segment: Segment, surface: Surface, bad_max: int, stop: StopFlag) -> None:
    path = f"/dev/{name}"
    limit_s = segment.length / _MIN_RATE_BYTES_S + _START_S
    heard = _Errors(bad_max)
    try:
        done = fio.run(
            fio.surface_argv(path, segment.offset, segment.length), limit_s, stop=stop, on_output=heard.listen
        )
    except TooManyErrors:
        surface.bad += _sectors(path, fio.io_errors(heard.text()), bad_max)
        return
    surface.bad += _sectors(path, fio.io_errors(done.stderr + done.stdout), bad_max)
    take(done, segment, surface)


def take(done: Completed, segment: Segment, surface: Surface) -> None:
    """Add fio's result for one segment. Its bad places are in `surface` already."""
    try:
        job = fio.parse(done.stdout)
    except ParseError as error:
        surface.trouble = done.trouble_or(error)
        return
    surface.read_bytes += job.read_bytes
    surface.seconds += (job.read_ms or 0) / 1000
    if job.slowest_ms and job.slowest_ms > surface.slowest_ms:
        surface.slowest_ms, surface.slowest_at = job.slowest_ms, segment.offset
    if surface.bad:
        return
    if job.error or not done.ok:
        surface.trouble = done.trouble or f"fio reports error {job.error}"
    elif job.read_bytes < segment.length:
        surface.trouble = f"fio read {job.read_bytes} of {segment.length} bytes and names no error"
    elif job.slowest_ms is None:
        surface.trouble = "fio does not say how long the slowest read took"


def unreadable(device: str, serial: str, bad: list[tuple[int, int]]) -> wire.Finding:
    """The finding for `bad`, (LBA, sectors), at least one."""
    first, sectors = min(bad)
    places = f"{len(bad)} unreadable place{'s' if len(bad) > 1 else ''}"
    message = f"{device}: {places}, the first at LBA {first} ({sectors} sectors)"
    return findings.make("storage.read_error", "disk", serial, message, value=float(len(bad)), limit=0.0, unit="places")


def hesitating(device: str, serial: str, surface: Surface, most_ms: float) -> list[wire.Finding]:
    """A drive that needs seconds for one request reads a weak place again and again, and then reports success."""
    if surface.slowest_ms <= most_ms:
        return []
    first, value = surface.slowest_at // SECTOR_BYTES, round(surface.slowest_ms)
    message = f"{device}: one read took {value} ms, in the stretch from LBA {first}"
    return [findings.make("storage.hesitates", "disk", serial, message, value=float(value), limit=most_ms, unit="ms")]


class TooManyErrors(Exception):
    """The disk fails so often that reading on would take days. The errors so far are enough."""


class _Errors:
    """Counts failed requests as fio names them."""

    def __init__(self, most: int) -> None:
        self._most, self._heard, self._lock = most, bytearray(), threading.Lock()

    def listen(self, chunk: bytes) -> None:
        self._heard += chunk
        del self._heard[: -256 * 1024]
        if self._heard.count(b"io_u error") >= self._most:
            raise TooManyErrors

    def text(self) -> str:
        return self._heard.decode(errors="replace")


def _sectors(path: str, errors: list[fio.BadRange], most: int) -> list[tuple[int, int]]:
    """The LBAs behind failed requests, found by reading them again in small pieces. A request that now reads correctly
    stays on the list as a whole, since it failed once."""
    found: list[tuple[int, int]] = []
    for error in errors[:most]:
        found += _narrowed(path, error.offset, error.length) or [
            (error.offset // SECTOR_BYTES, error.length // SECTOR_BYTES)
        ]
    return sorted(set(found))


def _narrowed(path: str, offset: int, length: int, piece: int = 4096) -> list[tuple[int, int]]:
    """The pieces that can't be read, 4096 bytes each, no more than one request's worth."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return [
            (at // SECTOR_BYTES, piece // SECTOR_BYTES)
            for at in range(offset, offset + length, piece)
            if not _reads(fd, at, piece)
        ]
    finally:
        os.close(fd)


def _reads(fd: int, at: int, length: int) -> bool:
    """Whether the place can be read. O_DIRECT needs an aligned buffer, and anonymous memory maps are aligned."""
    with mmap.mmap(-1, length) as buffer:
        try:
            return os.preadv(fd, [buffer], at) == length
        except OSError:
            return False
