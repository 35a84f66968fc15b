"""How hot the host gets under load, and how fast its cores run meanwhile: sampled within the block, judged after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import temperature_curve
from agent.exercises.temperature_curve import Point
from agent.host.stop import StopFlag
from agent.reports import checks
from agent.sensors import readings
from agent.sensors.critical_limit import LOWEST_CRITICAL_C

TOPIC = "thermal"
RESISTANCE = "thermal_resistance"
_SAMPLE_S = 2.0
# A curve in the evidence has at most this many lines per part. The run's measurements hold every sample.
_CURVE_LINES = 400


@dataclass
class Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total, self.count = self.total + value, self.count + 1

    @property
    def value(self) -> float:
        return self.total / self.count


class Heat:
    """The temperature curve of each part since the block began, its highest reading, and the clocks of each CPU."""

    def __init__(self, root: Path = Path("/"), warm: str = "") -> None:
        """`warm` says why the readings before the load are not those at rest."""
        self._root, self._warm = root, warm
        self._rapl = readings.Rapl(root)
        self._cores = readings.Clocks(root)
        self._began_s = time.monotonic()
        self.peaks: dict[tuple[str, str], readings.Temperature] = {}
        self.rest: dict[str, Point] = {}
        self.curves: dict[str, list[Point]] = {}
        self._held: dict[str, temperature_curve.Held] = {}
        self._clocks: dict[str, Mean] = {}

    def rest_for(self, seconds: float, stop: StopFlag) -> None:
        """Read the parts before the load. Power needs two readings, a sample apart."""
        self._watts()
        stop.wait(seconds)
        watts = self._watts()
        for one in () if self._warm else readings.hottest(readings.temperatures(self._root)):
            self.rest[one.component] = Point(0.0, one.value_c, watts.get(one.component))

    def sample(self) -> None:
        at_s, watts = time.monotonic() - self._began_s, self._watts()
        for one in readings.hottest(readings.temperatures(self._root)):
            part = (one.component_kind, one.component)
            if part not in self.peaks or one.value_c > self.peaks[part].value_c:
                self.peaks[part] = one
            point = Point(at_s, one.value_c, watts.get(one.component))
            temperature_curve.add(self.curves.setdefault(one.component, []), point)
            if one.component_kind == "cpu":
                self._held.setdefault(one.component, temperature_curve.Held()).add(point)
        for name, mhz in self._cores.mhz().items():
            self._clocks.setdefault(name, Mean()).add(mhz)

    @contextmanager
    def watching(self) -> Iterator[Heat]:
        self._began_s = time.monotonic()
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True, name="heat")
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while True:
            self.sample()
            if over.wait(_SAMPLE_S):
                return

    def _watts(self) -> dict[str, float]:
        now = time.monotonic()
        return {one.component: one.value for one in self._rapl.measurements(now, now) if one.name == "power"}

    # --- judged -----------------------------------------------------------------------------------------------------

    def temperature(self, margin_c: float, max_c: float, sockets: int) -> tuple[wire.Check, list[wire.Finding]]:
        """The check `temperature`. It fails for CPUs that settled nearer than `margin_c` to their own critical limit,
        or above `max_c` if they report no limit. Not tested unless each of `sockets` reports its temperature. A peak
        does not fail it: the limits of the sensors are for peaks."""
        settled = [replace(one, value_c=self._settled_c(one)) for one in self._cpus()]
        found = [finding for one in settled if (finding := _too_hot(one, margin_c, max_c))]
        if not found and len(self._cpus()) < max(1, sockets):
            why = f"{len(self._cpus())} of {sockets} CPUs here tell their temperature"
            return checks.not_tested("temperature", reason=why, topic=TOPIC), []
        return checks.judged("temperature", found, topic=TOPIC), found

    def plateau(self, window_s: float, slope_max_c_min: float | None) -> tuple[wire.Check, list[wire.Finding]]:
        """The check `plateau`: whether a CPU was still getting hotter at the end. Only a warning, since the room's air
        conditioning makes waves, too."""
        slopes = {one.component: self._slope(one.component, window_s) for one in self._cpus()}
        known = {name: slope for name, slope in slopes.items() if slope is not None}
        if slope_max_c_min is None or not known:
            why = "the profile names no limit" if slope_max_c_min is None else f"no curve of {window_s:.0f} s"
            return checks.not_tested("plateau", reason=why, topic=TOPIC), []
        found = [self._rising(name, slope, slope_max_c_min) for name, slope in known.items() if slope > slope_max_c_min]
        return checks.judged("plateau", found, topic=TOPIC), found

    def clock(self, min_fraction: float) -> tuple[wire.Check, list[wire.Finding]]:
        """The check `clock`: the mean clock under load against the one that the maker promises for all cores at once. A
        CPU that the board slows down (PROCHOT, an unknown supply) is cool and error-free, but useless."""
        base = readings.base_clocks_mhz(self._root)
        known = {name: mean.value for name, mean in self._clocks.items() if name in base}
        unknown = sorted((self._cores.packages | base.keys()) - known.keys())
        if not known:
            why = "the kernel reports no clock to compare with the base clock"
            return checks.not_tested("clock", reason=why, topic=TOPIC), []
        found = [
            _slow(name, mhz, base[name], min_fraction) for name, mhz in known.items() if mhz < base[name] * min_fraction
        ]
        if unknown and not found:
            why = f"the kernel tells no clock of {', '.join(unknown)} to compare with its base"
            return checks.not_tested("clock", reason=why, topic=TOPIC), []
        return checks.judged("clock", found, topic=TOPIC), found

    def resistance(self, rise_min_w: float) -> tuple[list[wire.Check], dict[str, float]]:
        """The check `thermal_resistance` of each CPU, and its value. Not tested if the value is unknown."""
        made, found = [], {}
        for name in (one.component for one in self._cpus()):
            try:
                value = temperature_curve.resistance_c_per_w(self._rest(name), self.curves.get(name, []), rise_min_w)
            except temperature_curve.NotKnown as why:
                made.append(checks.not_tested(RESISTANCE, name, reason=f"not known: {why}", topic=TOPIC))
            else:
                made.append(checks.passed(RESISTANCE, name, reason=f"{value:.2f} C/W", topic=TOPIC))
                found[f"thermal_resistance_c_w.{name}"] = round(value, 3)
        return made, found

    def _rest(self, name: str) -> Point:
        if name not in self.rest:
            raise temperature_curve.NotKnown(self._warm or "nothing was read before the load")
        return self.rest[name]

    def numbers(self, window_s: float = 60.0) -> dict[str, float]:
        found = {f"peak_temp_c.{one.component}": one.value_c for one in self.peaks.values()}
        for one in self._cpus():
            found |= self._numbers_of(one.component, window_s)
        return found | {f"clock_load_mhz.{name}": mean.value for name, mean in self._clocks.items()}

    def evidence(self) -> dict[str, str]:
        """The curves as CSV: seconds, part, degrees, watts."""
        lines = [line for name, points in sorted(self.curves.items()) for line in _lines(name, points)]
        return {"heat.csv": "\n".join(["seconds,part,celsius,watts", *lines])} if lines else {}

    def _numbers_of(self, name: str, window_s: float) -> dict[str, float]:
        points, rest = self.curves.get(name, []), self.rest.get(name)
        values = {
            "idle_temp_c": rest.celsius if rest else None,
            "plateau_temp_c": temperature_curve.plateau_c(points),
            "temp_slope_c_min": self._slope(name, window_s),
            "power_load_w": temperature_curve.plateau_w(points),
        }
        return {f"{key}.{name}": round(value, 3) for key, value in values.items() if value is not None}

    def _settled_c(self, peak: readings.Temperature) -> float:
        """The hottest minute after the boost period. Of a load that ended before, the mean of its last quarter."""
        held = self._held.get(peak.component)
        if held is not None and held.highest_c is not None:
            return held.highest_c
        mean_c = temperature_curve.plateau_c(self.curves.get(peak.component, []))
        return peak.value_c if mean_c is None else mean_c

    def _slope(self, name: str, window_s: float) -> float | None:
        return temperature_curve.slope_c_min(self.curves.get(name, []), window_s)

    def _rising(self, name: str, slope: float, limit: float) -> wire.Finding:
        message = f"{name}: still {slope:+.2f} C a minute after {self.curves[name][-1].at_s:.0f} s of load"
        return findings.make("thermal.rising", "cpu", name, message, value=round(slope, 3), limit=limit, unit="C/min")

    def _cpus(self) -> list[readings.Temperature]:
        return [one for one in self.peaks.values() if one.component_kind == "cpu"]


def _too_hot(one: readings.Temperature, margin_c: float, max_c: float) -> wire.Finding | None:
    has_limit = one.critical_c is not None and one.critical_c >= LOWEST_CRITICAL_C
    limit_c = one.critical_c - margin_c if has_limit and one.critical_c else max_c
    if one.value_c <= limit_c:
        return None
    value_c = round(one.value_c, 1)
    message = f"{one.component}: {value_c:g} C under load, limit {limit_c:g} C"
    return findings.make(
        "thermal.hot", one.component_kind, one.component, message, value=value_c, limit=limit_c, unit="C"
    )


def _slow(name: str, mhz: float, base_mhz: float, min_fraction: float) -> wire.Finding:
    message = f"{name}: {mhz:.0f} MHz under load, its base clock is {base_mhz:.0f} MHz"
    limit_mhz = round(base_mhz * min_fraction)
    return findings.make("cpu.slow_clock", "cpu", name, message, value=round(mhz), limit=limit_mhz, unit="MHz")


def _lines(name: str, points: list[Point]) -> Iterator[str]:
    step = max(1, len(points) // _CURVE_LINES)
    for point in points[::step]:
        watts = "" if point.watts is None else f"{point.watts:.1f}"
        yield f"{point.at_s:.0f},{name},{point.celsius:.1f},{watts}"
