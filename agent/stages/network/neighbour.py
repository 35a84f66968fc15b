"""Compares the switch port that a card is plugged into with the one in the spec."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.probes.lldp import Listener, Neighbour
from agent.probes.nics import NicState
from agent.reports import checks
from agent.reports.partial_report import PartialReport

CHECK = "neighbour"
TOPIC = "lldp"


def judge(
    state: NicState, listener: Listener, expected: str, wait_s: float, report: PartialReport, *, is_asked: bool = True
) -> None:
    """Adds the check `neighbour`. It waits only if the spec names a port, since switches send only every 30 s.
    `is_asked` is False for a card without a named port on a host where another card has one: silence says nothing
    there."""
    heard = listener.heard(wait_s if expected else 0.0)
    if heard is None and not is_asked:
        return
    if heard is None:
        why = listener.trouble or f"{state.name}: no switch said who it is (LLDP)"
        report.checks.append(checks.not_tested(CHECK, state.mac, reason=why, topic=TOPIC))
        return
    found = _wrong_port(state, heard, expected)
    report.findings += found
    report.evidence[f"neighbour.{state.mac}"] = str(heard)
    report.checks.append(checks.judged(CHECK, found, state.mac, topic=TOPIC, reason=str(heard)))


def _wrong_port(state: NicState, heard: Neighbour, expected: str) -> list[wire.Finding]:
    """`expected` is the switch, or the switch and its port, as `sw1 Gi1/0/3`."""
    names = {heard.system, f"{heard.system} {heard.port}", f"{heard.system} {heard.port_words}"}
    if not expected or expected.lower() in {name.lower() for name in names}:
        return []
    message = f"{state.name}: plugged into {heard}, expected {expected}"
    return [findings.make("network.other_port", "nic", state.mac, message, value=str(heard), limit=expected)]
