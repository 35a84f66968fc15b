"""Adjust a result that was measured while the bench was unfit: what the bench can explain is not tested, and blames no
part. Plain functions of data.

Throughput and loss are measured against the bench. What only the host can cause stays a fault of the host: no link, a
lower speed negotiated, errors that its own card counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.contract import wire

# Findings that are measured against the bench's own end of the link.
CODES = frozenset({"network.slow", "network.loss", "network.retransmits"})
# Checks that an unfit bench can prevent: no server, no answer to pings. Only findings of `CODES` make one fail.
CHECKS = frozenset({"throughput", "both_ways", "loss"})
# Rates that differ by no more than this have one bottleneck. A fault of one port does not repeat on another. [ours]
_SAME_RATE = 0.15
_WAYS = ("out", "in")
# The beginning of a reason, for people. What counts is the cause.
_BENCH = "bench: "


@dataclass(frozen=True)
class Adjusted:
    """A result after `adjusted`. `why` says what was wrong with the bench; empty if the outcome did not change."""

    result: wire.Result
    why: str = ""


def adjusted(result: wire.Result, why: str) -> Adjusted:
    """The result as it counts if the bench was unfit because of `why`.

    1. A finding that the bench can explain becomes information. 2. A check that failed only by such findings is not
    tested. 3. The stage fails only if something else failed; else it is not tested, unless it passed.
    """
    if not why or not may_be_affected(result):
        return Adjusted(result)
    findings = [_as_information(one, why) for one in result.findings]
    checks = [_adjusted_check(one, result.findings, why) for one in result.checks]
    kept = replace(result, findings=findings, checks=checks)
    if result.outcome is wire.Outcome.PASSED:
        return Adjusted(kept)
    if _still_fails(kept):
        return Adjusted(replace(kept, reason="", cause=None))
    cause = wire.Cause.BENCH
    return Adjusted(replace(kept, outcome=wire.Outcome.NOT_TESTED, reason=f"{_BENCH}{why}", cause=cause), why)


def common_rate(result: wire.Result, cards: Mapping[str, str]) -> str:
    """Says that every port was too slow at the same rate, so that the bottleneck is outside the host; empty if not.

    `cards` is MAC → PCI address, from the inventory. Ports of one card share that card, so at least two cards must have
    taken part.
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
    """Why a check was not tested, if the agent names the bench as the cause: iperf3 said that the server's processor
    was fully busy. Empty if not."""
    for check in result.checks:
        if check.outcome is wire.Outcome.NOT_TESTED and check.cause is wire.Cause.BENCH:
            return check.reason
    return ""


def may_be_affected(result: wire.Result) -> bool:
    """Whether an unfit bench can explain anything in this result."""
    unmade = [one for one in result.checks if one.name in CHECKS and one.outcome is wire.Outcome.NOT_TESTED]
    return bool(unmade) or any(one.code in CODES for one in result.findings)


def blames_host(result: wire.Result) -> bool:
    """Whether it has a critical finding that an unfit bench can explain."""
    return any(one.code in CODES and one.severity is wire.Severity.CRITICAL for one in result.findings)


def _as_information(finding: wire.Finding, why: str) -> wire.Finding:
    if finding.code not in CODES:
        return finding
    return replace(finding, severity=wire.Severity.INFO, message=f"{finding.message} (bench: {why})")


def _adjusted_check(check: wire.Check, findings: Iterable[wire.Finding], why: str) -> wire.Check:
    """The check as it counts. A failed one of `CHECKS` is explained by a critical finding of `CODES` about its
    component."""
    if check.outcome is wire.Outcome.NOT_TESTED and check.name in CHECKS:
        own = "" if check.reason == why else f"; {check.reason}"
        return replace(check, reason=f"{_BENCH}{why}{own}", cause=wire.Cause.BENCH)
    if check.outcome is not wire.Outcome.FAILED or check.name not in CHECKS:
        return check
    critical = [one for one in findings if one.severity is wire.Severity.CRITICAL and one.component == check.component]
    if not any(one.code in CODES for one in critical):
        return check
    words = f"{_BENCH}{why}; measured: {check.reason}"
    return replace(check, outcome=wire.Outcome.NOT_TESTED, reason=words, cause=wire.Cause.BENCH)


def _still_fails(result: wire.Result) -> bool:
    return any(one.outcome is wire.Outcome.FAILED for one in result.checks) or any(
        one.severity is wire.Severity.CRITICAL for one in result.findings
    )


def _slowest_limit(findings: Iterable[wire.Finding]) -> dict[str, float]:
    """MAC → the highest minimum rate that it missed, in Mbit/s."""
    missed: dict[str, float] = {}
    for one in findings:
        if one.code == "network.slow" and isinstance(one.limit, int | float):
            missed[one.component] = max(float(one.limit), missed.get(one.component, 0.0))
    return missed


def _rates(numbers: Mapping[str, float], way: str) -> dict[str, float]:
    prefix = f"tcp_{way}_mbit."
    return {name.removeprefix(prefix): rate for name, rate in numbers.items() if name.startswith(prefix)}


def _on_several_cards(macs: Iterable[str], cards: Mapping[str, str]) -> bool:
    """Whether these ports are on several cards. Two ports of one card are two functions of one PCI device."""
    return len({cards[mac].rpartition(".")[0] for mac in macs if cards.get(mac)}) > 1
