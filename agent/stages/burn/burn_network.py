"""Burn's network load: short tests of each port in both directions against the bench's server, while the bench lends
its link.

The speed beside all other loads is not judged, but the errors that the ports count are. Two own ports are not tested
against each other: the kernel delivers packets for an own address without the cable.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from agent.contract import wire
from agent.exercises import throughput
from agent.loads import iperf3
from agent.parsing import ParseError
from agent.probes.network import addresses, nics
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext
from agent.stages.burn.spec import Params

CHECK, TOPIC = "network", "network"
# Time that iperf3 needs to connect and to end, beside its test.
_AROUND_S = 5.0
_LOOK_S = 1.0
_MIB = 1024 * 1024
NEVER_FREE = "the bench's link was not free for it (others measured, or the bench was short of CPU)"


@dataclass
class Port:
    """One port with a link and an address, and the bytes that went through it so far."""

    mac: str
    name: str
    address: str
    tests: int = 0
    moved_bytes: float = 0.0
    trouble: str = NEVER_FREE
    evidence: list[str] = field(default_factory=list)


def run(ctx: StageContext, duration_s: float) -> PartialReport:
    """Makes the check `network` for each port. If a port did not join, it is not tested, not required, and says why."""
    why, ports = _ports(ctx)
    if why:
        return PartialReport([_did_not_join("", why)])
    test_s, until, turn = ctx.params(Params).network_test_s, time.monotonic() + duration_s, 0
    if duration_s < test_s + _AROUND_S:
        return PartialReport([_did_not_join("", f"{duration_s:.0f} s are too short for a test of {test_s:g} s")])
    while (left_s := until - time.monotonic()) > 0:
        if min(left_s, ctx.link_s()) >= test_s + _AROUND_S:
            _test(ctx, ports[turn % len(ports)], test_s)
            turn += 1
        elif ctx.stop.wait(_LOOK_S):
            break
    return PartialReport(
        [_judged(port) for port in ports],
        numbers={f"burn_network_mb.{port.mac}": port.moved_bytes / _MIB for port in ports if port.tests},
        evidence={f"iperf3.{port.mac}": port.evidence[-1] for port in ports if port.evidence},
    )


def _ports(ctx: StageContext) -> tuple[str, list[Port]]:
    """Why there is no port to test, and the ports that can be tested."""
    if not ctx.claim.iperf.address or not ctx.claim.iperf.ports:
        return "the bench names no iperf3 server", []
    done = addresses.run()
    try:
        own = addresses.parse(done.stdout)
    except ParseError as error:
        return done.trouble_or(error), []
    if not done.ok:
        return done.trouble, []
    states = [nics.state(name) for name in nics.names()]
    left_out = nics.spare_macs(ctx.claim.expected) | nics.other_network_macs(ctx.claim.expected)
    ports = [
        Port(state.mac, state.name, own[state.name])
        for state in states
        if state.link and not state.on_usb and own.get(state.name) and state.mac not in left_out
    ]
    return ("" if ports else "no port has a link and an address"), ports


def _test(ctx: StageContext, port: Port, test_s: float) -> None:
    bench = ctx.claim.iperf
    command = iperf3.argv(
        bench.address, bench.ports[0], device=port.name, address=port.address, duration_s=test_s,
        streams=ctx.params(Params).network_streams, direction=iperf3.Direction.BOTH,
    )  # fmt: skip
    before = nics.traffic(port.name)
    done = iperf3.run(command, test_s, ctx.stop)
    port.evidence.append(done.stdout[-20000:] or done.stderr)
    try:
        result = iperf3.parse_both(done.stdout)
    except ParseError as error:
        port.trouble = done.trouble_or(error)
        return
    if isinstance(result, iperf3.Refused):
        port.trouble = result.words
        return
    ways = dict(zip((iperf3.Direction.OUT, iperf3.Direction.IN), result, strict=True))
    moved = [way.received_bytes for way in result]
    if not done.ok or not all(moved):
        port.trouble = done.trouble or "nothing arrived, and iperf3 names no reason"
    elif elsewhere := throughput.by_another_card(ways, port.name, before, ctx.stop):
        port.trouble = elsewhere
    else:
        port.tests += 1
        port.moved_bytes += sum(moved)


def _judged(port: Port) -> wire.Check:
    if not port.tests:
        return _did_not_join(port.mac, f"{port.name}: {port.trouble}")
    words = f"{port.moved_bytes / _MIB:.0f} MiB both ways in {port.tests} tests beside all other loads"
    return checks.passed(CHECK, port.mac, topic=TOPIC, reason=words)


def _did_not_join(component: str, why: str) -> wire.Check:
    return checks.not_tested(CHECK, component, reason=f"network did not join: {why}", topic=TOPIC)
