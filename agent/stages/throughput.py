"""Throughput of one link, both ways, against the orchestrator's iperf3 server.

The floor is a fraction of what the link or the server can do, whichever is less: one server's link says nothing about
a faster card."""

from __future__ import annotations

import time

from agent import findings, wire
from agent.loads import iperf3
from agent.loads.iperf3 import Refused, Throughput
from agent.probes.nics import NicState
from agent.probes.parsing import ParseError
from agent.stage import StageContext
from agent.stages import checks
from agent.stages.board import Board
from agent.stages.part import Part

CHECK = "throughput"
_BUSY_WAIT_S = 2.0
_DIRECTIONS = (("out", False), ("in", True))


def measure(ctx: StageContext, state: NicState, address: str, part: Part, board: Board) -> None:
    """Adds the check `throughput` of this card: both directions must have been measured for it to pass."""
    untested: list[str] = []
    found: list[wire.Finding] = []
    for direction, reverse in _DIRECTIONS:
        result = _test(ctx, state, address, reverse, board, part)
        if isinstance(result, Throughput):
            found += _judge(ctx, state, direction, result, part)
        else:
            untested.append(f"{state.name}, {direction}: {result}")
    part.findings += found
    check = checks.judged(CHECK, found, state.mac)
    if untested and check.outcome is wire.Outcome.PASSED:
        check = checks.not_tested(CHECK, state.mac, reason="; ".join(untested))
    part.checks.append(check)


def floor_mbit(ctx: StageContext, link_mbit: int | None) -> float | None:
    """What must be reached; None when neither the link's nor the server's speed is known."""
    server = float(ctx.claim.iperf.get("server_link_mbit") or 0)
    known = [speed for speed in (float(link_mbit or 0), server) if speed > 0]
    if not known:
        return None
    slowest = min(known)
    name = "min_fraction" if slowest <= 10_000 else "min_fraction_above_10g"
    return slowest * checks.limit(ctx, name)


def _test(
    ctx: StageContext, state: NicState, address: str, reverse: bool, board: Board, part: Part
) -> Throughput | str:
    """The result, or why there is none. A busy server is asked again, on its other ports, too."""
    duration_s = float(checks.param(ctx, "throughput_duration_s"))
    ports = [int(port) for port in ctx.claim.iperf.get("ports") or []]
    if not ports:
        return "the bench names no iperf3 port"
    deadline = time.monotonic() + float(checks.param(ctx, "busy_wait_s"))
    attempt = 0
    while True:
        port = ports[attempt % len(ports)]
        attempt += 1
        words = f"throughput {'in' if reverse else 'out'}"
        with board.timing(state.mac, words, duration_s):
            result = _once(ctx, state, address, port, reverse, duration_s, part)
        if not (isinstance(result, Refused) and result.is_busy):
            return result.words if isinstance(result, Refused) else result
        if time.monotonic() > deadline or ctx.stop.wait(_BUSY_WAIT_S):
            return f"the server was busy for {checks.param(ctx, 'busy_wait_s')} s"


def _once(
    ctx: StageContext, state: NicState, address: str, port: int, reverse: bool, duration_s: float, part: Part
) -> Throughput | Refused | str:
    command = iperf3.argv(
        str(ctx.claim.iperf["address"]), port, device=state.name, address=address, duration_s=duration_s,
        streams=int(checks.param(ctx, "streams")), reverse=reverse,
    )  # fmt: skip
    done = iperf3.run(command, duration_s, ctx.stop)
    part.evidence[f"iperf3.{state.mac}.{'in' if reverse else 'out'}"] = done.stdout[-20000:] or done.stderr
    try:
        return iperf3.parse(done.stdout)
    except ParseError as error:
        return done.trouble or str(error)


def _judge(ctx: StageContext, state: NicState, direction: str, result: Throughput, part: Part) -> list[wire.Finding]:
    mbit = result.bits_s / 1e6
    part.numbers[f"tcp_{direction}_mbit.{state.mac}"] = mbit
    ctx.measure(wire.Measurement(time.time(), "nic", state.mac, f"throughput_{direction}", mbit / 8, "MB/s"))
    found = _retransmits(ctx, state, direction, result, part)
    floor = floor_mbit(ctx, state.speed_mbit)
    if floor is not None and mbit < floor:
        message = f"{state.name}: {mbit:.0f} Mbit/s {direction}, floor {floor:.0f} Mbit/s"
        found.append(
            findings.make(
                "network.slow", "nic", state.mac, message, value=round(mbit, 1), limit=round(floor, 1), unit="Mbit/s"
            )
        )
    return found


def _retransmits(
    ctx: StageContext, state: NicState, direction: str, result: Throughput, part: Part
) -> list[wire.Finding]:
    """A warning only: queues that fill up retransmit on a good link, too."""
    if result.retransmits is None or not result.segment_bytes or not result.sent_bytes:
        return []
    percent = 100.0 * result.retransmits * result.segment_bytes / result.sent_bytes
    part.numbers[f"retransmits_{direction}_percent.{state.mac}"] = percent
    limit = checks.limit(ctx, "retransmits_max_percent")
    if percent <= limit:
        return []
    message = f"{state.name}: {percent:.2f} % of segments sent again ({direction}), limit {limit:g} %"
    return [
        findings.make("network.retransmits", "nic", state.mac, message, value=round(percent, 3), limit=limit, unit="%")
    ]
