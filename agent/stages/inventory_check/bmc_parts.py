"""What the inventory has of the BMC: its firmware, the power supplies and the fans that it reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.contract import wire
from agent.parsing import ParseError
from agent.probes.bmc import bmc_fans, ipmitool, supplies
from agent.reports import checks
from agent.stages.inventory_check.collection import Collection


def sensors(found: Collection) -> tuple[list[ipmitool.Sensor], list[ipmitool.Sensor]]:
    """The sensors of power supplies, and those of fans."""
    if not ipmitool.has_bmc():
        return [], []
    of_power = _listed(found, "sdr_power_supply", "Power Supply", "psus", psus)
    return of_power, _listed(found, "sdr_fan", "Fan", "fans", fans)


def _listed(
    found: Collection, name: str, kind: str, part: str, parts: Callable[[list[ipmitool.Sensor]], list[Any]]
) -> list[ipmitool.Sensor]:
    """The sensors of one type. They are asked for twice if a part of the spec is not among them, or if no spec says
    what should be, since all of them may be adopted."""
    expected = found.ctx.claim.expected.get(part)
    names = {str(one.get("name") or "") for one in expected or []}

    def lacks(text: str) -> bool:
        try:
            return expected is None or not names <= {one.name for one in parts(ipmitool.parse_sdr(text))}
        except ParseError:
            return False

    return found.ask(name, lambda: ipmitool.run_sdr_type(kind, lacks), ipmitool.parse_sdr, topic="bmc") or []


def version(found: Collection) -> tuple[str, str]:
    """The revision of its firmware, and the bytes that its maker adds. Only a BMC that answers passes the check `bmc`:
    the kernel's device file exists for a dead BMC, too."""
    if not ipmitool.has_bmc():
        found.checks.append(checks.not_tested("bmc", reason="the kernel found no BMC", topic="bmc"))
        return "", ""
    info = found.ask("mc_info", lambda: ipmitool.run("mc", "info"), ipmitool.parse_mc_info, topic="bmc")
    if info is None:
        found.checks.append(checks.not_tested("bmc", reason=found.checks[-1].reason, topic="bmc"))
        return "", ""
    found.checks.append(checks.passed("bmc", topic="bmc"))
    return info["Firmware Revision"], info.get("Aux Firmware Rev Info", "")


def psus(of_power: list[ipmitool.Sensor]) -> list[wire.Psu]:
    """The supplies, by the BMC's names, since the PSU stage asks for them by these names. The firmware's table has
    other names and is often never updated."""
    return [wire.Psu(one.name, one.present, one.ok) for one in supplies.power_supplies(of_power)]


def fans(of_fans: list[ipmitool.Sensor]) -> list[wire.Fan]:
    return [wire.Fan(fan.name, fan.rpm, fan.percent) for fan in bmc_fans.fans(of_fans) if not fan.absent]
