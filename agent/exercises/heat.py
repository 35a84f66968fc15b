"""How hot the CPUs get under load, and how fast their cores run: sampled within the block, judged after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import temperature_curve
from agent.exercises.temperature_curve import Coverage, Point
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
class MeanClock:
    total: float = 0.0
    count: int = 0
    read: Coverage = field(default_factory=Coverage)

    def add(self, at_s: float, mhz: float) -> None:
        self.total, self.count = self.total + mhz, self.count + 1
        self.read.add(at_s)

    @property
    def mhz(self) -> float:
        return self.total / self.count


class Heat:
    """The temperature curve of each CPU since the block began, its highest reading, and its clock. Other parts are left
    to the side-car: nothing here judges them, and a drive may take long to answer."""

    def __init__(self, root: Path = Path("/"), warm: str = "") -> None:
        """`warm` says why the readings before the load are not those at rest."""
        self._root, self._warm = root, warm
        self._rapl = readings.Rapl(root)
        self._cores = readings.Clocks(root)
        self._lock, self._is_over = threading.Lock(), False
        self._began_s, self._load_s = time.monotonic(), 0.0
        self.peaks: dict[str, readings.Temperature] = {}
        self.rest: dict[str, Point] = {}
        self.curves: dict[str, list[Point]] = {}
        self._held: dict[str, temperature_curve.Held] = {}
        self._read: dict[str, Coverage] = {}
        self._clocks: dict[str, MeanClock] = {}

    def rest_for(self, seconds: float, stop: StopFlag) -> None:
        """Read the parts before the load. Power needs two readings, a sample apart."""
        self._watts()
        stop.wait(seconds)
        watts = self._watts()
        for one in () if self._warm else self._temperatures():
            self.rest[one.component] = Point(0.0, one.value_c, watts.get(one.component))

    def sample(self) -> None:
        """Read temperatures and clocks. A reading counts from when it began. One that ended after the block was not
        made under load, and is dropped."""
        at_s, watts, found = time.monotonic() - self._began_s, self._watts(), self._temperatures()
        with self._lock:
            for one in () if self._is_over else found:
                self._add(one, Point(at_s, one.value_c, watts.get(one.component)))
        at_s, clocks = time.monotonic() - self._began_s, self._cores.mhz()
        with self._lock:
            for name, mhz in () if self._is_over else clocks.items():
                self._clocks.setdefault(name, MeanClock()).add(at_s, mhz)

    def _add(self, one: readings.Temperature, point: Point) -> None:
        name = one.component
        if name not in self.peaks or one.value_c > self.peaks[name].value_c:
            self.peaks[name] = one
        temperature_curve.add(self.curves.setdefault(name, []), point)
        self._held.setdefault(name, temperature_curve.Held()).add(point)
        self._read.setdefault(name, Coverage()).add(point.at_s)

    def _temperatures(self) -> list[readings.Temperature]:
        return readings.hottest(readings.temperatures(self._root, readings.processors(self._root)))

    @contextmanager
    def watching(self) -> Iterator[Heat]:
        self._began_s, self._is_over = time.monotonic(), False
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True, name="heat")
        thread.start()
        try:
            yield self
        finally:
            over.set()
            with self._lock:
                self._load_s, self._is_over = time.monotonic() - self._began_s, True
            thread.join(_SAMPLE_S)

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
        or above `max_c` if they report no limit. Not tested unless each of `sockets` reports its temperature, up to the
        end of the load. A peak does not fail it: the limits of the sensors are for peaks."""
        settled = [replace(one, value_c=c) for one in self._cpus() if (c := self._settled_c(one)) is not None]
        found = [finding for one in settled if (finding := _too_hot(one, margin_c, max_c))]
        unread = [f"{one.component} was {lack}" for one in self._cpus() if (lack := self._lack(one.component))]
        if not found and len(self._cpus()) < max(1, sockets):
            unread = [f"{len(self._cpus())} of {sockets} CPUs here tell their temperature"]
        if not found and unread:
            return checks.not_tested("temperature", reason=unread[0], topic=TOPIC), []
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
        if len(known) < len(slopes) and not found:
            why = f"no curve of {window_s:.0f} s of {', '.join(sorted(slopes.keys() - known.keys()))}"
            return checks.not_tested("plateau", reason=why, topic=TOPIC), []
        return checks.judged("plateau", found, topic=TOPIC), found

    def clock(self, min_fraction: float) -> tuple[wire.Check, list[wire.Finding]]:
        """The check `clock`: the mean clock under load against the one that the maker promises for all cores at once. A
        CPU that the board slows down (PROCHOT, an unknown supply) is cool and error-free, but useless."""
        base = readings.base_clocks_mhz(self._root)
        lacks = {name: lack for name, mean in self._clocks.items() if (lack := mean.read.lack(self._load_s))}
        known = {name: mean.mhz for name, mean in self._clocks.items() if name in base and name not in lacks}
        unknown = sorted((self._cores.packages | base.keys()) - known.keys())
        found = [
            _slow(name, mhz, base[name], min_fraction) for name, mhz in known.items() if mhz < base[name] * min_fraction
        ]
        if (unknown or not known) and not found:
            why = "the kernel reports no clock to compare with the base clock"
            if known:
                why = f"the kernel tells no clock of {', '.join(unknown)} to compare with its base"
            why = next((f"the clock of {name} was {lack}" for name, lack in lacks.items()), why)
            return checks.not_tested("clock", reason=why, topic=TOPIC), []
        return checks.judged("clock", found, topic=TOPIC), found

    def resistance(self, rise_min_w: float) -> tuple[list[wire.Check], dict[str, float]]:
        """The check `thermal_resistance` of each CPU, and its value. Not tested if the value is unknown."""
        made, found = [], {}
        for name in (one.component for one in self._cpus()):
            try:
                if lack := self._lack(name):
                    raise temperature_curve.NotKnown(lack)
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
        read = {name: mean for name, mean in self._clocks.items() if not mean.read.lack(self._load_s)}
        return found | {f"clock_load_mhz.{name}": mean.mhz for name, mean in read.items()}

    def evidence(self) -> dict[str, str]:
        """The curves as CSV: seconds, part, degrees, watts."""
        lines = [line for name, points in sorted(self.curves.items()) for line in _lines(name, points)]
        return {"heat.csv": "\n".join(["seconds,part,celsius,watts", *lines])} if lines else {}

    def _numbers_of(self, name: str, window_s: float) -> dict[str, float]:
        points, rest = [] if self._lack(name) else self.curves.get(name, []), self.rest.get(name)
        values = {
            "idle_temp_c": rest.celsius if rest else None,
            "plateau_temp_c": temperature_curve.plateau_c(points),
            "temp_slope_c_min": self._slope(name, window_s),
            "power_load_w": temperature_curve.plateau_w(points),
        }
        return {f"{key}.{name}": round(value, 3) for key, value in values.items() if value is not None}

    def _settled_c(self, peak: readings.Temperature) -> float | None:
        """The hottest minute after the boost period. Of a load that ended before, the mean of its last quarter. None if
        the CPU was not read then."""
        held = self._held.get(peak.component)
        if held is not None and held.highest_c is not None:
            return held.highest_c
        if self._lack(peak.component):
            return None
        mean_c = temperature_curve.plateau_c(self.curves.get(peak.component, []))
        return peak.value_c if mean_c is None else mean_c

    def _lack(self, name: str) -> str:
        """Why the temperatures of this CPU are not those of the load. Empty if they are."""
        return self._read[name].lack(self._load_s) if name in self._read else ""

    def _slope(self, name: str, window_s: float) -> float | None:
        return None if self._lack(name) else temperature_curve.slope_c_min(self.curves.get(name, []), window_s)

    def _rising(self, name: str, slope: float, limit: float) -> wire.Finding:
        message = f"{name}: still {slope:+.2f} C a minute after {self.curves[name][-1].at_s:.0f} s of load"
        return findings.make("thermal.rising", "cpu", name, message, value=round(slope, 3), limit=limit, unit="C/min")

    def _cpus(self) -> list[readings.Temperature]:
        return list(self.peaks.values())


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
