"""Power supplies among the BMC's sensors: which sensor is a supply, which is about a supply, and what each says.
`ipmitool sdr type "Power Supply"` also prints faults of one supply (`PS 1 Therm Fault`) or of none (`VT Fault`), watts
and volts, redundancy, alerts. A whole `sdr elist` gives no type, so `among` picks by the sensor's entity (IPMI 2.0,
table 43-13) and name. States: table 42-3, sensor type 08h, and table 42-2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.probes.bmc.bmc_events import SPECIFIC
from agent.probes.bmc.bmc_states import GENERIC, POWER_GOOD, State
from agent.probes.bmc.ipmitool import LIMITS_CROSSED, UNREAD, Sensor
from agent.probes.bmc.redundancy import is_redundancy

# Entities: power supply; power unit, power module, power management.
_SUPPLY_ENTITY, _POWER_ENTITIES = "10", ("19", "20", "21")
_IS_NUMBER = re.compile(
    r"(?i)-?[\d.]{1,12} *(?:watts?|volts?|amps?|degrees [cf]|percent|%(?: *[a-z]{1,20})?|rpm|cfm|[kmg]?hz|unspecified|"
    r"hours?|seconds?)"
)
# Suffixes that are removed from names. Specs hold the shortened names, so no suffix may be added here.
_QUALIFIER = re.compile(r"(?i)[ _-]*(status|state|presence|present|detect(ed)?|health|fail(ure)?)$")
_WORDS_OF_FAULTS = re.compile(
    r"(?i)(?:[ _-]{1,3}(?:status|state|stat|presence|present|prsnt|pres|detect(?:ed)?|health|fail(?:ure|ed)?|faults?|"
    r"ac|dc|lost|input|pg|error|err|alert|warning|over|temp|therm|slow))+$"
)
_SUPPLY_NAME = re.compile(
    r"(?i)(?:power ?supply|pwr ?supply|psu|pws|ps)[ _#-]?(\d{1,2}(?![\d.])|[a-d](?![a-z]))?(?![a-z])"
)
_REDUNDANCY_OF_POWER = re.compile(r"(?i)\b(?:ps|psu|power|pwr|pws)(?![a-z])|\b(?:ps|psu|power|pwr|pws)[ _]")
# Sensors that are no supply, whether they belong to one or to none.
_ASPECT = re.compile(
    r"(?i)fault|fail|alert|mismatch|therm|temp\b|\bfan|\b(?:ov|uv|oc|op|vco)\b|ac lost|\bpg\b|error|\berr\b|warn|"
    r"slow|over\b"
)
_MEASURE = re.compile(
    r"(?i)temp|curr|volt|\bv ?in\b|\bv ?out\b|\bi ?in\b|\bi ?out\b|\bp ?in\b|\bp ?out\b|watt|input|output|fan|"
    r"consumption|meter|ambient|\binlet\b|\binternal\b|power$|\bon$|power ?(?:in|out)\b"
)
_THERE = frozenset({"presence detected", "device present", "device inserted / device present", "present",
                    "entity present", "ok"})  # fmt: skip
_ABSENT = frozenset({"device absent", "absent", "not present", "entity absent", "device removed / device absent",
                     "not installed"})  # fmt: skip
_STANDBY = frozenset({"power supply inactive", "inactive", "standby", "transition to power save",
                      "transition to off duty"})  # fmt: skip
_WELL = frozenset(
    {"device enabled", "transition to running", "transition to on line", "transition to in test", "transition to ok",
     "predictive failure deasserted", "limit not exceeded", "performance met", "informational", "fully redundant",
     "transition to idle", "transition to active", "transition to busy", "state deasserted"}
)  # fmt: skip
_BAD = re.compile(
    r"(?<!predictive )\bfail|\blost|out of range|error|mismatch|(?<!non )critical|non recoverable|"
    r"limit exceeded|\bover|(?<!no )fault|power down|off line|under ?volt"
)
# The supply works, but the BMC warns about it: a warning, as in the event log.
_UNEASY = {
    word for word, (state, begins) in GENERIC.items() if begins and state in (State.NON_CRITICAL, State.LAGS)
} | {"transition to degraded"}
_PREDICTED = re.compile(r"^predictive failure(?! deasserted)")
# The state mask, which some print instead of words (table 42-3).
_BITS = ("presence detected", "failure detected", "predictive failure", "power supply ac lost",
         "ac lost or out of range", "ac out of range", "config error", "power supply inactive")  # fmt: skip
_OF_SUPPLIES_ONLY = frozenset(_BITS) - {"presence detected", "predictive failure", "config error"}
# Every state that ipmitool has a word for. Any other one was not understood.
_KNOWN = frozenset(GENERIC) | {word for events in SPECIFIC.values() for word in events} | _THERE | _ABSENT | _STANDBY
_NON_CRITICAL = frozenset({"lnc", "unc", "nc"})
_CRITICAL = frozenset(LIMITS_CROSSED) - _NON_CRITICAL
_PRESENCE = re.compile(r"(?i)presen|prsnt|install|insert|detect")
_SILENT = ("", "no reading", "disabled", "not readable", "na", "n/a", "unknown", "event only")


@dataclass(frozen=True)
class PowerSupply:
    """A supply, from its sensors. `present` is None if its sensor gives no reading, `ok` if its state is unknown.
    `standby`: it sleeps until it is needed (cold redundancy). `warning`: a state or measure that the BMC calls
    non-critical. `is_presence`: a sensor for presence alone reported it."""

    name: str
    present: bool | None
    ok: bool | None
    reading: str
    entity: str = ""
    predicted: bool = False
    standby: bool = False
    warning: str = ""
    is_presence: bool = False


@dataclass(frozen=True)
class Condition:
    """A fault that a power sensor reports and that belongs to no supply."""

    name: str
    reading: str


def among(sensors: Iterable[Sensor]) -> list[Sensor]:
    """The sensors of a whole `sdr elist` that are about power supplies, or may be."""
    return [sensor for sensor in sensors if _is_about_power(sensor)]


def power_supplies(sensors: list[Sensor]) -> list[PowerSupply]:
    """The supplies among the sensors of power, each with what its other sensors report. If several sensors have the
    same name (Dell calls each `Status`), the entity is added: `Status 10.2`."""
    told = [one for one in sensors if _is_supply(one)]
    entities: dict[str, set[str]] = {}
    for sensor in told:
        entities.setdefault(sensor.name, set()).add(sensor.entity)
    found: dict[str, PowerSupply] = {}
    for sensor in sorted(told, key=_is_presence):
        if owner := _told_before(sensor, found.values()):
            found[owner.name] = _both(owner, replace(_supply(owner.name, sensor), name=owner.name))
            continue
        name = blamed(sensor.name) if _ASPECT.search(sensor.name.replace("_", " ")) else supply_name(sensor.name)
        supply = _supply(f"{name} {sensor.entity}" if len(entities[sensor.name]) > 1 else name, sensor)
        found[supply.name] = _both(found[supply.name], supply) if supply.name in found else supply
    for sensor in sensors:
        if owner := None if _is_supply(sensor) else owner_of(sensor, found.values()):
            found[owner.name] = _with(owner, sensor)
    return list(found.values())


def conditions(sensors: list[Sensor]) -> list[Condition]:
    """Faults that belong to no supply in particular."""
    supplies = power_supplies(sensors)
    return [
        Condition(sensor.name, sensor.reading)
        for sensor in sensors
        if not _is_supply(sensor) and not is_redundancy(sensor) and not owner_of(sensor, supplies) and _is_bad(sensor)
    ]


def supply_name(sensor: str) -> str:
    """The supply's name in a sensor's: PS1 for `PS1 Status`."""
    return _QUALIFIER.sub("", sensor[:64]) or sensor


def blamed(sensor: str) -> str:
    """The supply that a sensor is about: PS1 for `PS1 12V OV Fault` and `PS1 AC Lost`, which are no names of
    supplies."""
    match = _SUPPLY_NAME.match(sensor)
    return match[0] if match and match[1] else _WORDS_OF_FAULTS.sub("", sensor[:64]) or sensor


def same_supply(one: str, other: str) -> bool:
    """Whether two names are of one supply: `PS 1` and `Power Supply 1` are."""
    is_same_number = number(one) != "" and number(one) == number(other)
    return one.lower() == other.lower() or is_same_number or blamed(one).lower() == blamed(other).lower()


def supply_watts(sensors: list[Sensor], supplies: list[PowerSupply]) -> dict[str, float]:
    """Supply → watts, from the first sensor in watts whose name begins with the supply's: `PS1 Input Power`."""
    found: dict[str, float] = {}
    for sensor in sensors:
        match = re.match(r"(\d{1,9}(?:\.\d{1,9})?)\s*Watts", sensor.reading, re.IGNORECASE)
        names = [supply.name for supply in supplies if sensor.name.lower().startswith(supply.name.lower())]
        if match and names:
            found.setdefault(max(names, key=len), float(match[1]))
    return found


def _is_about_power(sensor: Sensor) -> bool:
    entity = sensor.entity.partition(".")[0]
    if sensor.status == UNREAD or _OF_SUPPLIES_ONLY & set(_states(sensor.reading)):
        return True
    if is_redundancy(sensor):
        return "fan" not in sensor.name.lower() and (
            entity in (_SUPPLY_ENTITY, *_POWER_ENTITIES) or _REDUNDANCY_OF_POWER.search(sensor.name) is not None
        )
    return entity in (_SUPPLY_ENTITY, *_POWER_ENTITIES) or _SUPPLY_NAME.match(sensor.name) is not None


def _is_supply(sensor: Sensor) -> bool:
    """Whether it gives a supply's own state. Without a reading it does, unless its name says otherwise."""
    if is_redundancy(sensor) or _IS_NUMBER.fullmatch(sensor.reading) or sensor.reading.lower() == "event-only":
        return False
    states = _states(sensor.reading)
    if any(one in _THERE or one in _BITS or one in _STANDBY for one in states):
        return True
    name = sensor.name.replace("_", " ")
    if {*states} & {"state asserted", "state deasserted"} and not (number(name) or _PRESENCE.search(name)):
        return False  # Lenovo's `PS Heavy Load`
    if sensor.entity.partition(".")[0] in _POWER_ENTITIES or re.match(r"(?i)p(?:ower|wr) ?unit", name):
        return False
    return not (_ASPECT.search(name) or POWER_GOOD.search(name) or _MEASURE.search(name))


def _supply(name: str, sensor: Sensor) -> PowerSupply:
    return replace(_told(name, sensor), is_presence=_PRESENCE.search(sensor.name) is not None)


def _told(name: str, sensor: Sensor) -> PowerSupply:
    reading, states = sensor.reading, _states(sensor.reading)
    if sensor.status in ("ns", UNREAD) or (_is_silent(reading) and reading) or reading.lower() in ("0x00", "0x0"):
        return PowerSupply(name, present=None, ok=None, reading=reading, entity=sensor.entity)
    states = [_by_name(one, sensor.name) for one in states]
    if not states or any(one in _ABSENT for one in states):
        return PowerSupply(name, present=False, ok=None, reading=reading, entity=sensor.entity)
    bad = any(_BAD.search(one) for one in states)
    predicted = any(_PREDICTED.search(one) for one in states)
    standby = any(one in _STANDBY for one in states)
    warning = next((one for one in states if one in _UNEASY), "")
    known = all(one in _THERE | _STANDBY | _WELL | _UNEASY or _PREDICTED.search(one) for one in states)
    present = True if bad or known or any(one in _THERE for one in states) else None
    ok = False if bad else True if known else None
    return PowerSupply(name, present, ok, reading, sensor.entity, predicted, standby, warning)


def _by_name(state: str, name: str) -> str:
    """The state of a sensor with two states: its name says what it means."""
    if state not in ("state asserted", "state deasserted"):
        return state
    is_on, name = state == "state asserted", name.replace("_", " ")
    if _PRESENCE.search(name):
        return "presence detected" if is_on else "absent"
    if POWER_GOOD.search(name):
        return "transition to ok" if is_on else "failure detected"
    return "failure detected" if is_on and _ASPECT.search(name) else state


def _is_presence(sensor: Sensor) -> bool:
    """Whether the sensor is only for presence: Dell's `Presence` of a supply stands beside its `Status`, HPE's
    `PS 1 Presence` beside `Power Supply 1`."""
    return _PRESENCE.search(sensor.name) is not None


def _told_before(sensor: Sensor, found: Iterable[PowerSupply]) -> PowerSupply | None:
    """The supply that another sensor has told of: the one of this number, or of this entity for a sensor of presence.
    Two entities of supplies are two supplies."""
    owner = owner_of(sensor, found) if number(sensor.name) or _is_presence(sensor) else None
    entities = {sensor.entity, owner.entity} if owner else set()
    is_other = len(entities) > 1 and all(one.startswith(f"{_SUPPLY_ENTITY}.") for one in entities)
    return None if is_other else owner


def _both(one: PowerSupply, other: PowerSupply) -> PowerSupply:
    """One supply from two sensors: the worse state counts. A sensor in which nothing is asserted, or that does not
    answer, says little beside one with a state. But if one says what is not understood, the state is unknown."""
    first, second = sorted((one, other), key=_weight)
    is_silent = first.is_presence and second.present is None and second.reading and not second.is_presence
    if first.ok and (is_silent or _is_garbled(second.reading)):
        # The supply is there, and the sensor for its state does not answer.
        first = replace(first, ok=None, reading=second.reading, is_presence=False)
    reading = second.reading if second.predicted and not first.predicted and first.ok else first.reading
    return replace(
        first, reading=reading, predicted=one.predicted or other.predicted, standby=one.standby or other.standby,
        warning=one.warning or other.warning, entity=one.entity,
    )  # fmt: skip


def _with(owner: PowerSupply, sensor: Sensor) -> PowerSupply:
    """The supply, with the report of another of its sensors added. If that report is not understood, the supply's state
    is unknown."""
    words = f"{sensor.name}: {sensor.reading}{f' ({sensor.status})' if sensor.status != 'ok' else ''}"
    if owner.standby and _IS_NUMBER.fullmatch(sensor.reading):
        return owner
    if _is_bad(sensor) and owner.ok is not False:
        return replace(owner, ok=False, reading=words)
    if sensor.status in _NON_CRITICAL and not sensor.reading.upper().endswith("RPM"):
        return replace(owner, warning=owner.warning or words)
    return replace(owner, ok=None, reading=words) if owner.ok and _is_unknown(sensor) else owner


def _weight(supply: PowerSupply) -> int:
    if supply.ok is False:
        return 0
    if supply.present is False and supply.reading:
        return 1
    return 2 if supply.ok else 3 if supply.present is False else 4


def owner_of(sensor: Sensor, supplies: Iterable[PowerSupply]) -> PowerSupply | None:
    """The supply that a sensor belongs to: by the number in the sensor's name, else by its entity."""
    supplies = list(supplies)
    if of_supply := number(sensor.name):
        return next((one for one in supplies if number(one.name) == of_supply), None)
    if sensor.entity.partition(".")[0] == _SUPPLY_ENTITY:
        return next((one for one in supplies if one.entity == sensor.entity), None)
    return None


def number(name: str) -> str:
    """The number of the supply that a sensor is named after. Empty without one: `PS 3.3V` is a rail."""
    match = _SUPPLY_NAME.match(name)
    return (match[1] or "").lower() if match else ""


def _is_bad(sensor: Sensor) -> bool:
    """Whether it reports a fault. Fans of supplies are judged with all other fans."""
    if sensor.status in ("ns", UNREAD) or is_redundancy(sensor) or sensor.reading.upper().endswith("RPM"):
        return False
    if _IS_NUMBER.fullmatch(sensor.reading):
        return sensor.status in _CRITICAL
    return any(_BAD.search(_by_name(one, sensor.name)) for one in _states(sensor.reading))


def _is_unknown(sensor: Sensor) -> bool:
    is_read = sensor.status != "ns" and not is_redundancy(sensor)
    return sensor.status == UNREAD or (is_read and _is_garbled(sensor.reading))


def _is_garbled(reading: str) -> bool:
    return not _is_silent(reading) and any(one not in _KNOWN for one in _states(reading))


def _is_silent(reading: str) -> bool:
    return reading.lower().replace("-", " ") in _SILENT


def _states(reading: str) -> list[str]:
    """`115 Watts, Presence detected` is one state; a mask in hexadecimal is its bits."""
    text = " ".join(reading.lower().replace("-", " ").split())
    if re.fullmatch(r"0x[0-9a-f]{1,2}", text):
        return [word for bit, word in enumerate(_BITS) if int(text, 16) >> bit & 1]
    text = text.replace("out of range, but present", "out of range")
    parts = [part.strip() for part in re.split("[,;]", text)]
    return [part for part in parts if part and not _IS_NUMBER.fullmatch(part)]
