"""Network: for every expected link the negotiated speed, the throughput in both directions, and the packet loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent import findings
from agent.contract import wire
from agent.exercises import throughput
from agent.host.shell import Completed
from agent.loads import ping
from agent.parsing import ParseError
from agent.probes.network import addresses, fec, nics, optics
from agent.probes.network.lldp import Listener
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.network import light, neighbour, whole_link
from agent.stages.network.spec import Limits, Params

TOPIC = "network"


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a port. Without `speed_mbit` any speed will do, without `neighbour` any switch port. The bench
    can't be reached from another network."""

    mac: str
    speed_mbit: int | None = None
    neighbour: str = ""
    is_in_other_network: bool = False

    @property
    def says_cabled(self) -> bool:
        return bool(self.speed_mbit or self.neighbour or self.is_in_other_network)


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    cards = {state.mac: state for state in map(nics.state, nics.names())}
    wanted = _wanted(ctx.claim.expected, cards)
    if not wanted:
        why = "no network card is expected and none has a link"
        why = "the expected spec calls every network port spare" if nics.spare_macs(ctx.claim.expected) else why
        return checks.report(ctx, [checks.not_tested(name, reason=why, topic=TOPIC) for name in ctx.order.required])
    own, unknown = _addresses()
    board = ProgressBoard(ctx)
    names_neighbours = any(nic.get("neighbour") for nic in ctx.claim.expected.get("nics") or [])
    whole = joined(_card(ctx, port, cards.get(port.mac), own, unknown, board, names_neighbours) for port in wanted)
    if all(port.is_in_other_network for port in wanted):
        why = "the expected spec puts every network port into a network without the bench"
        whole.checks += [checks.not_tested(name, reason=why, topic=TOPIC) for name in ("throughput", "loss")]
    return checks.report(
        ctx,
        whole.checks,
        findings=whole.findings,
        also_required=(neighbour.CHECK,) if names_neighbours else (),
        numbers=whole.numbers,
        evidence=whole.evidence,
    )


def _wanted(expected: Mapping[str, Any], cards: dict[str, nics.NicState]) -> list[Wanted]:
    """The ports to test: those of the spec that are not spare, or without a list every one with a link. A card on USB,
    such as the BMC's own (iDRAC, AMI), leads to no switch, so it is tested only if the spec gives it a speed."""
    on_usb = {mac for mac, state in cards.items() if state.on_usb}
    if (listed := expected.get("nics")) is None:
        return [Wanted(mac) for mac, state in cards.items() if state.link and mac not in on_usb]
    left_out, elsewhere = nics.spare_macs(expected), nics.other_network_macs(expected)
    wanted = {
        mac: Wanted(mac, nic.get("speed_mbit") or None, str(nic.get("neighbour") or ""), mac in elsewhere)
        for nic in listed
        if (mac := str(nic.get("mac") or "").lower()) not in left_out
    }
    return [port for mac, port in wanted.items() if port.speed_mbit or mac not in on_usb]


def _addresses() -> tuple[dict[str, str], str]:
    """Card → address, and why none is known if `ip` failed."""
    done = addresses.run()
    try:
        found = addresses.parse(done.stdout)
    except ParseError as error:
        return {}, done.trouble_or(error)
    return ({}, done.trouble) if not done.ok else (found, "")


def _card(
    ctx: StageContext,
    port: Wanted,
    state: nics.NicState | None,
    own: dict[str, str],
    unknown: str,
    board: ProgressBoard,
    names_neighbours: bool,
) -> PartialReport:
    """One card. The link is tested first, since nothing else can be measured without it."""
    report, mac = PartialReport(), port.mac
    if state is None:
        report.checks += [checks.not_tested(name, mac, reason="the card is not there") for name in ("link", "speed")]
        return report
    if not state.link and not port.says_cabled and _was_unplugged(ctx.inventory, mac):
        return _unused(state)
    _link(state, port, report)
    if not state.link:
        return report
    _speed(state, port.speed_mbit, report)
    optics.run(state.name)  # some modules keep what was before the load until it is read
    corrected, errors = fec.parse(fec.run(state.name).stdout).corrected, whole_link.errors(state.name, mac)
    with Listener(state.name) as listener:
        if not port.is_in_other_network:
            _traffic(ctx, state, own.get(state.name), unknown, report, board)
        is_asked = bool(port.neighbour) or not names_neighbours or neighbour.CHECK in ctx.order.required
        wait_s = ctx.params(Params).lldp_wait_s
        neighbour.judge(state, listener, port.neighbour, wait_s, report, is_asked=is_asked)
    full, now = whole_link.full_mbit(state.name, port.speed_mbit), nics.state(state.name)
    is_whole = whole_link.is_whole(now, full, errors, whole_link.errors(state.name, mac))
    light.judge(now, optics.run(state.name), report, is_whole=is_whole)
    light.tell_corrected(state, corrected, fec.run(state.name), report)
    board.tell(mac, 100, "measured")
    return report


def _traffic(
    ctx: StageContext,
    state: nics.NicState,
    address: str | None,
    unknown: str,
    report: PartialReport,
    board: ProgressBoard,
) -> None:
    server = ctx.claim.iperf.address
    if not address or not server:
        why = unknown or _without_address(state) if server else "the bench names no server"
        report.checks += [checks.not_tested(name, state.mac, reason=why) for name in ("throughput", "loss")]
        return
    throughput.measure(ctx, state, address, report, board)
    _loss(ctx, state, server, report, board)


def _without_address(state: nics.NicState) -> str:
    return (
        f"{state.name} has a link and no address: if its cable leads to the bench's network, enter its MAC {state.mac} "
        "on the host's form; if it leads to another one, say `other_network: true` of this port in the spec"
    )


def _link(state: nics.NicState, port: Wanted, report: PartialReport) -> None:
    found = [] if state.link else [findings.make("network.no_link", "nic", state.mac, f"{state.name}: no link")]
    report.findings += found
    words = "in a network without the bench: throughput and loss are not measured" if port.is_in_other_network else ""
    report.checks.append(checks.judged("link", found, state.mac, reason=words))


def _was_unplugged(inventory: wire.Inventory | None, mac: str) -> bool:
    """Whether the port had no link when the inventory was taken, which is the first thing in a run."""
    return inventory is not None and any(nic.mac.lower() == mac and not nic.link for nic in inventory.nics)


def _unused(state: nics.NicState) -> PartialReport:
    """A spec that was adopted from a host has a speed for each port that had a link then, and one that was written by
    hand may name a port by its MAC alone. So nobody knows whether this port should have a cable: it is not blamed, and
    not tested."""
    words = f"{state.name}: no link from the beginning, and the spec gives this port no speed"
    finding = findings.make("network.no_link", "nic", state.mac, words, severity=wire.Severity.WARNING)
    cure = f"{words}: plug its cable in, or say `spare: true` of this port in the spec (adopting it does that)"
    return PartialReport([checks.not_tested("link", state.mac, reason=cure)], [finding])


def _speed(state: nics.NicState, expected: int | None, report: PartialReport) -> None:
    actual = state.speed_mbit
    if actual is not None:
        report.numbers[f"link_mbit.{state.mac}"] = float(actual)
    if actual is None:
        why = f"{state.name}: the driver {state.driver} does not tell the speed"
        report.checks.append(checks.not_tested("speed", state.mac, reason=why, topic="link_speed"))
        return
    found = []
    if expected and actual < expected:
        message = f"{state.name}: negotiated {actual} Mbit/s, expected {expected}"
        found.append(
            findings.make(
                "network.slow_link",
                "nic",
                state.mac,
                message,
                value=float(actual),
                limit=float(expected),
                unit="Mbit/s",
            )
        )
    if state.duplex == "half":
        found.append(findings.make("network.half_duplex", "nic", state.mac, f"{state.name}: half duplex"))
    report.findings += found
    report.checks.append(checks.judged("speed", found, state.mac, reason=f"{actual} Mbit/s"))


def _loss(ctx: StageContext, state: nics.NicState, server: str, report: PartialReport, board: ProgressBoard) -> None:
    params = ctx.params(Params)
    count, interval_s = params.ping_count, params.ping_interval_s
    argv = ping.argv(server, state.name, count, interval_s, params.ping_bytes)
    with board.timing(state.mac, f"{count} packets to {server}", count * interval_s):
        done = ping.run(argv, count * interval_s, ctx.stop)
    report.evidence[f"ping.{state.mac}"] = done.stdout + done.stderr
    judge_loss(ctx, state, server, done, report)


def judge_loss(ctx: StageContext, state: nics.NicState, server: str, done: Completed, report: PartialReport) -> None:
    """Adds the check `loss` from ping's output."""
    try:
        loss = ping.parse(done.stdout)
    except ParseError as error:
        report.checks.append(checks.not_tested("loss", state.mac, reason=done.trouble_or(error)))
        return
    if not done.ended:
        report.checks.append(checks.not_tested("loss", state.mac, reason=done.trouble))
        return
    if not loss.received:
        # Whether the link works is another check's result. A server that never answers pings proves nothing about loss.
        report.checks.append(checks.not_tested("loss", state.mac, reason=f"{server} answers no ping by {state.name}"))
        return
    report.numbers[f"loss_percent.{state.mac}"] = loss.lost_percent
    if loss.mean_ms is not None:
        report.numbers[f"ping_ms.{state.mac}"] = loss.mean_ms
    found = _lossy(state, loss, ctx.limits(Limits).loss_max_percent)
    report.findings += found
    report.checks.append(
        checks.judged("loss", found, state.mac, reason=f"{loss.sent - loss.received} of {loss.sent} lost")
    )


def _lossy(state: nics.NicState, loss: ping.Loss, limit: float) -> list[wire.Finding]:
    if loss.lost_percent <= limit:
        return []
    lost = loss.sent - loss.received
    message = f"{state.name}: {lost} of {loss.sent} packets lost ({loss.lost_percent:.2f} %), limit {limit:g} %"
    return [
        findings.make(
            "network.loss", "nic", state.mac, message, value=round(loss.lost_percent, 3), limit=limit, unit="%"
        )
    ]
