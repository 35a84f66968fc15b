"""Fans: which turn before the load, and which still do after it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import findings, sensors, wire
from agent.probes import ipmitool
from agent.probes.parsing import ParseError
from agent.stages import checks

TOPIC = "bmc"
CHECK = "fans"
# What `ipmitool sdr` prints for a reading below the BMC's own lower limits.
_TOO_SLOW = ("cr", "nr", "lcr", "lnr")


class Fans:
    """`rpm` is None for a fan that its sensor does not tell of; `slow` those that the BMC calls too slow."""

    def __init__(self, rpm: Mapping[str, float | None], slow: frozenset[str] = frozenset()) -> None:
        self.rpm, self.slow = dict(rpm), slow


def look(root: Path = Path("/")) -> Fans:
    """Those of the board's monitoring chips and those of the BMC."""
    chips = sensors.measurements(root, [], time.time())
    rpm: dict[str, float | None] = {one.component: one.value for one in chips if one.name == "fan"}
    of_bmc = _of_bmc(root)
    slow = frozenset(one.name for one in of_bmc if one.status in _TOO_SLOW)
    return Fans({**rpm, **dict(ipmitool.fans(of_bmc))}, slow)


def _of_bmc(root: Path) -> list[ipmitool.Sensor]:
    if not ipmitool.has_bmc(root):
        return []
    done = ipmitool.run("sdr", "type", "Fan")
    try:
        return ipmitool.parse_sdr(done.stdout) if done.ok else []
    except ParseError:
        return []


def expected(claim: Mapping[str, Any]) -> list[str]:
    return [str(fan.get("name") or "") for fan in claim.get("fans") or []]


def judge(names: list[str], before: Fans, after: Fans) -> tuple[list[wire.Check], list[wire.Finding]]:
    """A check per expected fan; without a list, one over those that turned before the load. A header that nothing is
    plugged into reads 0 all the time and is no fan."""
    wanted = names or [name for name, rpm in before.rpm.items() if rpm]
    if not wanted:
        return [checks.not_tested(CHECK, reason="no sensor here tells of a fan that turns", topic=TOPIC)], []
    made, found = [], []
    for name in wanted:
        bad = _bad(name, before, after)
        found += bad
        made.append(checks.judged(CHECK, bad, name, topic=TOPIC, reason=_words(after.rpm.get(name))))
        if not bad and after.rpm.get(name) is None:
            made[-1] = checks.not_tested(CHECK, name, reason="its sensor tells no speed in rpm", topic=TOPIC)
    return made, found


def _bad(name: str, before: Fans, after: Fans) -> list[wire.Finding]:
    rpm = after.rpm.get(name)
    if rpm == 0:
        message = f"{name}: 0 rpm under load, {_words(before.rpm.get(name))} before"
        return [findings.make("fan.stopped", "fan", name, message, value=0.0, unit="rpm")]
    if name in after.slow:
        message = f"{name}: {_words(rpm)}, below the BMC's own limit"
        return [findings.make("sensor.fan_low", "fan", name, message, value=rpm, unit="rpm")]
    return []


def _words(rpm: float | None) -> str:
    return "no reading" if rpm is None else f"{rpm:.0f} rpm"
