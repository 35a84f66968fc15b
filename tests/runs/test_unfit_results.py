"""What an unfit bench makes of a result: what only it can have bent is not tested, what the host did stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import codes, wire
from runs.bench import unfit_results

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
A, B = "52:54:00:00:00:01", "52:54:00:00:00:02"
WHY = "short of CPU, 13 tasks waited for each of its 2 cores"
CHECKS = {"network.slow": "throughput", "network.loss": "loss"}
CARDS = {A: "0000:01:00.0", B: "0000:02:00.0"}


def finding(code: str, mac: str = A, message: str = "", **more: Any) -> wire.Finding:
    return wire.Finding(code, codes.CODES[code].severity, "nic", mac, message or f"{code} of {mac}", **more)


def result(*findings: wire.Finding, checks: list[wire.Check] | None = None, **more: Any) -> wire.Result:
    """As the agent settles it: each critical finding fails a check of its component."""
    made = [
        wire.Check(CHECKS.get(one.code, "link"), FAILED, one.message, one.component)
        for one in findings
        if one.severity is wire.Severity.CRITICAL
    ]
    fields: dict[str, Any] = {"outcome": FAILED if made else PASSED, "reason": "as the agent said"} | more
    return wire.Result(
        "boot-1", "Network", 1, started=0, ended=1, checks=[*made, *(checks or [])], findings=list(findings), **fields
    )


@pytest.mark.parametrize("code", ["network.slow", "network.loss"])
def test_what_was_measured_against_a_starved_bench_blames_no_port(code: str) -> None:
    found = unfit_results.adjusted(result(finding(code)), WHY)
    assert (found.result.outcome, found.why, found.result.reason) == (NOT_TESTED, WHY, f"bench: {WHY}")
    assert [one.severity for one in found.result.findings] == [wire.Severity.INFO]
    assert [(one.outcome, one.reason) for one in found.result.checks] == [
        (NOT_TESTED, f"bench: {WHY}; measured: {code} of {A}")
    ]


def test_on_a_fit_bench_all_is_as_the_agent_sent_it() -> None:
    sent = result(finding("network.slow"), finding("network.loss", B))
    assert unfit_results.adjusted(sent, "") == unfit_results.Adjusted(sent)


@pytest.mark.parametrize(
    "code", ["network.no_link", "network.slow_link", "network.half_duplex", "nic.link_flap", "network.other_port"]
)
def test_what_the_host_did_alone_stays_its_own(code: str) -> None:
    own = wire.Finding(code, wire.Severity.CRITICAL, "nic", B, f"{B} alone")
    found = unfit_results.adjusted(result(own, finding("network.slow", A)), WHY)
    assert (found.result.outcome, found.why) == (FAILED, "")
    critical = [one.component for one in found.result.findings if one.severity is wire.Severity.CRITICAL]
    assert critical == [B], "the other port is not blamed beside it"
    assert {one.component: one.outcome for one in found.result.checks} == {A: NOT_TESTED, B: FAILED}


def test_a_check_that_something_else_fails_stays_failed_whatever_its_text_quotes() -> None:
    link = wire.Check("link", FAILED, f"network.slow of {A}; network.no_link of {A}", A)
    other_port = wire.Check("throughput", FAILED, f"network.slow of {A}", B)
    sent = result(finding("network.slow"), finding("network.no_link"), checks=[link, other_port])
    found = unfit_results.adjusted(sent, WHY).result
    assert found.checks[-2:] == [link, other_port]
    assert found.outcome is FAILED


def test_a_check_whose_sentence_was_cut_is_explained_as_well() -> None:
    cut = wire.Check("throughput", FAILED, "network.slo", A)
    sent = replace(result(finding("network.slow")), checks=[cut])
    assert unfit_results.adjusted(sent, WHY).result.checks[0].outcome is NOT_TESTED


def test_what_passed_has_passed_on_a_poor_bench_too_and_its_warning_is_information() -> None:
    found = unfit_results.adjusted(result(finding("network.retransmits")), WHY)
    assert (found.result.outcome, found.why) == (PASSED, "")
    assert found.result.findings[0].severity is wire.Severity.INFO


def test_a_test_that_could_not_be_made_is_the_benchs_as_well() -> None:
    unmade = wire.Check("throughput", NOT_TESTED, "the server was busy for 120 s", A)
    found = unfit_results.adjusted(result(checks=[unmade], outcome=NOT_TESTED), WHY)
    assert found.why == WHY
    assert found.result.checks[0].reason == f"bench: {WHY}; the server was busy for 120 s"


def test_a_stage_of_which_the_bench_can_bend_nothing_is_left_alone() -> None:
    sent = result(
        wire.Finding("smart.pending_sectors", wire.Severity.CRITICAL, "disk", "S-1", "sda: 2 pending sectors")
    )
    assert unfit_results.adjusted(sent, WHY) == unfit_results.Adjusted(sent)


def test_the_agent_tells_what_iperf3_said_of_the_server() -> None:
    why = "eth0, out: 300 Mbit/s out: the server's processor was the limit (190 % of a core)"
    told = result(checks=[wire.Check("throughput", NOT_TESTED, why, A, cause=wire.Cause.BENCH)], outcome=NOT_TESTED)
    assert unfit_results.reported_by_agent(told) == why
    found = unfit_results.adjusted(told, why).result
    assert (found.cause, found.checks[0].reason) == (wire.Cause.BENCH, f"bench: {why}")
    assert unfit_results.reported_by_agent(result(finding("network.slow"))) == ""


def test_a_text_that_names_the_bench_is_no_cause() -> None:
    named = wire.Check("throughput", NOT_TESTED, "eth0, out: bench: connection refused", A)
    assert unfit_results.reported_by_agent(result(checks=[named])) == ""


def slow(mac: str, mbit: float) -> wire.Finding:
    return finding("network.slow", mac, value=mbit, limit=85.0, unit="Mbit/s")


def rates(**of: dict[str, float]) -> dict[str, float]:
    return {f"tcp_{way}_mbit.{mac}": mbit for way, macs in of.items() for mac, mbit in macs.items()}


SAME = rates(out={A: 9.6, B: 9.5}, **{"in": {A: 210.0, B: 140.0}})


def test_ports_that_all_carry_one_and_the_same_rate_share_a_narrow_place() -> None:
    said = unfit_results.common_rate(result(slow(A, 9.6), slow(B, 9.5), numbers=SAME), CARDS)
    assert said == "all 2 ports carried the same 10 Mbit/s out: they share the bench's port"


@pytest.mark.parametrize(
    ("findings", "numbers", "cards"),
    [
        ([slow(A, 9.6)], SAME, CARDS),  # one of them carried enough
        ([slow(A, 9.6)], rates(out={A: 9.6}), CARDS),  # a single port: nothing to compare with
        ([slow(A, 9.6), slow(B, 60)], rates(out={A: 9.6, B: 60.0}), CARDS),  # each its own
        ([slow(A, 9.6), slow(B, 9.5)], SAME, {A: "0000:01:00.0", B: "0000:01:00.1"}),  # what they share is a card
        ([slow(A, 9.6), slow(B, 9.5)], SAME, {}),
        ([finding("network.loss", A), finding("network.loss", B)], SAME, CARDS),
    ],
)
def test_anything_else_is_no_common_rate(
    findings: list[wire.Finding], numbers: dict[str, float], cards: dict[str, str]
) -> None:
    assert unfit_results.common_rate(result(*findings, numbers=numbers), cards) == ""
