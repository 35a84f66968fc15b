"""Which fans turn before the load, and which still turn after it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent import findings
from agent.contract import wire
from agent.probes.bmc import bmc_fans, ipmitool, redundancy
from agent.probes.bmc.bmc_fans import Fan
from agent.probes.bmc.ipmitool import Sensor
from agent.reports import checks
from agent.sensors import readings

TOPIC = "bmc"
CHECK = "fans"
# Some BMCs put the redundancy of fans, or whole zones, under the second type.
_TYPES = ("Fan", "Cooling Device")
# Fans of supplies and GPUs stand still while they are cool. (`amdgpu fan1`: the kernel's names of graphics cards.)
_MAY_STAND = re.compile(
    r"(?i)(?:^|[^a-z])(?:ps|psu|pws|power|gpu)(?![a-z])|power ?supply|\b(?:amdgpu|radeon|nouveau)\b"
)


class Fans:
    """The fans at one moment. `rpm` are those of the board's monitoring chips, None if one gives no reading. `rows` are
    the BMC's sensors of fans. `trouble` says why these could not be read."""

    def __init__(self, rpm: Mapping[str, float | None], rows: Iterable[Sensor] = (), trouble: str = "") -> None:
        rows, self.trouble = list(rows), trouble
        self.of_bmc = bmc_fans.fans(rows)
        self.fans = {name: Fan(name, value) for name, value in rpm.items()}
        self.fans |= {fan.name: fan for fan in self.of_bmc}
        self.redundancy = [row for row in rows if redundancy.is_redundancy(row)]

    @property
    def rpm(self) -> dict[str, float | None]:
        return {name: fan.rpm for name, fan in self.fans.items()}


def look(root: Path = Path("/")) -> Fans:
    """The fans of the board's monitoring chips and of the BMC, now."""
    chips = readings.chips(root)
    turning = readings.fans(chips, time.time(), chips)
    return Fans({one.component: one.value for one in turning}, *_of_bmc(root))


def _of_bmc(root: Path) -> tuple[list[Sensor], str]:
    """The BMC's sensors of fans, and why they could not be read."""
    answers = [ipmitool.sensors_of(kind) for kind in _TYPES] if ipmitool.has_bmc(root) else []
    return [row for rows, _ in answers for row in rows], next((trouble for _, trouble in answers if trouble), "")


def expected(claim: Mapping[str, Any]) -> list[str]:
    return [str(fan.get("name") or "") for fan in claim.get("fans") or []]


def judge(names: list[str], before: Fans, after: Fans) -> tuple[list[wire.Check], list[wire.Finding]]:
    """A check per expected fan. Without a list of expected fans: one check over each fan that turned before the load,
    and over each for which the BMC reports a fault. A header without a fan reads 0 all the time and is no fan."""
    wanted = names or _worth_a_check(before, after)
    lost = [*_not_redundant(after), *([] if names else _standing(wanted, after))]
    if not wanted:
        why = after.trouble or "no sensor reports a turning fan"
        return [checks.not_tested(CHECK, reason=why, topic=TOPIC)], lost
    made, found = [], []
    if after.trouble and not names:
        made.append(checks.not_tested(CHECK, reason=after.trouble, topic=TOPIC))
    for name in wanted:
        bad = _bad(after.fans.get(name) or Fan(name), before.fans.get(name) or Fan(name))
        found += bad
        made.append(_check(after.fans.get(name) or Fan(name), bad))
    return made, [*found, *lost]


def _worth_a_check(before: Fans, after: Fans) -> list[str]:
    turned = [name for name, fan in before.fans.items() if fan.speed]
    there = {name: fan for name, fan in after.fans.items() if not fan.absent}
    told = [name for name, fan in there.items() if fan.side or fan.trouble or fan.is_unread]
    return list(dict.fromkeys([*turned, *told]))


def _standing(wanted: list[str], after: Fans) -> list[wire.Finding]:
    """Warnings about fans at 0 rpm that the BMC does not report as faulty, while similar fans turn. It may be a header
    without a fan. Fans that may stand still are left out."""
    turning = {bmc_fans.kind(fan.name) for fan in after.of_bmc if fan.speed}
    return [
        findings.make(
            "fan.stopped", "fan", fan.name,
            f"{fan.name}: {fan.words}, while others like it turn: it stands still, or no fan is plugged in",
            value=0.0, unit="rpm", severity=wire.Severity.WARNING,
        )
        for fan in after.of_bmc
        if fan.speed == 0 and not fan.absent and fan.name not in wanted and bmc_fans.kind(fan.name) in turning
        and not _MAY_STAND.search(fan.name)
    ]  # fmt: skip


def _check(fan: Fan, bad: list[wire.Finding]) -> wire.Check:
    if any(one.severity is wire.Severity.CRITICAL for one in bad):
        return checks.judged(CHECK, bad, fan.name, topic=TOPIC)
    if fan.is_unread or (fan.speed is None and not fan.trouble):
        why = "its sensor's text is not understood" if fan.is_unread else "its sensor gives no reading"
        return checks.not_tested(CHECK, fan.name, reason=why, topic=TOPIC)
    return checks.passed(CHECK, fan.name, topic=TOPIC, reason=fan.words)


def _bad(fan: Fan, before: Fan) -> list[wire.Finding]:
    was = f", {before.words} before" if before.words != fan.words else ""
    if fan.absent:
        return [findings.make("fan.missing", "fan", fan.name, f"{fan.name}: the BMC says that no fan is there{was}")]
    if fan.is_stopped:
        return [findings.make("fan.stopped", "fan", fan.name, f"{fan.name}: {fan.trouble}, {fan.words}{was}")]
    if fan.speed == 0:
        return [_standing_still(fan, was)]
    if fan.side:
        return [_beyond(fan)]
    if fan.trouble:
        return [findings.make("bmc.event", "fan", fan.name, f"{fan.name}: {fan.trouble}, {fan.words}")]
    return []


def _standing_still(fan: Fan, was: str) -> wire.Finding:
    """A warning if the fan may stand still, and the BMC does not say that it must turn."""
    may_stand = _MAY_STAND.search(fan.name) is not None and not (fan.side or fan.trouble)
    why = ", below the limit of the BMC" if fan.side == "low" else ", as it may while it is cool" if may_stand else ""
    return findings.make(
        "fan.stopped", "fan", fan.name, f"{fan.name}: {fan.words}{why}{was}",
        value=0.0, unit="rpm", severity=wire.Severity.WARNING if may_stand else None,
    )  # fmt: skip


def _beyond(fan: Fan) -> wire.Finding:
    """What the BMC calls non-critical is a warning, and so is a fan that turns too fast."""
    is_low = fan.side == "low"
    return findings.make(
        "sensor.fan_low" if is_low else "sensor.fan_high", "fan", fan.name,
        f"{fan.name}: {fan.words}, {'below' if is_low else 'faster than'} the BMC's own limit",
        value=fan.speed, unit="rpm" if fan.percent is None else "%",
        severity=wire.Severity.WARNING if fan.is_mild else None,
    )  # fmt: skip


def _not_redundant(after: Fans) -> list[wire.Finding]:
    return [
        findings.make("fan.redundancy_lost", "fan", row.name, f"{row.name}: {row.reading}")
        for row in after.redundancy
        if redundancy.lost(row)
    ]
