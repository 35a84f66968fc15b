"""What the module in a port says of its light, as `ethtool -m` prints it: SFF-8472 (SFP), SFF-8636 (QSFP) and CMIS have
the same four limits of each value, and a flag for each limit that is crossed.

Some modules keep a flag until it is read. So a first reading before the load is no evidence, and the one after it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.host import shell
from agent.parsing import ParseError

RECEIVED, SENT, BIAS, TEMPERATURE, VOLTAGE = "received light", "sent light", "laser current", "temperature", "voltage"
UNITS = {RECEIVED: "dBm", SENT: "dBm", BIAS: "mA", TEMPERATURE: "°C", VOLTAGE: "V"}
# Words of ethtool's names for a value and its limits.
_WORDS = {
    "bias": BIAS, "temperature": TEMPERATURE, "voltage": VOLTAGE, "rx power": RECEIVED, "rcvr": RECEIVED,
    "receiver": RECEIVED, "tx power": SENT, "output power": SENT, "transmit": SENT,
}  # fmt: skip
_ROW = re.compile(r"^[ \t]*(\S[^:\n]{2,60}?)[ \t]*(?:\(Chan(?:nel)? ?(\d{1,2})\))?[ \t]*:([^\n]{0,80})$", re.M)
_LIMIT = re.compile(r"(.+?) +(high|low) +(alarm|warning)( threshold)?")
_NUMBER = re.compile(r"(-?(?:\d{1,6}(?:\.\d{1,6})?|inf)) ?(mA|V|dBm|degrees C)")
# There is no module, or none with a memory: a socket for copper, a virtual card. (ethtool 3 to 6)
_NO_MODULE = re.compile(r"not supported|Invalid argument|No such device", re.IGNORECASE)
_LOWEST_DBM = -40.0
# At most so much is no light, or a laser that is off. Receivers of 1 Gbit/s over 120 km still work at -32 dBm, and have
# alarm limits below that; all others need more than -28.
_DARK = {RECEIVED: -30.0, SENT: -30.0, BIAS: 0.1}


@dataclass(frozen=True)
class Crossing:
    """A limit that is crossed: `way` high or low, `grade` alarm or warning, `value` and `limit` in the unit of `what`,
    None if they were not read. `lane` is 0 for a module with one."""

    what: str
    way: str
    grade: str
    lane: int = 0
    value: float | None = None
    limit: float | None = None

    @property
    def is_beyond(self) -> bool:
        """Whether the value is beyond the limit now. Without a value nobody knows."""
        if self.value is None or self.limit is None:
            return False
        return self.value < self.limit if self.way == "low" else self.value > self.limit

    @property
    def is_dark(self) -> bool:
        """Whether there is no light where there should be some: no link works by this lane."""
        return self.is_beyond and self.way == "low" and (self.value or 0.0) <= _DARK.get(self.what, -math.inf)

    @property
    def is_over(self) -> bool:
        """Whether the value is back within the limit."""
        return self.value is not None and self.limit is not None and not self.is_beyond


@dataclass(frozen=True)
class Module:
    """`values` by what and lane, `limits` by what, way and grade, `flags`: whether each limit is crossed."""

    values: Mapping[tuple[str, int], float] = field(default_factory=dict)
    limits: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    flags: Mapping[tuple[str, str, str, int], bool] = field(default_factory=dict)

    def crossings(self) -> Iterator[Crossing]:
        """By the module's flags, and by its values. Limits that contradict each other count for nothing: modules
        without any have zeros there."""
        crossed = {key for key, is_crossed in self.flags.items() if is_crossed}
        for what, way, grade in self.limits:
            for name, lane in self.values:
                if name == what and self._crossing(what, way, grade, lane).is_beyond:
                    crossed.add((what, way, grade, lane))
        yield from (self._crossing(*key) for key in sorted(crossed) if self._are_sound(key[0], key[2]))

    def can_be_judged(self) -> bool:
        """Whether a value or a flag stands beside alarm limits that do not contradict each other."""
        read = {what for what, _ in self.values} & {what for what, _, _ in self.limits}
        flagged = {what for what, *_ in self.flags}
        return any(self._are_sound(what, "alarm") for what in read | flagged)

    def lowest(self, what: str) -> float | None:
        """The value of the worst lane."""
        return min((value for (name, _), value in self.values.items() if name == what), default=None)

    def _crossing(self, what: str, way: str, grade: str, lane: int) -> Crossing:
        value = self.values.get((what, lane), self.values.get((what, 0)))
        return Crossing(what, way, grade, lane, value, self.limits.get((what, way, grade)))

    def _are_sound(self, what: str, grade: str) -> bool:
        low, high = (self.limits.get((what, way, grade)) for way in ("low", "high"))
        return low is None or high is None or low < high


def run(name: str, timeout_s: float = 10.0) -> shell.Completed:
    return shell.run(["ethtool", "-m", name], timeout_s)


def has_no_module(done: shell.Completed) -> bool:
    """Whether ethtool says that no module is there that could be read."""
    return not done.ok and _NO_MODULE.search(done.stderr) is not None


def parse(text: str) -> Module | None:
    """None for a module that does not measure its light, such as a copper cable, and for a dump that this ethtool can't
    read. Raises ParseError if it measures, and a flag or everything was not understood."""
    values: dict[tuple[str, int], float] = {}
    limits: dict[tuple[str, str, str], float] = {}
    flags: dict[tuple[str, str, str, int], bool] = {}
    for name, channel, said in _ROW.findall(text):
        lane, crossing = int(channel or 0), _LIMIT.fullmatch(name)
        what = _what(crossing[1] if crossing else name)
        if crossing and what and not crossing[4]:
            flags[what, crossing[2], crossing[3], lane] = _flag(said.strip())
        elif what and (value := _number(said, UNITS[what])) is not None:
            if crossing:
                limits[what, crossing[2], crossing[3]] = value
            else:
                values.setdefault((what, lane), value)
    if not values and not flags:
        if re.search(r"Optical diagnostics support\s*:\s*Yes", text):
            raise ParseError("ethtool -m says that the module measures its light, and printed no value")
        return None
    if re.search(r"Alarm/warning flags implemented\s*:\s*No", text):
        flags = {}
    return Module(values, limits, flags)


def _flag(said: str) -> bool:
    if said not in ("On", "Off"):
        raise ParseError(f"ethtool -m printed a flag that is neither On nor Off: {said[:20]}")
    return said == "On"


def _what(name: str) -> str:
    lower = name.lower()
    return next((what for word, what in _WORDS.items() if word in lower), "")


def _number(said: str, unit: str) -> float | None:
    """The number in this unit. No light at all is -inf dBm."""
    wanted = "degrees C" if unit == "°C" else unit
    for number, written in _NUMBER.findall(said):
        if written == wanted:
            value = float(number)
            return value if math.isfinite(value) else _LOWEST_DBM
    return None
