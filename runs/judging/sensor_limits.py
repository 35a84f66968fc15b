"""The sensor limits of a profile, checked when a batch of measurements arrives. (The agent itself watches critical
temperatures: it stops the load first and reports then.)

The limits are in the profile's `sensors`. A name has component kind, measurement, `max` or `min`, and unit, as in
`cpu_temp_max_c: 95` or `fan_fan_min_rpm: 200`. `_warning` at its end makes the finding a warning. Other names in
`sensors` are for the agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agent.contract import wire

_UNITS = {"c": "C", "rpm": "rpm", "w": "W"}
_NAME = re.compile(
    rf"(?P<kind>[a-z]+)_(?P<measure>temp|fan|power)_(?P<side>max|min)_(?P<unit>{'|'.join(_UNITS)})(?P<warning>_warning)?"
)
_WORDS = {"temp": "temperature", "fan": "fan speed", "power": "power"}
FOR_THE_AGENT = frozenset(
    {
        "temp_critical_margin_c", "ecc_corrected_per_hour", "ecc_corrected_replaced_max", "nic_errors_max",
        "pcie_damaged_per_hour",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """One limit of a profile: its measurements, and on which `side` of `bound` they are bad."""

    kind: str
    measure: str
    side: str
    bound: float
    unit: str
    severity: wire.Severity

    def is_for(self, measurement: wire.Measurement) -> bool:
        return (self.kind, self.measure, self.unit.lower()) == (
            measurement.component_kind,
            measurement.name,
            measurement.unit.lower(),
        )

    def is_broken_by(self, value: float) -> bool:
        return value > self.bound if self.side == "max" else value < self.bound


def is_known(name: str) -> bool:
    """Whether this is a name of a sensor limit, for us or for the agent."""
    return name in FOR_THE_AGENT or _NAME.fullmatch(name) is not None


def of(sensors: Mapping[str, float]) -> list[Limit]:
    """The limits that are checked here, the critical ones first."""
    return list(_of(tuple(sensors.items())))


@lru_cache(maxsize=256)
def _of(sensors: tuple[tuple[str, float], ...]) -> tuple[Limit, ...]:
    limits = [_limit(match, value) for name, value in sensors if (match := _NAME.fullmatch(name))]
    return tuple(sorted(limits, key=lambda limit: limit.severity != wire.Severity.CRITICAL))


@lru_cache(maxsize=256)
def _by_what(sensors: tuple[tuple[str, float], ...]) -> dict[tuple[str, str, str], list[Limit]]:
    """The limits of each component kind, measurement and unit."""
    found: dict[tuple[str, str, str], list[Limit]] = {}
    for limit in _of(sensors):
        found.setdefault((limit.kind, limit.measure, limit.unit.lower()), []).append(limit)
    return found


def check(
    sensors: Mapping[str, float], batch: Iterable[wire.Measurement], before: Iterable[wire.Measurement] = ()
) -> list[wire.Finding]:
    """A finding, with the worst value, for each component and measurement that broke a limit twice in a row. (A single
    reading can be a glitch of the sensor.) `before` has the newest samples before the batch. A value beyond the
    critical limit makes no second finding for the warning limit."""
    series = _series(batch, before)
    found: dict[tuple[str, str, str], wire.Finding] = {}
    for limit in of(sensors):
        for samples in series:
            if limit.is_for(samples[0]) and (worst := _worst(limit, samples)):
                found.setdefault((worst.component, worst.name, limit.side), _finding(limit, worst))
    return list(found.values())


def is_any_beyond(sensors: Mapping[str, float], batch: Iterable[wire.Measurement]) -> bool:
    """Whether a single sample is beyond a limit. If none is, `check` and `broken_by_first` find nothing."""
    limits = _by_what(tuple(sensors.items()))
    return any(
        limit.is_broken_by(one.value)
        for one in batch
        for limit in limits.get((one.component_kind, one.name, one.unit.lower()), ())
    )


def broken_by_first(sensors: Mapping[str, float], batch: Iterable[wire.Measurement]) -> list[wire.Measurement]:
    """The first sample of each series, if it is beyond a limit: for these, the sample before the batch matters."""
    bounds = of(sensors)
    firsts = (samples[0] for samples in _series(batch))
    return [first for first in firsts if any(one.is_for(first) and one.is_broken_by(first.value) for one in bounds)]


def _series(batch: Iterable[wire.Measurement], before: Iterable[wire.Measurement] = ()) -> list[list[wire.Measurement]]:
    """Each component's samples of each measurement, in the order of their time."""
    series: dict[tuple[str, str, str], list[wire.Measurement]] = {}
    for sample in (*before, *sorted(batch, key=lambda sample: sample.time)):
        series.setdefault((sample.component_kind, sample.component, sample.name), []).append(sample)
    return list(series.values())


def _limit(match: re.Match[str], value: float) -> Limit:
    severity = wire.Severity.WARNING if match["warning"] else wire.Severity.CRITICAL
    return Limit(match["kind"], match["measure"], match["side"], float(value), _UNITS[match["unit"]], severity)


def _worst(limit: Limit, samples: list[wire.Measurement]) -> wire.Measurement | None:
    """The sample furthest beyond the limit, among those with a neighbour that is also beyond it."""
    beyond = [
        sample
        for pair in pairwise(samples)
        if all(limit.is_broken_by(sample.value) for sample in pair)
        for sample in pair
    ]
    return max(beyond, key=lambda sample: abs(sample.value - limit.bound), default=None)


def _finding(limit: Limit, worst: wire.Measurement) -> wire.Finding:
    beyond = "above" if limit.side == "max" else "below"
    measured = f"{_WORDS.get(worst.name, worst.name)} {worst.value:g} {worst.unit}"
    return wire.Finding(
        code=f"sensor.{worst.name}_{'high' if limit.side == 'max' else 'low'}",
        severity=limit.severity,
        component_kind=worst.component_kind,
        component=worst.component,
        message=f"{worst.component}: {measured}, {beyond} {limit.bound:g} {limit.unit}",
        value=worst.value,
        limit=limit.bound,
        unit=limit.unit,
    )
