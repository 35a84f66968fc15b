"""Examines a disk before a write: the whole disk, each partition, its end, its holders, and samples of everything else.
A place that can't be read is listed as such. It never counts as blank."""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.contract import wire
from agent.disk_writes import signatures
from agent.disk_writes.safety import UNKNOWN_DATA, Found, WipeReport
from agent.host import shell
from agent.parsing import ParseError
from agent.probes.drives import util_linux

MIB = 1024 * 1024
SAMPLE_BYTES = 64 * 1024
_EDGE_BYTES = 4 * MIB
_TOOL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Partition:
    """A partition as the kernel sees it: number, start and size in bytes, and device."""

    number: int
    start: int
    size: int
    name: str


@dataclass(frozen=True)
class Thoroughness:
    """How much to read. A disk up to `full_scan_bytes` is read whole, a larger one at `samples` places; all within
    `time_limit_s`."""

    full_scan_bytes: int
    samples: int
    time_limit_s: float


def probe(name: str, effort: Thoroughness, root: Path = Path("/")) -> WipeReport:
    """Everything that is on disk `name` (sda). Takes a while. Raises nothing, whatever the disk or a tool does."""
    device, block = root / "dev" / name, root / "sys/block" / name
    try:
        parts = partitions(block)
        held = holders(block, parts)
    except (OSError, ValueError) as error:
        return WipeReport((_unreadable(f"partitions and holders: {error}"),))
    marked = _within(effort.time_limit_s, "marks", lambda: _marks(device, parts))
    sampled = _within(effort.time_limit_s, "data", lambda: _data(device, parts, effort))
    found = [*held, *marked, *_tools(device, parts, marked), *sampled]
    return WipeReport(tuple(_unique(found)))


def partitions(block: Path) -> list[Partition]:
    found = []
    for entry in sorted(block.glob(f"{block.name}*/partition")):
        start, size = (int((entry.parent / key).read_text()) * 512 for key in ("start", "size"))
        found.append(Partition(int(entry.read_text()), start, size, entry.parent.name))
    return found


def holders(block: Path, parts: list[Partition]) -> list[Found]:
    """What the kernel has built on the disk or on a partition of it. Raises OSError if that can't be read."""
    places = [("disk", block), *((f"partition {part.number}", block / part.name) for part in parts)]
    return [
        Found(where, "held", held.name, f"in use by {held.name}")
        for where, place in places
        for held in sorted((place / "holders").iterdir())
    ]


def sample_places(size: int, parts: list[Partition], effort: Thoroughness) -> list[tuple[int, int]]:
    """The places to read for data of unknown kind, as (offset, length). A small disk is read whole. Of a large one both
    ends, the start of every partition, and places spread evenly. They are always the same for the same disk."""
    if size <= effort.full_scan_bytes:
        return [(at, min(MIB, size - at)) for at in range(0, size, MIB)]
    edge = min(_EDGE_BYTES, size)
    places = [(at, MIB) for start in (0, size - edge) for at in range(start, start + edge, MIB)]
    places += [(part.start, SAMPLE_BYTES) for part in parts if part.start + SAMPLE_BYTES <= size]
    step = max(SAMPLE_BYTES, (size - SAMPLE_BYTES) // max(1, effort.samples) // 4096 * 4096)
    places += [(at, SAMPLE_BYTES) for at in range(0, size - SAMPLE_BYTES, step)]
    return sorted(set(places))


def _marks(device: Path, parts: list[Partition]) -> list[Found]:
    """What our own code recognises, with the name if the format has one."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _size(fd)
        found = _scan(fd, "disk", 0, size)
        for part in parts:
            found += _scan(fd, f"partition {part.number}", part.start, part.size)
        return found
    finally:
        os.close(fd)


def _size(fd: int) -> int:
    """The size in bytes. Raises OSError for a disk without a medium, which would look blank."""
    size = os.lseek(fd, 0, os.SEEK_END)
    if size <= 0:
        raise OSError(errno.ENOMEDIUM, "the disk has no size")
    return size


def _scan(fd: int, where: str, base: int, size: int) -> list[Found]:
    marks = signatures.scan(lambda at, length: os.pread(fd, length, base + at), size)
    return [Found(where, mark.kind, mark.label, mark.words, ((base + mark.offset, 512),)) for mark in marks]


def _data(device: Path, parts: list[Partition], effort: Thoroughness) -> list[Found]:
    """Any bytes other than zero."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _size(fd)
        return _not_zero(fd, sample_places(size, parts, effort), time.monotonic() + effort.time_limit_s)
    finally:
        os.close(fd)


def _not_zero(fd: int, places: list[tuple[int, int]], deadline: float) -> list[Found]:
    """For each place, the range from its first to its last byte that is not zero. A place may lie half in a segment
    that we wrote."""
    zeros, full, ranges, content = bytes(MIB), [], [], hashlib.sha256()
    for at, length in places:
        if time.monotonic() > deadline:
            return [Found("disk", wire.NOT_PROBED, "data", "the search for data was not over in time")]
        read = os.pread(fd, length, at)
        os.posix_fadvise(fd, at, length, os.POSIX_FADV_DONTNEED)
        if len(read) < length:
            return [_unreadable(f"byte {at + len(read)}: the disk ends there")]
        if read != zeros[:length]:
            full.append(at)
            ranges.append((at + length - len(read.lstrip(b"\0")), len(read.strip(b"\0"))))
            content.update(at.to_bytes(8, "big") + read)
    if not full:
        return []
    where = f"{len(full)} of {len(places)} places looked at are not blank, the first at byte {full[0]}"
    words = f"data of unknown kind: {where}"
    return [Found("disk", UNKNOWN_DATA, content.hexdigest()[:16], words, tuple(ranges))]


def _tools(device: Path, parts: list[Partition], known: list[Found]) -> list[Found]:
    """What util-linux recognises and our code does not, on the disk and on each partition."""
    found = []
    places = [("disk", device), *((f"partition {part.number}", device.parent / part.name) for part in parts)]
    for where, path in places:
        have = {one.kind for one in known if one.where == where}
        for said in (_ask_wipefs(where, path), _ask_blkid(where, path)):
            found += [one for one in said if one.kind not in have]
            have |= {one.kind for one in said if one.kind != wire.NOT_PROBED}
    return found


def _ask_wipefs(where: str, path: Path) -> list[Found]:
    done = util_linux.run_wipefs(path, _TOOL_TIMEOUT_S)
    return _told(where, done, lambda: util_linux.parse_wipefs(done.stdout), done.status == 0)


def _ask_blkid(where: str, path: Path) -> list[Found]:
    done = util_linux.run_blkid(path, _TOOL_TIMEOUT_S)
    if done.status == util_linux.BLKID_AMBIVALENT:
        return [Found(where, "ambivalent", "", "signatures of several kinds at once")]
    if done.status == util_linux.BLKID_NOTHING and done.ended and not done.stdout.strip():
        return []
    return _told(where, done, lambda: util_linux.parse_blkid(done.stdout), done.status == 0)


def _told(
    where: str, done: shell.Completed, parse: Callable[[], list[util_linux.Signature]], fine: bool
) -> list[Found]:
    tool = os.path.basename(done.argv[0])
    if not fine or done.timed_out or done.stopped:
        return [
            Found(where, wire.NOT_PROBED, tool, f"{done.trouble or tool + ' failed'}: signatures were not looked for")
        ]
    try:
        return [Found(where, one.kind, one.label, one.words) for one in parse()]
    except ParseError as error:
        return [Found(where, wire.NOT_PROBED, tool, f"{error}: signatures were not looked for")]


def _within(time_limit_s: float, what: str, look: Callable[[], list[Found]]) -> list[Found]:
    """Look for a limited time. A dead disk can hold a read for ever: the thread is abandoned then, and the list says
    so."""
    answers: queue.Queue[list[Found]] = queue.Queue()

    def work() -> None:
        try:
            answers.put(look())
        except OSError as error:
            answers.put([_unreadable(str(error.strerror or error))])
        except Exception as error:  # the content of a disk may cause any error in a parser; such a disk is not blank
            answers.put([_unreadable(f"{what}: {type(error).__name__}: {error}")])

    threading.Thread(target=work, daemon=True, name=f"wipe-probe-{what}").start()
    try:
        return answers.get(timeout=time_limit_s + 5)
    except queue.Empty:
        return [Found("disk", wire.NOT_PROBED, what, f"no answer within {time_limit_s:.0f} s")]


def _unreadable(why: str) -> Found:
    return Found("disk", wire.UNREADABLE, "", f"unreadable: {why}")


def _unique(found: list[Found]) -> Iterator[Found]:
    seen = set()
    for one in found:
        if (one.where, one.kind, one.label) not in seen:
            seen.add((one.where, one.kind, one.label))
            yield one
