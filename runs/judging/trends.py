"""Compare a stage's numbers with the same part in earlier runs, and with equal parts of other hosts (peers).

Takes numbers and limits, returns findings; no database. A limit is among the stage's limits in the profile. Its name
is the number's name and an ending:

- `_growth_max`, `_growth_warn`: how much a counter may grow since the last good run
- `_of_last_good_min_percent`, `_of_last_good_warn_percent`: the least percentage of the last good run
- `_of_last_good_max_percent`, `_of_last_good_over_percent`: the most, for numbers of which more is bad
- `_of_peers_min_percent`, `_of_peers_warn_percent`: the least percentage of the peers' median
- `_of_peers_sigmas`: and by how many standard deviations of the peers it must be below their median
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.contract import wire
from runs.wording import units

LEAST_PEERS = 3
_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
_GROWTH = {"_growth_max": _CRITICAL, "_growth_warn": _WARNING}
_LAST_GOOD = {"_of_last_good_min_percent": _CRITICAL, "_of_last_good_warn_percent": _WARNING}
_PEERS = {"_of_peers_min_percent": _CRITICAL, "_of_peers_warn_percent": _WARNING}
_PEERS_SIGMAS = "_of_peers_sigmas"
# Of a normal distribution the median absolute deviation is 1 / 1.4826 of the standard deviation.
_SIGMA_OF_MAD = 1.4826
_HOURS = "power_on_h"
# Firmware updates and clocks of their own may take a drive back by hours.
_HOURS_OFF, _MOST_16_BITS, _NEAR_ITS_END = 48, 0xFFFF, 10_000
_CEILING = {"_of_last_good_max_percent": _CRITICAL, "_of_last_good_over_percent": _WARNING}
SUFFIXES = (*_GROWTH, *_LAST_GOOD, *_PEERS, _PEERS_SIGMAS, *_CEILING)

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class EarlierRun:
    """The numbers of one stage in an earlier run of the same host. `when` is its date as text. `passed` says whether
    the stage passed; other stages do not matter. `setting` has what some numbers depend on: duration of the load,
    firmware, microcode."""

    run: int
    when: str
    passed: bool
    numbers: Numbers
    setting: str = ""


@dataclass(frozen=True)
class Metric:
    """A number of which less is bad, or more if its limit is a maximum. `before` and `peers` are the codes of its
    findings, `does` the verb of their sentences. `same_setting`: compare only with runs in the same setting."""

    before: str
    peers: str
    unit: str
    does: str
    kind: str = "disk"
    same_setting: bool = False


METRICS = {
    "cpu_bogo_ops_s": Metric("cpu.slower_than_before", "", "bogo-ops/s", "does", "cpu", same_setting=True),
    "clock_load_mhz": Metric("cpu.clock_below_before", "", "MHz", "runs at", "cpu", same_setting=True),
    "power_load_w": Metric("cpu.power_below_before", "", "W", "draws", "cpu", same_setting=True),
    "thermal_resistance_c_w": Metric("thermal.worse_than_before", "", "C/W", "heats up by", "cpu", same_setting=True),
    "seq_read_mb_s": Metric("storage.slower_than_before", "storage.slower_than_peers", "MB/s", "reads"),
    "raid_drives": Metric("smart.raid_drive_gone", "smart.raid_drive_gone", "drives", "has"),
}


def need_other_runs(limits: Mapping[str, object]) -> bool:
    """Whether any limit of a stage needs the numbers of other runs."""
    return any(name.endswith(SUFFIXES) for name in limits)


def need_setting(numbers: Numbers, limits: Mapping[str, object]) -> bool:
    """Whether any number is compared only with runs in the same setting."""
    limited = _limited(numbers, limits, {**_LAST_GOOD, **_CEILING})
    return any(name in METRICS and METRICS[name].same_setting for name, *_ in limited)


def need_peers(numbers: Numbers, limits: Mapping[str, object]) -> bool:
    return any(True for _ in _limited(numbers, limits, _PEERS))


def judge(
    numbers: Numbers,
    limits: Mapping[str, object],
    earlier: Sequence[EarlierRun],
    peers: Mapping[str, Sequence[float]],
    setting: str = "",
) -> list[wire.Finding]:
    """The findings of all comparisons; of one code and component, the gravest. `earlier` has the newest run first.
    `peers` has the numbers of equal parts, by the name of ours."""
    found = [
        *_growth(numbers, limits, earlier),
        *_forgotten(numbers, earlier),
        *_slower(numbers, limits, earlier, setting),
        *_above(numbers, limits, earlier, setting),
        *_behind(numbers, limits, peers),
    ]
    gravest: dict[tuple[str, str], wire.Finding] = {}
    for one in sorted(found, key=lambda finding: finding.severity is not _CRITICAL):
        gravest.setdefault((one.code, one.component), one)
    return list(gravest.values())


def _growth(numbers: Numbers, limits: Mapping[str, object], earlier: Sequence[EarlierRun]) -> Iterator[wire.Finding]:
    """Counters that grew since the last good run, or since the first on record if none was good. Compared with the last
    run, a drive that failed for its growth would pass when it is tested again."""
    for name, part, key, severity, limit in _limited(numbers, limits, _GROWTH):
        known = [run for run in earlier if key in run.numbers]
        base = next((run for run in known if run.passed), known[-1] if known else None)
        if base is None or numbers[key] - base.numbers[key] <= limit:
            continue
        before, after = base.numbers[key], numbers[key]
        words = f"{name.replace('_', ' ')} went from {before:g} to {after:g} since run {base.run} ({base.when})"
        yield wire.Finding(f"smart.{name}", severity, "disk", part, f"{part}: {words}", after - before, limit)


def _forgotten(numbers: Numbers, earlier: Sequence[EarlierRun]) -> Iterator[wire.Finding]:
    """Drives with fewer hours of power-on than in the newest run that has them: what such a drive has counted was set
    back, so its counts say nothing of the time before. Hours of 16 bits begin again."""
    for key in numbers:
        name, _, part = key.partition(".")
        base = next((run for run in earlier if key in run.numbers), None) if name == _HOURS and part else None
        before, after = base.numbers[key] if base else 0.0, numbers[key]
        if base is None or before - after <= _HOURS_OFF or _MOST_16_BITS - _NEAR_ITS_END <= before <= _MOST_16_BITS:
            continue
        words = f"its hours of power-on went from {before:g} to {after:g} since run {base.run} ({base.when})"
        yield wire.Finding("smart.counts_reset", _WARNING, "disk", part, f"{part}: {words}", after, before, "h")


def _last_good(earlier: Sequence[EarlierRun], name: str, key: str, setting: str) -> EarlierRun | None:
    """The newest good run that has this number, in the same setting if that matters."""
    any_setting = name not in METRICS or not METRICS[name].same_setting
    good = (run for run in earlier if run.passed and run.numbers.get(key))
    return next((run for run in good if any_setting or run.setting == setting), None)


def _above(
    numbers: Numbers, limits: Mapping[str, object], earlier: Sequence[EarlierRun], setting: str
) -> Iterator[wire.Finding]:
    for name, part, key, severity, percent in _limited(numbers, limits, _CEILING):
        base = _last_good(earlier, name, key, setting)
        if base is None or name not in METRICS or numbers[key] <= base.numbers[key] * percent / 100:
            continue
        metric, before, limit = METRICS[name], base.numbers[key], base.numbers[key] * percent / 100
        message = (
            f"{part}: {metric.does} {numbers[key]:.2f} {metric.unit}, {before:.2f} in run {base.run} ({base.when}), "
            f"at most {percent:g} % are expected"
        )
        value = round(numbers[key], 3)
        yield wire.Finding(metric.before, severity, metric.kind, part, message, value, round(limit, 3), metric.unit)


def _slower(
    numbers: Numbers, limits: Mapping[str, object], earlier: Sequence[EarlierRun], setting: str
) -> Iterator[wire.Finding]:
    for name, part, key, severity, percent in _limited(numbers, limits, _LAST_GOOD):
        base = _last_good(earlier, name, key, setting)
        if base is not None and name in METRICS:
            against = f"in run {base.run} ({base.when})"
            yield from _short(
                METRICS[name].before, name, part, numbers[key], base.numbers[key], percent, against, severity
            )


def _behind(
    numbers: Numbers, limits: Mapping[str, object], peers: Mapping[str, Sequence[float]]
) -> Iterator[wire.Finding]:
    """Numbers below those of peers, if there are enough peers, and they do not differ as much among themselves."""
    for name, part, key, severity, percent in _limited(numbers, limits, _PEERS):
        others = peers.get(key, ())
        if len(others) < LEAST_PEERS or name not in METRICS:
            continue
        median, sigmas = statistics.median(others), limits.get(name + _PEERS_SIGMAS)
        usual = _sigma(others) * float(sigmas) if isinstance(sigmas, int | float) else 0.0
        if median - numbers[key] > usual:
            against = f"is the median of {len(others)} of its model"
            yield from _short(METRICS[name].peers, name, part, numbers[key], median, percent, against, severity)


def _sigma(values: Sequence[float]) -> float:
    """The standard deviation, from the median absolute deviation: a single outlier does not widen it."""
    median = statistics.median(values)
    return _SIGMA_OF_MAD * statistics.median(abs(value - median) for value in values)


def _short(
    code: str, name: str, part: str, value: float, base: float, percent: float, against: str, severity: wire.Severity
) -> Iterator[wire.Finding]:
    least = base * percent / 100
    if value < least:
        metric = METRICS[name]
        message = (
            f"{part}: {metric.does} {value:.0f} {units.written(metric.unit, value)}, {base:.0f} {against}, "
            f"at least {percent:g} % are expected"
        )
        yield wire.Finding(code, severity, metric.kind, part, message, round(value, 1), round(least, 1), metric.unit)


def _limited(
    numbers: Numbers, limits: Mapping[str, object], suffixes: Mapping[str, wire.Severity]
) -> Iterator[tuple[str, str, str, wire.Severity, float]]:
    """Name, part, key, severity and limit of each number that has a limit with one of these endings."""
    for key in numbers:
        name, _, part = key.partition(".")
        for suffix, severity in suffixes.items():
            limit = limits.get(name + suffix)
            if part and isinstance(limit, int | float):
                yield name, part, key, severity, float(limit)
