"""The fans among the BMC's sensors: how fast each turns, and what the BMC reports about it.

`among` picks them from a whole `sdr elist`, which gives no sensor type: by what they measure, by their entity (IPMI
2.0, table 43-13: 29 fan, 30 cooling unit) and by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.probes.bmc.bmc_states import GENERIC
from agent.probes.bmc.ipmitool import LIMITS_CROSSED, UNREAD, Sensor
from agent.probes.bmc.redundancy import is_redundancy

_ENTITIES = ("29", "30")
_RPM = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) *RPM", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?) *(?:percent|%)", re.IGNORECASE)
# OpenBMC gives the drive of a fan (PWM) no unit.
_OTHER_UNIT = re.compile(r"-?[\d.]{1,12} *(?:degrees|volts?|amps?|watts?|cfm|unspecified)", re.IGNORECASE)
# Sensors that are no fan: faults, presence and redundancy have sensors beside the one for the speed.
_ABSENT = ("device absent", "absent", "not present", "device removed")
_STOPPED = re.compile(r"(?<!non )critical|non recoverable|(?<!predictive )\bfail|off line|install error")
_POORLY = re.compile(r"non critical|degraded|predictive failure(?! deasserted)|performance lags|monitor")
_LOW, _HIGH = ("lcr", "lnr", "lnc"), ("ucr", "unr", "unc")
_MILD = ("lnc", "unc", "nc")
_PLAIN = re.compile(
    r"(?i)(?:sys(?:tem)?|cpu)?[ _]?fan[ _]?(?:block|mod|tray)?[ _]?\d{1,2}[ab]?(?:[ _](?:rpm|tach|speed))?"
)
_KNOWN = frozenset(GENERIC) | {"", "ok"}
# Some versions print `cr`, which does not say whether the fan is too slow or too fast. This limit decides only if no
# sound fan of the same name turns beside it: upper limits are above it (Supermicro: 25,300 rpm).
_MOST_LOWER_LIMITS_RPM = 10_000
_PRESENT = frozenset(
    {"device present", "device inserted / device present", "present", "entity present", "presence detected"}
)
_OF_PRESENCE = re.compile(r"(?i)[ _-]*(?:presence|present|prsnt|pres|status|detect(?:ed)?)$")
# How hard a fan is driven, beside the fan's own sensor: HPE's `Fan 1 DutyCycle`.
_OF_DRIVE = re.compile(r"(?i)[ _-]*(?:duty ?cycle|pwm)$")
_SAYS_STATE = 3
_ALL_WELL = re.compile(r"(?i)presen|prsnt|\bpres\b|install|insert|detect|good|\bok\b")


@dataclass(frozen=True)
class Fan:
    """`rpm` or `percent` of full speed, or neither if the sensor gives no reading. `side` is "low" or "high" if the BMC
    says that the fan is beyond a limit, `is_mild` if the limit is a non-critical one. `absent`: the BMC says that there
    is no fan. `trouble`: what the BMC says about its state, `is_stopped` if that is critical. `is_unread`: the sensor's
    text is not understood, which is not the same as a header without a fan."""

    name: str
    rpm: float | None = None
    percent: float | None = None
    side: str = ""
    is_mild: bool = False
    absent: bool = False
    trouble: str = ""
    is_stopped: bool = False
    is_unread: bool = False

    @property
    def speed(self) -> float | None:
        return self.percent if self.rpm is None else self.rpm

    @property
    def says_much(self) -> int:
        """How much is known: a speed or state, that no fan is there, a text that is not understood, nothing."""
        if self.speed is not None or self.trouble or self.side:
            return _SAYS_STATE
        return 2 if self.absent else 1 if self.is_unread else 0

    @property
    def words(self) -> str:
        if self.rpm is not None:
            return f"{self.rpm:.0f} rpm"
        return "no reading" if self.percent is None else f"{self.percent:g} % of its full speed"


def among(sensors: Iterable[Sensor]) -> list[Sensor]:
    """The sensors of a whole `sdr elist` that are about fans, or may be."""
    return [sensor for sensor in sensors if _is_about_fans(sensor)]


def fans(sensors: list[Sensor]) -> list[Fan]:
    """All fans, including those whose sensor gives no reading. Sensors of redundancy, and of how hard a fan is driven,
    are no fans."""
    sound = [(kind(one.name), rpm) for one in sensors if one.status == "ok" and (rpm := _number(_RPM, one))]
    there, drives = _present(sensors), _drives(sensors)
    found: dict[str, Fan] = {}
    for sensor in sensors:
        if is_redundancy(sensor) or _OTHER_UNIT.match(sensor.reading) or _OF_DRIVE.search(sensor.name):
            continue
        alike = [rpm for stem, rpm in sound if stem == kind(sensor.name)]
        fan = _fan(sensor, alike, drives.get(sensor.name.lower()))
        if fan is not None and fan.rpm == 0 and not fan.trouble and any(_is_of(fan.name, stem) for stem in there):
            fan = replace(fan, trouble="it is there and stands still", is_stopped=True)
        if fan is not None:
            _add(found, fan, sensor.number)
    return _with_reports(list(found.values()))


def _with_reports(found: list[Fan]) -> list[Fan]:
    """The fans, each with what a sensor beside its own reports: `Fan 1 Presence` that it is not there, `FAN1 F Status`
    that it is not well. Where a fan turns, nobody says that it is not there."""
    told = [one for one in found if one.speed is None and (one.trouble or one.absent)]
    beside = [(one, _OF_PRESENCE.sub("", one.name[:64]).lower()) for one in told if _OF_PRESENCE.search(one.name)]
    given, fans = set(), []
    for fan in found:
        for report, stem in beside:
            tells = not fan.trouble and not (fan.speed and report.absent)
            if report.name != fan.name and tells and _is_of(fan.name, stem):
                fan = replace(fan, absent=report.absent, trouble=report.trouble, is_stopped=report.is_stopped)
                given.add(report.name)
        fans.append(fan)
    return [fan for fan in fans if fan.name not in given]


def _drives(sensors: Iterable[Sensor]) -> dict[str, Sensor]:
    """The name of a fan → the sensor beside its own that says how hard it is driven."""
    return {
        _OF_DRIVE.sub("", one.name).lower(): one
        for one in sensors
        if _OF_DRIVE.search(one.name) and one.status != "ns" and not _OTHER_UNIT.match(one.reading)
    }


def _add(found: dict[str, Fan], fan: Fan, number: str) -> None:
    """Of several sensors of one name the one that says most has it. A second one that says as much is a fan of its own,
    with the sensor's number behind the name. The first keeps its name, since specs hold it."""
    known = found.get(fan.name)
    if known is None or known.says_much < fan.says_much:
        found[fan.name] = fan
    elif fan.says_much == _SAYS_STATE:
        found[f"{fan.name} {number}"] = replace(fan, name=f"{fan.name} {number}")


def kind(name: str) -> str:
    """The name of a fan without its number. Fans with the same kind are alike; those of supplies and of the chassis are
    not."""
    return re.sub(r"\d+", "#", name.lower())


def _present(sensors: Iterable[Sensor]) -> list[str]:
    """The fans that the BMC reports as present: `FAN1` for `FAN1 Presence`."""
    return [
        _OF_PRESENCE.sub("", one.name[:64]).lower()
        for one in sensors
        if "fan" in one.name.lower() and one.reading.lower() in _PRESENT
    ]


def _is_of(name: str, stem: str) -> bool:
    return name.lower().startswith(stem) and not name[len(stem) :][:1].isalnum()


def _is_about_fans(sensor: Sensor) -> bool:
    if sensor.status == UNREAD:
        return True
    if _OTHER_UNIT.match(sensor.reading):
        return False
    # HPE's: percent of full speed, then a state.
    if _PERCENT.match(sensor.reading) and "," in sensor.reading:
        return True
    is_named = re.search(r"(?i)fan|\btach|cooling", sensor.name) is not None
    is_of_fans = is_named or sensor.entity.partition(".")[0] in _ENTITIES
    return _RPM.match(sensor.reading) is not None or is_of_fans


def _fan(sensor: Sensor, alike: list[float], drive: Sensor | None) -> Fan | None:
    """`drive` has the percentage for a sensor that gives only a state."""
    states = [part.strip() for part in sensor.reading.lower().replace("-", " ").split(",")]
    rpm, percent = _number(_RPM, sensor), _number(_PERCENT, sensor)
    if any(state in _ABSENT for state in states):
        return Fan(sensor.name, absent=True)
    if sensor.status == "ns":
        return None if sensor.reading.lower() == "event-only" else Fan(sensor.name)
    bad = next((one for one in states if _STOPPED.search(one)), "") or _asserted(sensor, states)
    poor = next((one for one in states if _POORLY.search(one)), "") or _unclear(sensor, states)
    side = _side(sensor.status, rpm, alike)
    is_unread = sensor.status == UNREAD or _is_unknown(sensor, states)
    if rpm is None and percent is None and drive is not None:
        percent = _number(_PERCENT, drive)
        is_unread = is_unread or percent is None
    if rpm is None and percent is None and not (bad or poor or side or is_unread):
        return None
    return Fan(
        sensor.name, rpm, percent, side, is_mild=sensor.status in _MILD, trouble=bad or poor, is_stopped=bool(bad),
        is_unread=is_unread and not bad,
    )  # fmt: skip


def _is_unknown(sensor: Sensor, states: list[str]) -> bool:
    """Whether the state is one that ipmitool has no word for, or is missing although the sensor is named like a fan."""
    words = [one for one in states if not (_RPM.fullmatch(one) or _PERCENT.fullmatch(one))]
    is_silent = not any(states) and _PLAIN.fullmatch(sensor.name) is not None
    return is_silent or any(one not in _KNOWN | _PRESENT for one in words)


def _asserted(sensor: Sensor, states: list[str]) -> str:
    """`PS1 Fan Fail | State Asserted`."""
    is_fault = re.search(r"(?i)fail|fault|\berr|slow|stop", sensor.name)
    return "state asserted" if is_fault and "state asserted" in states else ""


def _unclear(sensor: Sensor, states: list[str]) -> str:
    """Huawei's `FAN1 F Status | State Asserted` means "not normal" and says no more."""
    is_told = _ALL_WELL.search(sensor.name.replace("_", " ")) is not None
    return "state asserted" if "state asserted" in states and not is_told else ""


def _number(pattern: re.Pattern[str], sensor: Sensor) -> float | None:
    """The whole number of a reading in this unit. The sensor's states may follow behind a comma."""
    match = pattern.fullmatch(sensor.reading.partition(",")[0].strip())
    return float(match[1]) if match and sensor.status != "ns" else None


def _side(status: str, rpm: float | None, alike: list[float]) -> str:
    """On which side of its limits the fan is. If it is faster than every similar sound fan, it is too fast, since all
    of those are below the limit."""
    if status in _LOW or status in _HIGH:
        return "low" if status in _LOW else "high"
    if status not in LIMITS_CROSSED:
        return ""
    return "high" if rpm is not None and rpm > max(alike, default=_MOST_LOWER_LIMITS_RPM) else "low"
