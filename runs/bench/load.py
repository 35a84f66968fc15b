"""Whether the bench's processors had time to measure a host, from what the Linux kernel counts. Plain functions.

A sample has the counters at one moment. Two or more samples show what the processors had to do in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_MIN_SPAN_S = 2.0
_PSI = ("sys/fs/cgroup/cpu.pressure", "proc/pressure/cpu")
_STEAL = 7  # of the columns of /proc/stat's line `cpu` [proc(5)]
_COUNTED_AS_TIME = 8  # guest time, which follows, is in user time already
_RUN_DELAY = 8  # of a processor's words in /proc/schedstat [Linux, Documentation/scheduler/sched-stats.rst]


@dataclass(frozen=True)
class Sample:
    """The kernel's counters at one moment; None for what this kernel does not count.

    `stalled_us`: time in which some task waited for a processor (PSI). `waiting_ns`: time that all tasks together
    waited in the queues of our processors (schedstat). `running`: tasks that ran or wanted to. `ticks`, `stolen`: of
    all processors, and of those the ticks that a hypervisor gave to others. `throttled_us`: time in which our control
    group had used up its share (cpu.max).
    """

    at: float
    cores: int
    stalled_us: int | None = None
    waiting_ns: int | None = None
    running: int | None = None
    load: float | None = None
    ticks: int | None = None
    stolen: int | None = None
    throttled_us: int | None = None


@dataclass(frozen=True)
class Limits:
    """The highest values at which the bench is fit to measure; see `bench` in vetting.example.yaml."""

    pressure_percent: float
    waiting_per_core: float
    steal_percent: float
    throttled_percent: float


@dataclass(frozen=True)
class Shortage:
    """What was short, in words, and how many times over its limit (`weight`)."""

    why: str
    weight: float


def shortage(samples: Sequence[Sample], limits: Limits) -> Shortage | None:
    """The worst shortage that these samples show, oldest first; None if the machine was fit.

    Pressure alone is not enough. With two tasks more than processors it is near 100 %, and yet each task gets two
    thirds of a processor. So the number of waiting tasks must be over its limit too.
    """
    if len(samples) < 2 or samples[-1].at - samples[0].at < _MIN_SPAN_S:
        return None
    found = [_crowded(samples, limits), _stolen(samples, limits), _throttled(samples, limits)]
    return max((one for one in found if one), key=lambda one: one.weight, default=None)


def waiting_per_core(samples: Sequence[Sample]) -> float | None:
    """How many tasks waited for each processor, on average. From the time in the queues; else from the tasks that ran
    at each sample; else from the load average of the last minute."""
    first, last = samples[0], samples[-1]
    if (waited_ns := _grown(first.waiting_ns, last.waiting_ns)) is not None:
        return waited_ns / 1e9 / (last.at - first.at) / last.cores
    seen = [one.running / one.cores for one in samples if one.running is not None]
    if seen:
        return max(0.0, sum(seen) / len(seen) - 1)
    return None if last.load is None else max(0.0, last.load / last.cores - 1)


def pressure_percent(first: Sample, last: Sample) -> float | None:
    return _percent(_grown(first.stalled_us, last.stalled_us), (last.at - first.at) * 1e6)


def _crowded(samples: Sequence[Sample], limits: Limits) -> Shortage | None:
    waiting, pressure = waiting_per_core(samples), pressure_percent(samples[0], samples[-1])
    if waiting is None or waiting <= limits.waiting_per_core:
        return None
    if pressure is not None and pressure < limits.pressure_percent:
        return None
    told = "" if pressure is None else f", CPU pressure {pressure:.0f} %"
    cores = samples[-1].cores
    why = f"{waiting:.0f} tasks waited for each of its {cores} cores{told}"
    return Shortage(why, waiting / max(limits.waiting_per_core, 0.1))


def _stolen(samples: Sequence[Sample], limits: Limits) -> Shortage | None:
    first, last = samples[0], samples[-1]
    percent = _percent(_grown(first.stolen, last.stolen), _grown(first.ticks, last.ticks))
    if percent is None or percent <= limits.steal_percent:
        return None
    return Shortage(f"its hypervisor took {percent:.0f} % of its CPU time (steal)", percent / limits.steal_percent)


def _throttled(samples: Sequence[Sample], limits: Limits) -> Shortage | None:
    first, last = samples[0], samples[-1]
    percent = _percent(_grown(first.throttled_us, last.throttled_us), (last.at - first.at) * 1e6)
    if percent is None or percent <= limits.throttled_percent:
        return None
    why = f"its control group was held back {percent:.0f} % of the time (cpu.max)"
    return Shortage(why, percent / limits.throttled_percent)


def _grown(before: int | None, after: int | None) -> int | None:
    """By how much a counter grew; None if it fell, since then it was reset."""
    return None if before is None or after is None or after < before else after - before


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100.0 * part / whole


# --- reading -----------------------------------------------------------------------------------------------------


def read(root: Path = Path("/")) -> Sample:
    """Read the kernel's counters."""
    ours = os.sched_getaffinity(0)
    stat = _text(root / "proc/stat")
    ticks, stolen = parse_ticks(stat)
    return Sample(
        at=time.time(),
        cores=len(ours) or 1,
        stalled_us=next((us for name in _PSI if (us := parse_pressure(_text(root / name))) is not None), None),
        waiting_ns=parse_schedstat(_text(root / "proc/schedstat"), ours),
        running=parse_running(stat),
        load=parse_load(_text(root / "proc/loadavg")),
        ticks=ticks,
        stolen=stolen,
        throttled_us=_read_throttled(root),
    )


def parse_pressure(text: str) -> int | None:
    """Microseconds in the line `some` of a PSI file."""
    for line in text.splitlines():
        if line.startswith("some "):
            return _whole(line.rpartition("total=")[2])
    return None


def parse_schedstat(text: str, processors: Iterable[int]) -> int | None:
    """Nanoseconds that tasks waited in the queues of these processors; None if one is not listed."""
    waited: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > _RUN_DELAY and words[0].startswith("cpu") and (ns := _whole(words[_RUN_DELAY])) is not None:
            waited[words[0]] = ns
    wanted = [f"cpu{number}" for number in processors]
    return sum(waited[name] for name in wanted) if wanted and waited.keys() >= set(wanted) else None


def parse_running(text: str) -> int | None:
    line = next((line for line in text.splitlines() if line.startswith("procs_running ")), "")
    return _whole(line.partition(" ")[2])


def parse_ticks(text: str) -> tuple[int | None, int | None]:
    """The CPU's ticks: all, and those that the hypervisor gave to others."""
    line = next((line for line in text.splitlines() if line.startswith("cpu ")), "")
    columns = [_whole(word) for word in line.split()[1:]][:_COUNTED_AS_TIME]
    known = [ticks for ticks in columns if ticks is not None]
    if len(known) < _COUNTED_AS_TIME:
        return None, None
    return sum(known), known[_STEAL]


def parse_load(text: str) -> float | None:
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None


def parse_throttled(text: str) -> int | None:
    """Throttled microseconds in a control group's cpu.stat. (Version 1 counts nanoseconds.)"""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in ("throttled_usec", "throttled_time") and (count := _whole(value)) is not None:
            return count if name == "throttled_usec" else count // 1000
    return None


def own_groups(text: str) -> list[Path]:
    """Our control group and those that contain it, as paths below /sys/fs/cgroup. `text` is /proc/self/cgroup."""
    found: list[Path] = []
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = Path(path.lstrip("/"))
        if number == "0":
            found += [inside, *inside.parents]
        elif "cpu" in controllers.split(","):
            found += [Path(controllers) / one for one in (inside, *inside.parents)]
    return found


def _read_throttled(root: Path) -> int | None:
    """The highest count among our control group and the groups that contain it: each may have a limit that slows us."""
    groups = own_groups(_text(root / "proc/self/cgroup"))
    counts = [parse_throttled(_text(root / "sys/fs/cgroup" / group / "cpu.stat")) for group in groups]
    return max((count for count in counts if count is not None), default=None)


def _whole(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 25 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:1_000_000]
    except OSError:
        return ""


# --- keeping -----------------------------------------------------------------------------------------------------


def as_json(sample: Sample) -> dict[str, Any]:
    return vars(sample)


def from_json(data: Any) -> Sample | None:
    """A sample from JSON; None if it has other fields, since another version wrote it."""
    known = {field.name for field in fields(Sample)}
    if not isinstance(data, dict) or data.keys() != known:
        return None
    whole: dict[str, Any] = {k: value for k, value in data.items() if isinstance(value, int | float) or value is None}
    return Sample(**whole) if whole.keys() == known and whole["at"] and whole["cores"] else None
