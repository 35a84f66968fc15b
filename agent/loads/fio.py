"""fio: reads, times and verifies writes on disks (3.33 and newer)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError, integer, mapping, number, parse_json, sequence

_IO_ERROR = re.compile(r"fio: io_u error on file [^\n]*?: ([^:\n]+): (read|write) offset=(\d{1,20}), buflen=(\d{1,20})")
_VERIFY = re.compile(r"verify(?: failed at file|: bad \S+[^\n]*?at file) \S+ offset (\d{1,20}), length (\d{1,20})")
_BAD_HEADER = re.compile(r"verify: bad [^\n]*offset (\d{1,20})")
# The second round of sequential reads.
AGAIN = "sequential again"
_SPEED = ("fio", "--ioengine=libaio", "--direct=1", "--thread", "--readonly", "--output-format=json")
VERIFY_ERRNO = 84  # EILSEQ: fio uses it for a failed verification


@dataclass(frozen=True)
class Job:
    """The result of one fio job. `error` is an errno, 0 for none. Rates are in bytes per second. `p99_us` is the
    completion latency of reads, `slowest_ms` that of the slowest one. None for a number that was not read."""

    error: int
    read_bytes: int
    written_bytes: int
    read_bytes_s: float | None
    write_bytes_s: float | None
    read_iops: float | None
    read_ms: int | None
    p99_us: float | None
    slowest_ms: float | None = None


@dataclass(frozen=True)
class BadRange:
    """A request that failed or returned wrong data: offset and length in bytes."""

    offset: int
    length: int
    kind: str
    words: str = ""


def surface_argv(path: str, offset: int, length: int) -> list[str]:
    """Read a range once, in order, without a cache. Errors do not stop it, and each is named."""
    # The largest power of two that divides the length: fio skips a rest that is smaller than a block.
    block = min(1 << 20, length & -length)
    return [
        *_common("surface", path), "--readonly", "--rw=read", f"--bs={block}", "--iodepth=8",
        f"--offset={offset}", f"--size={length}", "--continue_on_error=read", "--error_dump=1",
    ]  # fmt: skip


def speed_argv(disks: Mapping[str, int], duration_s: float) -> list[str]:
    """Sequential and random reads of each disk (path → size), one job after the other so that none competes: twice
    `duration_s` per disk.

    Sequential reads come in two rounds, the second in reverse order, each after a warm-up that does not count. Without
    that, the disk that is measured first looks slower than the others. One process runs all jobs, since starting fio
    takes as long as a short measurement.
    """
    words = list(_SPEED)
    for path, size in disks.items():
        words += [f"--name=sequential {path}", *_in_order(path, size, duration_s)]
        words += [f"--name=random {path}", *_timed(path, size, duration_s / 2)]
        words += ["--rw=randread", "--bs=4k", "--iodepth=32", "--norandommap"]
    return words + _again(reversed(list(disks.items())), duration_s)


def again_argv(disks: Mapping[str, int], duration_s: float) -> list[str]:
    """Sequential reads of these disks once more, as in `speed_argv`: half of `duration_s` and a warm-up per disk."""
    return [*_SPEED, *_again(disks.items(), duration_s)]


def _again(disks: Iterable[tuple[str, int]], duration_s: float) -> list[str]:
    return [word for path, size in disks for word in (f"--name={AGAIN} {path}", *_in_order(path, size, duration_s))]


def _in_order(path: str, size: int, duration_s: float) -> list[str]:
    warm_up = f"--ramp_time={_ms(duration_s / 4)}"
    return [*_timed(path, size, duration_s / 2), "--rw=read", "--bs=1M", "--iodepth=16", warm_up]


def _timed(path: str, size: int, duration_s: float) -> list[str]:
    return [f"--filename={path}", f"--size={size}", f"--runtime={_ms(duration_s)}", "--time_based", "--stonewall"]


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def burn_argv(path: str, size: int, duration_s: float) -> list[str]:
    """Larger pieces from all over the disk, with few requests at a time: steady work that leaves the cores to the other
    loads."""
    return [*_common("burn", path), "--readonly", "--rw=randread", "--bs=256k", "--iodepth=4", "--norandommap",
            f"--size={size}", f"--runtime={duration_s:g}", "--time_based", "--continue_on_error=read",
            "--error_dump=1"]  # fmt: skip


def verify_argv(path: str, offset: int, length: int) -> list[str]:
    """Write a range once and read it back against checksums. It is bounded by size, because fio never verifies with a
    time limit."""
    return [
        *_common("verify", path), "--rw=write", "--bs=1M", "--iodepth=16", f"--offset={offset}", f"--size={length}",
        "--verify=crc32c", "--verify_interval=4096", "--do_verify=1", "--verify_fatal=1", "--verify_dump=0",
        "--verify_state_save=0",
    ]  # fmt: skip


def in_memory(argv: list[str], *, only_read_back: bool) -> list[str]:
    """The same job on a file in memory, with the cache, which some kernels need there. With `only_read_back` nothing is
    written, and what an earlier job wrote is checked."""
    words = ["--direct=0" if word == "--direct=1" else word for word in argv]
    return [*words, "--verify_only=1"] if only_read_back else words


def blank_argv(path: str, offset: int, length: int) -> list[str]:
    """Zeros over a range."""
    return [*_common("blank", path), "--rw=write", "--bs=1M", "--iodepth=16", "--zero_buffers=1",
            f"--offset={offset}", f"--size={length}"]  # fmt: skip


def _common(name: str, path: str) -> list[str]:
    return ["fio", f"--name={name}", f"--filename={path}", "--ioengine=libaio", "--direct=1", "--thread",
            "--output-format=json"]  # fmt: skip


def run(
    argv: list[str],
    timeout_s: float,
    *,
    stop: StopFlag | None = None,
    forbids: Callable[[], str] | None = None,
    pass_fds: tuple[int, ...] = (),
    on_output: Callable[[bytes], None] | None = None,
) -> shell.Completed:
    return shell.run(argv, timeout_s, stop=stop, forbids=forbids, pass_fds=pass_fds, on_output=on_output)


def parse(text: str) -> Job:
    """The only job. Raises ParseError. Notes before the JSON are skipped."""
    return next(iter(parse_all(text).values()))


def parse_all(text: str) -> dict[str, Job]:
    """Every job by its name. Raises ParseError when there is none."""
    jobs = [mapping(job) for job in sequence(parse_json(text, "fio").get("jobs"))]
    if not jobs:
        raise ParseError("fio's JSON has no jobs")
    return {str(job.get("jobname")): _job(job) for job in jobs}


def _job(job: dict[str, Any]) -> Job:
    read, write = mapping(job.get("read")), mapping(job.get("write"))
    error, read_bytes = integer(job.get("error")), integer(read.get("io_bytes"))
    if error is None or read_bytes is None or read_bytes < 0:
        raise ParseError("fio's JSON has no error or io_bytes")
    latency = mapping(read.get("clat_ns"))
    p99, slowest = _positive(mapping(latency.get("percentile")).get("99.000000")), _positive(latency.get("max"))
    return Job(
        error=error,
        read_bytes=read_bytes,
        written_bytes=integer(write.get("io_bytes")) or 0,
        read_bytes_s=_positive(read.get("bw_bytes")),
        write_bytes_s=_positive(write.get("bw_bytes")),
        read_iops=_positive(read.get("iops")),
        read_ms=integer(read.get("runtime")),
        p99_us=None if p99 is None else p99 / 1000,
        slowest_ms=None if slowest is None else slowest / 1e6,
    )


def _positive(value: object) -> float | None:
    """None for anything but a number of zero or more."""
    known = number(value)
    return known if known is None or known >= 0 else None


def errors(text: str) -> list[BadRange]:
    """Every block that was read back wrong, then every failed request."""
    return verify_errors(text) + io_errors(text)


def io_errors(text: str) -> list[BadRange]:
    """Every failed request that fio named."""
    return [
        BadRange(int(offset), int(length), kind, words.strip())
        for words, kind, offset, length in _IO_ERROR.findall(text)
    ]


def verify_errors(text: str) -> list[BadRange]:
    """Every block that was read back wrong."""
    found = [BadRange(int(offset), int(length), "verify", "verify") for offset, length in _VERIFY.findall(text)]
    return found or [BadRange(int(offset), 0, "verify", "bad header") for offset in _BAD_HEADER.findall(text)]
