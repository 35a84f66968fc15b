"""The key numbers of stages across runs: what a name such as `seq_read_mb_s.S4EVNX0M` means, and how a number changes
from run to run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runs.stages import STAGES
from runs.wording import units
from runs.wording.naming import in_words

Numbers = Mapping[tuple[str, str], float]  # (stage, name as the agent sends it) → value

# Whether more (1) or less (-1) is better, by unit.
_BETTER = {
    "°C/W": -1, "ops/s": 1, "MB/s": 1, "IOPS": 1, "Mbit/s": 1, "%": -1, "ms": -1, "MHz": 1, "°C": -1,
}  # fmt: skip
_MORE_IS_BETTER = frozenset({"covered_percent", "surface_percent", "cores", "dimms", "disks", "nics", "memory_mb"})
_COUNTS = ("_sectors", "_uncorrectable", "_timeouts", "_errors", "_defects", "error_log")  # unwanted events
WORTH_A_LOOK_PERCENT = 10.0  # only marks a row on the pages; limits are in the profiles


@dataclass(frozen=True)
class KeyNumber:
    """What a number means. `component` is empty for the whole host. `better` is 1 if more is better, -1 if less.
    `counts`: it counts things that should not happen, so that every increase is worth a look."""

    stage: str
    name: str
    title: str
    component: str
    unit: str
    better: int
    counts: bool = False


@dataclass(frozen=True)
class Cell:
    """The number in one run, and in the run before that had it."""

    value: float | None
    before: float | None = None
    better: int = 0
    counts: bool = False

    @property
    def delta(self) -> float:
        return 0.0 if self.value is None or self.before is None else self.value - self.before

    @property
    def change_percent(self) -> float | None:
        """None if nothing changed or the value before was 0."""
        return self.delta / abs(self.before) * 100 if self.delta and self.before else None

    @property
    def is_seen(self) -> bool:
        """Whether the two figures differ as displayed."""
        if self.value is None or self.before is None:
            return False
        return bool(self.delta) and (self.counts or rounded(self.value) != rounded(self.before))

    @property
    def moved(self) -> bool:
        """Whether the change is worth a look: by a tenth, from 0, or a count by one; never if both are displayed the
        same."""
        large = self.change_percent is None or abs(self.change_percent) >= WORTH_A_LOOK_PERCENT
        return self.is_seen and (self.counts or large)

    @property
    def is_worse(self) -> bool:
        return self.moved and self.delta * self.better < 0


@dataclass(frozen=True)
class Row:
    """One number across runs, oldest first."""

    number: KeyNumber
    cells: Sequence[Cell]

    @property
    def values(self) -> list[float]:
        return [cell.value for cell in self.cells if cell.value is not None]

    @property
    def lowest(self) -> float:
        return min(self.values)

    @property
    def highest(self) -> float:
        return max(self.values)

    @property
    def newest(self) -> Cell:
        return next((cell for cell in reversed(self.cells) if cell.value is not None), Cell(None))


def rounded(value: float) -> float:
    """Round to four figures, or two below one. No measurement repeats more exactly."""
    if abs(value) >= 1000 or abs(value) < 1:
        return float(f"{value:{'.4g' if abs(value) >= 1 else '.2g'}}")
    return round(value, 1 if abs(value) >= 100 else 2)


def explained(stage: str, name: str) -> KeyNumber:
    """A name in words: `seq_read_mb_s.S4EV` is `sequential read` of S4EV in MB/s."""
    plain, _, component = name.partition(".")
    counts = plain.endswith(_COUNTS)
    ending, unit = units.ending(plain)
    better = _BETTER.get(unit, -1 if counts and not unit else 0)
    title = in_words(plain.removesuffix(ending))
    return KeyNumber(stage, name, title, component, unit, 1 if plain in _MORE_IS_BETTER else better, counts)


def table(runs: Sequence[Numbers]) -> list[Row]:
    """All numbers of these runs, in the order of the stages; one column per run, oldest first."""
    order = [stage.name for stage in STAGES]
    keys = sorted({key for numbers in runs for key in numbers if key[0] in order}, key=lambda k: (order.index(k[0]), k))
    return [_row(explained(*key), [numbers.get(key) for numbers in runs]) for key in keys]


def _row(number: KeyNumber, values: Iterable[float | None]) -> Row:
    cells: list[Cell] = []
    before: float | None = None
    for value in values:
        cells.append(Cell(value, before, number.better, number.counts))
        before = before if value is None else value
    return Row(number, cells)


def points(values: Sequence[float | None], width: float = 120, height: float = 26) -> str:
    """The `points` of an SVG polyline through the values that exist; a single value becomes a short line."""
    there = [(index, value) for index, value in enumerate(values) if value is not None]
    if not there:
        return ""
    lowest, highest = min(v for _, v in there), max(v for _, v in there)
    last = max(len(values) - 1, 1)

    def share(value: float) -> float:
        return (value - lowest) / (highest - lowest) if highest > lowest else 0.5

    spots = [(2 + index / last * (width - 4), 2 + (1 - share(value)) * (height - 4)) for index, value in there]
    if len(spots) == 1:
        spots = [(spots[0][0] - 2, spots[0][1]), (spots[0][0] + 2, spots[0][1])]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
