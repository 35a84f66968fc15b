"""Compares the switch port that a card is plugged into with the one in the spec."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.probes.network import firmware_lldp
from agent.probes.network.lldp import Listener, Neighbour
from agent.probes.network.nics import NicState
from agent.reports import checks
from agent.reports.partial_report import PartialReport

CHECK = "neighbour"
TOPIC = "lldp"
_NOTHING = "no switch sent its name (LLDP)"


def judge(
    state: NicState, listener: Listener, expected: str, wait_s: float, report: PartialReport, *, is_asked: bool = True
) -> None:
    """Adds the check `neighbour`. It waits only if the spec names a port, since switches send only every 30 s.
    `is_asked` is False for a card without a named port on a host where another card has one: silence says nothing
    there."""
    heard = listener.heard(wait_s if expected else 0.0, lambda one: _is_it(one, expected))
    if heard is None and not is_asked:
        return
    if heard is None:
        why = listener.trouble or f"{state.name}: {_NOTHING}{firmware_lldp.why_silent(state.name, state.driver)}"
        report.checks.append(checks.not_tested(CHECK, state.mac, reason=why, topic=TOPIC))
        return
    found = _wrong_port(state, heard, expected)
    report.findings += found
    report.evidence[f"neighbour.{state.mac}"] = "\n".join(map(str, listener.all_heard))
    report.checks.append(checks.judged(CHECK, found, state.mac, topic=TOPIC, reason=str(heard)))


def _wrong_port(state: NicState, heard: Neighbour, expected: str) -> list[wire.Finding]:
    if _is_it(heard, expected):
        return []
    message = f"{state.name}: plugged into {heard}, expected {expected}"
    return [findings.make("network.other_port", "nic", state.mac, message, value=str(heard), limit=expected)]


def _is_it(heard: Neighbour, expected: str) -> bool:
    """`expected` is the switch, or the switch and its port, as `sw1 Gi1/0/3`. One of the two names may lack the
    switch's domain. Every neighbour fits an empty text."""
    wanted = expected.casefold()
    switch, blank, port = wanted.partition(" ")
    is_short = f"{_without_domain(switch)}{blank}{port}" in _names(heard, heard.system)
    return (
        not wanted or is_short or wanted in _names(heard, heard.system) | _names(heard, _without_domain(heard.system))
    )


def _names(heard: Neighbour, system: str) -> set[str]:
    return {f"{system} {port}".strip().casefold() for port in ("", heard.port, heard.port_words)}


def _without_domain(name: str) -> str:
    """`sw1` of `sw1.lan`. An address has no domain."""
    return name if name.replace(".", "").isdigit() or ":" in name else name.partition(".")[0]
