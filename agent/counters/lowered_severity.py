"""Lowers the severity of findings that do not mean a fault of the part: errors while a port has no link
or its link comes up, errors of a port that is no part of the host, that the spec does not expect or calls spare, and
machine checks that the kernel has already explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.contract import wire
from agent.counters.port_states import PortStates
from agent.probes.network import nics

# The stage that sets every port up. Drivers drop the carrier then, and a link that trains makes symbol errors.
BRINGS_LINKS_UP = "InventoryCheck"
_ERRORS = "nic.errors"
_COUNTED = (_ERRORS, "nic.link_flap")
# Kind of component → where the spec lists such ports, and by which key.
_PORTS = {"nic": ("nics", "mac"), "infiniband": ("infiniband", "guid")}
# Counters of a port's link and cable. They do not count against a spare port, which has no cable.
_OF_LINK = (*_COUNTED, "nic.module")
NOTHING_KNOWN = PortStates()
_EXCEPTION = "cpu.machine_check"
_EXPLAINS = (_EXCEPTION, "memory.uncorrected", "pcie.uncorrected", "system.hardware_error")


@dataclass(frozen=True)
class _Host:
    """What the spec says of the host's ports, and what they were in this stage. `names` has the expected ports by kind;
    None if the spec says nothing of them."""

    names: Mapping[str, set[str] | None]
    spare: frozenset[str]
    cabled: frozenset[str]
    states: PortStates

    def expects(self, one: wire.Finding) -> bool:
        """A port on USB is the BMC's own as a rule, which leads to no switch: it is a part of the host only if the spec
        says something of its cable."""
        names, mac = self.names[one.component_kind], one.component.lower()
        return (names is None or mac in names) and (mac in self.cabled or mac not in self.states.on_usb)

    def explains(self, one: wire.Finding) -> bool:
        """Whether these errors say nothing of the port: a port without a link receives noise, and a link that trains
        makes symbol errors."""
        mac, states = one.component.lower(), self.states
        is_idle = mac in states.without_link and mac not in self.cabled
        return one.code == _ERRORS and (mac in states.came_up or is_idle)


def lower_for_ports(
    stage: str, expected: Mapping[str, Any], found: Iterable[wire.Finding], states: PortStates = NOTHING_KNOWN
) -> list[wire.Finding]:
    """The findings, with those about network ports lowered to what they mean in this stage on this host."""
    names = {kind: _names(expected.get(leaf), key) for kind, (leaf, key) in _PORTS.items()}
    host = _Host(names, nics.spare_macs(expected), nics.cabled_macs(expected), states)
    return [_weighed(stage, host, one) if one.component_kind in names else one for one in found]


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


def _weighed(stage: str, host: _Host, one: wire.Finding) -> wire.Finding:
    if (stage == BRINGS_LINKS_UP and one.code in _COUNTED) or host.explains(one):
        return replace(one, severity=wire.Severity.INFO)
    if host.expects(one) and not (one.component.lower() in host.spare and one.code in _OF_LINK):
        return one
    # A port without a cable receives noise, and some cards count it.
    if one.code == _ERRORS:
        return replace(one, severity=wire.Severity.INFO)
    return replace(one, severity=wire.Severity.WARNING) if one.severity is wire.Severity.CRITICAL else one
