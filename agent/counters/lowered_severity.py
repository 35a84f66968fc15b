"""Lowers the severity of findings that do not mean a fault of the part: errors while a link comes up, errors of a port
that the spec does not expect or calls spare, and machine checks that the kernel has already explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.contract import wire
from agent.probes.network import nics

# The stage that sets every port up. Drivers drop the carrier then, and a link that trains makes symbol errors.
BRINGS_LINKS_UP = "InventoryCheck"
_COUNTED = ("nic.errors", "nic.link_flap")
# Kind of component → where the spec lists such ports, and by which key.
_PORTS = {"nic": ("nics", "mac"), "infiniband": ("infiniband", "guid")}
# About a port's link and its cable. A spare port is blamed for the card alone.
_OF_LINK = (*_COUNTED, "nic.module")
_EXCEPTION = "cpu.machine_check"
_EXPLAINS = (_EXCEPTION, "memory.uncorrected", "pcie.uncorrected", "system.hardware_error")


def lower_for_ports(stage: str, expected: Mapping[str, Any], found: Iterable[wire.Finding]) -> list[wire.Finding]:
    """The findings, with those about network ports lowered to what they mean in this stage on this host."""
    spare = nics.spare_macs(expected)
    known = {kind: _names(expected.get(leaf), key) for kind, (leaf, key) in _PORTS.items()}
    return [
        _weighed(stage, known[one.component_kind], spare, one) if one.component_kind in known else one for one in found
    ]


def _names(stated: list[Any] | None, key: str) -> set[str] | None:
    """The names of the expected ports; None if the spec says nothing of them."""
    return None if stated is None else {str(port.get(key) or "").lower() for port in stated}


def lower_explained_machine_checks(counted: Iterable[wire.Finding], said: Iterable[wire.Finding]) -> list[wire.Finding]:
    """The kernel counts a machine check exception on every CPU that it interrupts, whatever the cause. If the kernel's
    log names the part, the exceptions on the CPUs become warnings."""
    explained = any(one.code in _EXPLAINS and one.severity is wire.Severity.CRITICAL for one in said)
    return [
        replace(one, severity=wire.Severity.WARNING) if explained and one.code == _EXCEPTION else one for one in counted
    ]


def _weighed(stage: str, names: set[str] | None, spare: frozenset[str], one: wire.Finding) -> wire.Finding:
    if stage == BRINGS_LINKS_UP and one.code in _COUNTED:
        return replace(one, severity=wire.Severity.INFO)
    is_expected = names is None or one.component.lower() in names
    if is_expected and not (one.component.lower() in spare and one.code in _OF_LINK):
        return one
    # A port without a cable receives noise, and some cards count it.
    if one.code == "nic.errors":
        return replace(one, severity=wire.Severity.INFO)
    return replace(one, severity=wire.Severity.WARNING) if one.severity is wire.Severity.CRITICAL else one
