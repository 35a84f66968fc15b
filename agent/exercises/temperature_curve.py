"""Calculates from a temperature curve under load where it settled, whether it still rises, and how well the heat is
carried away. No I/O here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

# A soak takes 20,000 samples of each part. Above this many the older ones are thinned out, the newest stay.
MOST_POINTS, NEWEST_POINTS = 2000, 500
# A processor may take more power than it may keep for the first 28 to 56 s (the time window of RAPL's second limit,
# Intel's PL2), and a server's fans need as long to follow.
BOOST_S = 90.0
HELD_S, HELD_LEAST_POINTS = 60.0, 10
# A reading counts for this long, and for a quarter of the load at most. Samples are 2 s apart.
STANDS_S, SAMPLES_APART_S = 30.0, 5.0


@dataclass(frozen=True)
class Point:
    """`at_s` since the load began, `celsius` the part's temperature, `watts` its power if known."""

    at_s: float
    celsius: float
    watts: float | None = None


def add(points: list[Point], point: Point) -> None:
    """Append a point, and thin out the curve if it is too long."""
    points.append(point)
    if len(points) > MOST_POINTS:
        points[:-NEWEST_POINTS] = points[:-NEWEST_POINTS:2]


class Held:
    """The highest mean temperature of a minute, once the boost period is over. It is calculated from every point, since
    the curve of a long load is thinned out."""

    def __init__(self) -> None:
        self._minute: deque[Point] = deque()
        self._first_s: float | None = None
        self.highest_c: float | None = None

    def add(self, point: Point) -> None:
        if point.at_s < BOOST_S:
            return
        if self._first_s is None:
            self._first_s = point.at_s
        self._minute.append(point)
        while point.at_s - self._minute[0].at_s > HELD_S:
            self._minute.popleft()
        if point.at_s - self._first_s >= HELD_S and len(self._minute) >= HELD_LEAST_POINTS:
            mean_c = sum(one.celsius for one in self._minute) / len(self._minute)
            self.highest_c = mean_c if self.highest_c is None else max(self.highest_c, mean_c)


class Coverage:
    """For how much of a load a part was read. One whose sensor fell silent has only readings from before or from the
    load's beginning, and these say nothing about the load."""

    def __init__(self) -> None:
        self._newest_s = self._unread_s = 0.0

    def add(self, at_s: float) -> None:
        self._unread_s += max(0.0, at_s - self._newest_s - STANDS_S)
        self._newest_s = at_s

    def lack(self, load_s: float) -> str:
        """Why the readings are not those of a load of `load_s`, in words. Empty if they are."""
        silent_s = load_s - self._newest_s
        if silent_s > max(SAMPLES_APART_S, min(STANDS_S, load_s / 4)):
            return f"not read in the last {silent_s:.0f} s of {load_s:.0f} s of load"
        if self._unread_s > load_s / 4:
            return f"not read for {self._unread_s:.0f} s of {load_s:.0f} s of load"
        return ""


def plateau_c(points: Sequence[Point]) -> float | None:
    """The mean of the curve's last quarter."""
    last = _last_quarter(points)
    return sum(point.celsius for point in last) / len(last) if last else None


def plateau_w(points: Sequence[Point]) -> float | None:
    known = [point.watts for point in _last_quarter(points) if point.watts is not None]
    return sum(known) / len(known) if known else None


def slope_c_min(points: Sequence[Point], window_s: float) -> float | None:
    """Degrees per minute over the last `window_s`, by least squares. None for a curve that is shorter, or has too few
    points."""
    if not points or points[-1].at_s - points[0].at_s < window_s:
        return None
    last = [point for point in points if point.at_s >= points[-1].at_s - window_s]
    mean_s = sum(point.at_s for point in last) / len(last)
    mean_c = sum(point.celsius for point in last) / len(last)
    spread = sum((point.at_s - mean_s) ** 2 for point in last)
    if len(last) < 3 or not spread:
        return None
    return 60 * sum((point.at_s - mean_s) * (point.celsius - mean_c) for point in last) / spread


class NotKnown(ValueError):
    """The curve does not give the value. The text says why."""


def resistance_c_per_w(rest: Point, points: Sequence[Point], rise_min_w: float) -> float:
    """Degrees per watt above rest. It rates paste and heatsink in one number, independent of the room's temperature.
    Raises NotKnown: with a rise of less than `rise_min_w`, the quotient is noise."""
    settled_c, settled_w = plateau_c(points), plateau_w(points)
    if settled_c is None or settled_w is None or rest.watts is None:
        raise NotKnown("nothing reports the power")
    rise_w = settled_w - rest.watts
    if rise_w < rise_min_w:
        raise NotKnown(f"{rise_w:.0f} W more than at rest, and at least {rise_min_w:g} W are needed")
    return (settled_c - rest.celsius) / rise_w


def _last_quarter(points: Sequence[Point]) -> Sequence[Point]:
    if not points:
        return []
    from_s = points[-1].at_s - (points[-1].at_s - points[0].at_s) / 4
    return [point for point in points if point.at_s >= from_s]
