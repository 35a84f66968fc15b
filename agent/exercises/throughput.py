"""Throughput of one link, each direction alone and both at once, against the orchestrator's iperf3 server.

The floor is a fraction of the slower of the link and the server: a server's link says nothing about a faster card. The
link is not at fault if a processor at full load could not feed it, or if the bytes went through another card.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent import findings
from agent.contract import wire
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import iperf3
from agent.loads.iperf3 import Direction, Refused, Throughput
from agent.parsing import ParseError
from agent.probes.network import nics
from agent.probes.network.nics import NicState
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext
from agent.stages.network import spec as network

CHECK, CHECK_BOTH = "throughput", "both_ways"
_BUSY_WAIT_S = 2.0
# Above this, a processor counts as fully loaded: iperf3 does not count the time in interrupts as its own.
_BUSY_PERCENT = 90.0
# At least this share of the bytes that iperf3 reports, without headers, must have gone through the card.
_BY_THE_CARD = 0.9
# Drivers that take their counts from the card once a second show them up to two seconds late: bnx2x (of the request
# before the last), bnxt (from a block that the card itself writes each second).
_COUNTED_LATE_S = 2.5
# The result of one test, by direction.
Measured = dict[Direction, Throughput]


@dataclass(frozen=True)
class Unproven:
    """Why a test proves nothing about the card. `cause` is BENCH if the server was the limit."""

    why: str
    cause: wire.Cause | None = None


@dataclass(frozen=True)
class Link:
    """One card under test, and where its results go."""

    ctx: StageContext
    state: NicState
    address: str
    report: PartialReport
    board: ProgressBoard


def measure(ctx: StageContext, state: NicState, address: str, report: PartialReport, board: ProgressBoard) -> None:
    """Adds the checks `throughput` (to pass, each direction alone must have been measured) and `both_ways`."""
    link = Link(ctx, state, address, report, board)
    judge(link, CHECK, [(direction, *_best(link, direction)) for direction in (Direction.OUT, Direction.IN)])
    judge(link, CHECK_BOTH, [(Direction.BOTH, *_best(link, Direction.BOTH))])


def floor_mbit(ctx: StageContext, link_mbit: int | None, direction: Direction = Direction.OUT) -> float | None:
    """The least acceptable speed. None if neither the link's nor the server's speed is known."""
    known = [float(mbit) for mbit in (link_mbit or 0, ctx.claim.iperf.server_link_mbit) if mbit > 0]
    if not known:
        return None
    slowest, limits = min(known), ctx.limits(network.Limits)
    if direction is Direction.BOTH:
        return slowest * limits.min_fraction_of_each
    return slowest * (limits.min_fraction if slowest <= 10_000 else limits.min_fraction_above_10g)


def limited_by(ctx: StageContext, result: Throughput) -> Unproven | None:
    """The processor that was fully loaded, if one was. A stream has a thread of its own. If iperf3 does not report the
    load, the link is not at fault either."""
    if result.remote_cpu_percent is None or result.local_cpu_percent is None:
        return Unproven("iperf3 does not say how busy the processors were")
    streams = ctx.params(network.Params).streams
    if result.remote_cpu_percent >= _BUSY_PERCENT * min(streams, ctx.claim.iperf.server_cpus):
        words = f"the server's processor was the limit ({result.remote_cpu_percent:.0f} % of a core)"
        return Unproven(words, wire.Cause.BENCH)
    if result.local_cpu_percent >= _BUSY_PERCENT * min(streams, len(os.sched_getaffinity(0))):
        return Unproven(f"this host's processor was the limit ({result.local_cpu_percent:.0f} % of a core)")
    return None


def judge(link: Link, name: str, outcomes: list[tuple[Direction, list[wire.Finding], Unproven | None]]) -> None:
    """One check from the result of each direction. Retransmits are warnings of their own."""
    found = [finding for _, findings_, _ in outcomes for finding in findings_]
    untested = [(direction, one) for direction, _, one in outcomes if one]
    link.report.findings += found
    check = checks.judged(name, found, link.state.mac)
    if untested and check.outcome is wire.Outcome.PASSED:
        why = "; ".join(f"{link.state.name}, {direction}: {one.why}" for direction, one in untested)
        cause = next((one.cause for _, one in untested if one.cause), None)
        check = checks.not_tested(name, link.state.mac, reason=why, cause=cause)
    link.report.checks.append(check)


def _best(link: Link, direction: Direction) -> tuple[list[wire.Finding], Unproven | None]:
    """The fault, and why the result proves nothing (there may be one, both or none). A slow result is measured again
    before the card is blamed, since others use the server's link too."""
    found: list[wire.Finding] = []
    for _ in range(link.ctx.params(network.Params).throughput_tries):
        measured = _test(link, direction)
        if isinstance(measured, str):
            return found, Unproven(measured)
        found, unproven = weigh(link, direction, measured)
        if unproven or not any(one.severity is wire.Severity.CRITICAL for one in found):
            return found, unproven
    return found, None


def weigh(link: Link, direction: Direction, measured: Measured) -> tuple[list[wire.Finding], Unproven | None]:
    """The findings of one test, and why it proves nothing about the card (None if it proves something)."""
    found: list[wire.Finding] = []
    for way, result in measured.items():
        _number(link, direction, way, result)
        found += _retransmits(link, direction, way, result)
        floor = floor_mbit(link.ctx, link.state.speed_mbit, direction)
        if floor is None:
            return found, Unproven("neither the link's nor the server's speed is known")
        if result.bits_s / 1e6 < floor:
            if limit := limited_by(link.ctx, result):
                return found, replace(limit, why=f"{result.bits_s / 1e6:.0f} Mbit/s {way}: {limit.why}")
            found.append(_slow(link, direction, way, result, floor))
    if direction is Direction.BOTH and not found and (slow := _slow_together(link, measured)):
        limit = limited_by(link.ctx, measured[Direction.OUT])
        return ([], limit) if limit else (slow, None)
    return found, None


def _slow_together(link: Link, measured: Measured) -> list[wire.Finding]:
    """Both directions together must carry at least what one alone must. Full duplex carries nearly twice that."""
    floor = floor_mbit(link.ctx, link.state.speed_mbit)
    mbit = sum(result.bits_s for result in measured.values()) / 1e6
    if floor is None or mbit >= floor:
        return []
    message = f"{link.state.name}: {mbit:.0f} Mbit/s in both directions together, floor {floor:.0f} Mbit/s"
    mac = link.state.mac
    return [
        findings.make("network.slow", "nic", mac, message, value=round(mbit, 1), limit=round(floor, 1), unit="Mbit/s")
    ]


def _test(link: Link, direction: Direction) -> Measured | str:
    """The result by direction, or why there is none. A busy server is tried again, on its other ports, too."""
    ctx, params = link.ctx, link.ctx.params(network.Params)
    ports = ctx.claim.iperf.ports
    if not ports:
        return "the bench names no iperf3 port"
    deadline = time.monotonic() + params.busy_wait_s
    attempt = 0
    while True:
        port = ports[attempt % len(ports)]
        attempt += 1
        with link.board.timing(link.state.mac, f"throughput {direction}", params.throughput_duration_s):
            result = _once(link, port, direction, params.throughput_duration_s)
        if not (isinstance(result, Refused) and result.is_busy):
            return result.words if isinstance(result, Refused) else result
        if time.monotonic() > deadline or ctx.stop.wait(_BUSY_WAIT_S):
            return f"the server was busy for {params.busy_wait_s:g} s"


def _once(link: Link, port: int, direction: Direction, duration_s: float) -> Measured | Refused | str:
    state = link.state
    command = iperf3.argv(
        link.ctx.claim.iperf.address, port, device=state.name, address=link.address, duration_s=duration_s,
        streams=link.ctx.params(network.Params).streams, direction=direction,
    )  # fmt: skip
    before = nics.traffic(state.name)
    done = iperf3.run(command, duration_s, link.ctx.stop)
    link.report.evidence[f"iperf3.{state.mac}.{direction}"] = done.stdout[-20000:] or done.stderr
    return read(done, direction, lambda measured: by_another_card(measured, state.name, before, link.ctx.stop))


def read(done: Completed, direction: Direction, elsewhere: Callable[[Measured], str]) -> Measured | Refused | str:
    """What iperf3 measured, or why it says nothing. `elsewhere` says why the card's own counters don't agree."""
    try:
        result = _by_direction(done.stdout, direction)
    except ParseError as error:
        return done.trouble_or(error)
    if isinstance(result, Refused):
        return result
    if not done.ok or not all(way.bits_s for way in result.values()):
        return done.trouble or "nothing arrived, and iperf3 names no reason"
    return elsewhere(result) or result


def _by_direction(text: str, direction: Direction) -> Measured | Refused:
    result = iperf3.parse_both(text) if direction is Direction.BOTH else iperf3.parse(text)
    if isinstance(result, Refused):
        return result
    if isinstance(result, Throughput):
        return {direction: result}
    return dict(zip((Direction.OUT, Direction.IN), result, strict=True))


def by_another_card(measured: Measured, name: str, before: nics.Traffic | None, stop: StopFlag) -> str:
    """Call `went_elsewhere` with the card's counters as they are now. Some cards count late, so counters that lack
    bytes are read once more. Nothing else is sent in between, so bytes that took another way are still missing then."""
    why = went_elsewhere(measured, before, nics.traffic(name))
    if why and not stop.wait(_COUNTED_LATE_S):
        why = went_elsewhere(measured, before, nics.traffic(name))
    return why


def went_elsewhere(measured: Measured, before: nics.Traffic | None, after: nics.Traffic | None) -> str:
    """Why the test says nothing about the card: its own counters did not see the bytes. Two cards on one network answer
    for each other unless the kernel is told not to."""
    if before is None or after is None:
        return ""
    seen = {
        Direction.OUT: after.sent_bytes - before.sent_bytes,
        Direction.IN: after.received_bytes - before.received_bytes,
    }
    for way, result in measured.items():
        if seen[way] < _BY_THE_CARD * result.received_bytes:
            return f"of {result.received_bytes:.0f} bytes {way}, {seen[way]} went by this card"
    return ""


def _number(link: Link, direction: Direction, way: Direction, result: Throughput) -> None:
    mbit, mac = result.bits_s / 1e6, link.state.mac
    name = f"tcp_both_{way}_mbit" if direction is Direction.BOTH else f"tcp_{way}_mbit"
    link.report.numbers[f"{name}.{mac}"] = max(mbit, link.report.numbers.get(f"{name}.{mac}", 0.0))
    link.ctx.measure(wire.Measurement(time.time(), "nic", mac, f"throughput_{way}", mbit / 8, "MB/s"))


def _slow(link: Link, direction: Direction, way: Direction, result: Throughput, floor: float) -> wire.Finding:
    mbit, name = result.bits_s / 1e6, link.state.name
    at_once = " with both directions at once" if direction is Direction.BOTH else ""
    message = f"{name}: {mbit:.0f} Mbit/s {way}{at_once}, floor {floor:.0f} Mbit/s"
    return findings.make(
        "network.slow", "nic", link.state.mac, message, value=round(mbit, 1), limit=round(floor, 1), unit="Mbit/s"
    )


def _retransmits(link: Link, direction: Direction, way: Direction, result: Throughput) -> list[wire.Finding]:
    """Only a warning: full queues cause retransmits on a good link, too, and with both directions at once always."""
    if direction is Direction.BOTH or result.retransmits is None or not result.segment_bytes or not result.sent_bytes:
        return []
    percent = 100.0 * result.retransmits * result.segment_bytes / result.sent_bytes
    mac = link.state.mac
    link.report.numbers[f"retransmits_{way}_percent.{mac}"] = percent
    limit = link.ctx.limits(network.Limits).retransmits_max_percent
    if percent <= limit:
        return []
    message = f"{link.state.name}: {percent:.2f} % of segments sent again ({way}), limit {limit:g} %"
    return [findings.make("network.retransmits", "nic", mac, message, value=round(percent, 3), limit=limit, unit="%")]
