"""What a bench that was not fit to measure makes of a result: what only it can have bent is not tested, and blames no
part. Plain functions of data.

Throughput and loss are measured against this machine. What a host alone did stays its own fault: no link, a lower
speed negotiated, errors that its own card counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.contract import wire

# Findings that are measured against the bench's own end of the link.
CODES = frozenset({"network.slow", "network.loss", "network.retransmits"})
# Checks that the bench can keep from being made: no server, no answer to pings.
CHECKS = frozenset({"throughput", "both_ways", "loss"})
# So near to each other are rates that one narrow place makes; a port's own fault repeats itself on no other. [ours]
_SAME_RATE = 0.15
_WAYS = ("out", "in")


@dataclass(frozen=True)
class Adjusted:
    """`why` is empty where the result is as the agent sent it and nothing was to be excused."""

    result: wire.Result
    why: str = ""


def adjusted(result: wire.Result, why: str) -> Adjusted:
    """The result as it counts where the bench was unfit because of `why`.

    1. A finding that it may have made is information. 2. A check that failed by nothing else is not tested. 3. The
    stage fails only by what is left; what was failed or not tested for the bench's sake is not tested.
    """
    if not why or not may_be_affected(result):
        return Adjusted(result)
    findings = [_as_information(one, why) for one in result.findings]
    checks = [_adjusted_check(one, result.findings, why) for one in result.checks]
    kept = replace(result, findings=findings, checks=checks)
    if result.outcome is wire.Outcome.PASSED:
        return Adjusted(kept)
    if _still_fails(kept):
        return Adjusted(replace(kept, reason=""))
    return Adjusted(replace(kept, outcome=wire.Outcome.NOT_TESTED, reason=f"{wire.THE_BENCH}{why}"), why)


def common_rate(result: wire.Result, cards: Mapping[str, str]) -> str:
    """In words, that every port was too slow at one and the same rate: they share a narrow place beyond the host.

    `cards` is MAC → PCI address, as the inventory has it. Ports of one card share that card, so at least two must be
    known to take part.
    """
    slow = _slowest_limit(result.findings)
    for way in _WAYS:
        rates = _rates(result.numbers, way)
        if len(rates) < 2 or not rates.keys() <= slow.keys() or not _on_several_cards(rates, cards):
            continue
        low, high = min(rates.values()), max(rates.values())
        if high < min(slow.values()) and low >= (1 - _SAME_RATE) * high:
            return f"all {len(rates)} ports carried the same {high:.0f} Mbit/s {way}: they share the bench's port"
    return ""


def reported_by_agent(result: wire.Result) -> str:
    """What the agent itself saw of the bench: by iperf3's own figure, the server's processor was at its end."""
    for check in result.checks:
        if check.outcome is wire.Outcome.NOT_TESTED and wire.THE_BENCH in check.reason:
            return check.reason.partition(wire.THE_BENCH)[2]
    return ""


def may_be_affected(result: wire.Result) -> bool:
    """Whether there is anything in it that the bench can have bent."""
    unmade = [one for one in result.checks if one.name in CHECKS and one.outcome is wire.Outcome.NOT_TESTED]
    return bool(unmade) or any(one.code in CODES for one in result.findings)


def blames_host(result: wire.Result) -> bool:
    """Whether it blames a part by something that the bench can have bent."""
    return any(one.code in CODES and one.severity is wire.Severity.CRITICAL for one in result.findings)


def _as_information(finding: wire.Finding, why: str) -> wire.Finding:
    if finding.code not in CODES:
        return finding
    return replace(finding, severity=wire.Severity.INFO, message=f"{finding.message} (bench: {why})")


def _adjusted_check(check: wire.Check, findings: Iterable[wire.Finding], why: str) -> wire.Check:
    """A failed check quotes the critical findings that it failed by."""
    if check.outcome is wire.Outcome.NOT_TESTED and check.name in CHECKS:
        return replace(check, reason=f"{wire.THE_BENCH}{why}; {check.reason}")
    if check.outcome is not wire.Outcome.FAILED:
        return check
    quoted = [one for one in findings if one.severity is wire.Severity.CRITICAL and one.message in check.reason]
    if not quoted or any(one.code not in CODES for one in quoted):
        return check
    return replace(check, outcome=wire.Outcome.NOT_TESTED, reason=f"{wire.THE_BENCH}{why}; measured: {check.reason}")


def _still_fails(result: wire.Result) -> bool:
    return any(one.outcome is wire.Outcome.FAILED for one in result.checks) or any(
        one.severity is wire.Severity.CRITICAL for one in result.findings
    )


def _slowest_limit(findings: Iterable[wire.Finding]) -> dict[str, float]:
    """MAC → the highest floor that it missed."""
    missed: dict[str, float] = {}
    for one in findings:
        if one.code == "network.slow" and isinstance(one.limit, int | float):
            missed[one.component] = max(float(one.limit), missed.get(one.component, 0.0))
    return missed


def _rates(numbers: Mapping[str, float], way: str) -> dict[str, float]:
    prefix = f"tcp_{way}_mbit."
    return {name.removeprefix(prefix): rate for name, rate in numbers.items() if name.startswith(prefix)}


def _on_several_cards(macs: Iterable[str], cards: Mapping[str, str]) -> bool:
    """By the PCI device, of which a card of two ports has two functions."""
    return len({cards[mac].rpartition(".")[0] for mac in macs if cards.get(mac)}) > 1
