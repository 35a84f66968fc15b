"""Made-up measurements of a run, and what each reader must say of them, computed from the list."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

SENSORS = (
    *((f"CPU{n}", "temp", "cpu", "C") for n in range(2)),
    *((f"DIMM{n}", "temp", "dimm", "C") for n in range(14)),
    *((f"FAN{n}", "fan", "fan", "rpm") for n in range(3)),
    ("PSU1", "power", "psu", "W"),
)
Sample = tuple[tuple[str, str, str, str], int, float]


def batches(begin_s: int, end_s: int, every_s: int, seed: int = 7) -> list[list[Sample]]:
    """In the order in which they come: some are late, and some sensors are silent for a while."""
    chance = random.Random(seed)
    made = []
    for at in range(begin_s, end_s, every_s):
        seen = [key for key in SENSORS if chance.random() < 0.9]
        made.append([(key, at * 1000 + chance.randrange(999), round(chance.uniform(20, 95), 3)) for key in seen])
    for _ in range(len(made) // 10):
        made.insert(min(len(made), (late := chance.randrange(len(made))) + 40), made.pop(late))
    return [one for one in made if one]


@dataclass(frozen=True)
class Line:
    """One line of a chart: bucket → value."""

    chart: tuple[str, str]
    component: str
    values: dict[int, float]


def lines(samples: Iterable[Sample], start_s: int, step_s: int) -> list[Line]:
    """Temperatures are the highest of a bucket, all else the mean."""
    found: dict[tuple[str, str, str, str], dict[int, list[float]]] = {}
    for key, at_ms, value in samples:
        if at_ms >= start_s * 1000:
            found.setdefault(key, {}).setdefault(at_ms // 1000 // step_s * step_s, []).append(value)
    return [
        Line(
            (name, kind if name == "temp" else ""),
            component,
            {bucket: max(values) if name == "temp" else fmean(values) for bucket, values in line.items()},
        )
        for (component, name, kind, _), line in sorted(found.items())
    ]
