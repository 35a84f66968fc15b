"""Lowers the severity of findings that do not mean a fault of the part: errors while a link comes up, errors of a port
that the spec does not expect, and machine checks that the kernel has already explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.contract import wire

# The stage that sets every port up. Drivers drop the carrier then, and a link that trains makes symbol errors.
BRINGS_LINKS_UP = "InventoryCheck"
_COUNTED = ("nic.errors", "nic.link_flap")
_EXCEPTION = "cpu.machine_check"
_EXPLAINS = (_EXCEPTION, "memory.uncorrected", "pcie.uncorrected", "system.hardware_error")


def lower_for_ports(stage: str, expected: Mapping[str, Any], found: Iterable[wire.Finding]) -> list[wire.Finding]:
    """The findings, with those about network ports lowered to what they mean in this stage on this host."""
    nics = expected.get("nics")
    macs = None if nics is None else {str(nic.get("mac") or "").lower() for nic in nics}
    return [_weighed(stage, macs, one) for one in found]


def lower_explained_machine_checks(counted: Iterable[wire.Finding], said: Iterable[wire.Finding]) -> list[wire.Finding]:
    """The kernel counts a machine check exception on every CPU that it interrupts, whatever the cause. If the kernel's
    log names the part, the exceptions on the CPUs become warnings."""
    explained = any(one.code in _EXPLAINS and one.severity is wire.Severity.CRITICAL for one in said)
    return [
        replace(one, severity=wire.Severity.WARNING) if explained and one.code == _EXCEPTION else one for one in counted
    ]


def _weighed(stage: str, macs: set[str] | None, one: wire.Finding) -> wire.Finding:
    if one.component_kind != "nic":
        return one
    if stage == BRINGS_LINKS_UP and one.code in _COUNTED:
        return replace(one, severity=wire.Severity.INFO)
    if macs is None or one.component.lower() in macs:
        return one
    # A port without a cable receives noise, and some cards count it.
    if one.code == "nic.errors":
        return replace(one, severity=wire.Severity.INFO)
    return replace(one, severity=wire.Severity.WARNING) if one.severity is wire.Severity.CRITICAL else one
