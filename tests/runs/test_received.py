"""A message of an agent is cut to its bounds, and a cut never makes a result better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import codec, wire
from hosts import bounds
from runs import received
from runs.received import Room

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


def a_result(**fields: Any) -> wire.Result:
    return wire.Result("boot-1", "SMART", 1, PASSED, "", 1.0, 2.0, **fields)


def findings(count: int, severity: wire.Severity, component: str = "") -> list[wire.Finding]:
    return [wire.Finding("smart.wear", severity, "disk", component or f"S{n}", f"message {n}") for n in range(count)]


def test_what_is_within_the_bounds_stays_the_very_same() -> None:
    result = a_result(findings=findings(3, WARNING), numbers={"a": 1.0}, evidence={"smartctl": "fine"})
    taken = received.within_bounds(result)
    assert taken.message == result and not taken.cut


def test_critical_findings_are_kept_before_the_many_warnings_around_them() -> None:
    many = [*findings(9_000, WARNING), *findings(10, CRITICAL, "S-BAD"), *findings(9_000, WARNING)]
    taken = received.within_bounds(a_result(findings=many))
    kept = taken.message.findings
    assert len(kept) == bounds.FINDINGS.most
    assert sum(one.severity is CRITICAL for one in kept) == 10
    assert taken.cut.left_out == {"findings": len(many) - bounds.FINDINGS.most}


def test_every_part_that_is_to_blame_is_named_before_one_is_named_twice() -> None:
    many = [*findings(17_000, CRITICAL, "S-LOUD"), *findings(40, CRITICAL)]
    kept = received.within_bounds(a_result(findings=many)).message.findings
    assert {f"S{n}" for n in range(40)} < {one.component for one in kept}


def test_a_run_that_has_reached_its_bound_still_takes_some_findings() -> None:
    room = Room(findings=bounds.LEAST_FINDINGS.most)
    kept = received.within_bounds(a_result(findings=findings(500, CRITICAL)), room).message.findings
    assert len(kept) == bounds.LEAST_FINDINGS.most


def test_checks_that_did_not_pass_and_required_ones_are_kept_first() -> None:
    filler = [wire.Check(f"filler{n}", PASSED) for n in range(bounds.CHECKS.most + 500)]
    bad = [wire.Check("surface", FAILED, "S1: bad"), wire.Check("other", NOT_TESTED, "no tool")]
    taken = received.within_bounds(
        a_result(checks=[*filler, wire.Check("health", PASSED), *bad]), required=lambda: ["health"]
    )
    names = [one.name for one in taken.message.checks]
    assert len(names) == bounds.CHECKS.most and {"surface", "other", "health"} < set(names)
    assert taken.cut.left_out == {"checks": 503} and not taken.cut.unjudged


def test_where_checks_that_did_not_pass_were_left_out_it_says_that_nobody_saw_them() -> None:
    many = [wire.Check(f"c{n}", NOT_TESTED, "no tool") for n in range(bounds.CHECKS.most + 7)]
    assert received.within_bounds(a_result(checks=many)).cut.unjudged == "7 checks"


@pytest.mark.parametrize(
    ("fields", "unjudged"),
    [
        ({"numbers": {f"n{n}": 1.0 for n in range(bounds.NUMBERS.most + 3)}}, "3 numbers"),
        ({"numbers": {"n" * 200: 1.0}}, "1 numbers"),
        ({"counters": [wire.CounterDelta("c", "disk", f"S{n}", 0, 1) for n in range(1_001)]}, "1 counters"),
        ({"refusals": [wire.Refusal(3, f"S{n}", "data") for n in range(257)]}, "1 refusals"),
        ({"inventory": wire.Inventory(missing_tools=["t"] * 513)}, "1 missing_tools"),
        (
            {
                "inventory": wire.Inventory(
                    disks=[wire.Disk("x" * 250, "y" * 250, "z" * 250, "a", 1, "m" * 250, "f" * 250)] * 500
                )
            },
            "1 inventory",
        ),
    ],
)
def test_what_could_have_counted_against_the_host_is_told_as_unseen(fields: dict[str, Any], unjudged: str) -> None:
    assert received.within_bounds(a_result(**fields)).cut.unjudged == unjudged


def test_a_text_says_that_it_was_cut_and_by_how_much() -> None:
    finding = wire.Finding("smart.wear", CRITICAL, "disk", "S1", "x" * 800_000)
    taken = received.within_bounds(a_result(findings=[finding]))
    message = taken.message.findings[0].message
    assert len(message) == bounds.SENTENCE.most and message.endswith(" … [798,000 characters more]")
    assert taken.cut.left_out == {"texts": 1}


def test_evidence_keeps_its_beginning_and_its_end() -> None:
    taken = received.within_bounds(a_result(evidence={"fio": "begin" + "x" * 200_000 + "end"}))
    text = taken.message.evidence["fio"]
    assert len(text) <= bounds.EVIDENCE_TEXT.most and text.startswith("begin") and text.endswith("end")
    assert "characters more" in text and taken.cut.left_out == {"evidence": 1}


def test_evidence_shares_the_room_that_its_run_has_left() -> None:
    room = Room(evidence=bounds.EVIDENCE_TEXT.most)
    kept = received.within_bounds(a_result(evidence={f"t{n}": "x" * 60_000 for n in range(16)}), room).message.evidence
    assert len(kept) == 16 and sum(map(len, kept.values())) <= bounds.EVIDENCE_TEXT.most


@pytest.mark.parametrize(
    "message",
    [
        wire.Hello("b", "a", ["52:54:00:00:00:01"] * 1_025, "u", "c"),
        wire.Claim("b" * 300, "u", []),
        wire.Claim("b", "u", ["5" * 2_000_000]),
        wire.Heartbeat("b", "s" * 1_000_000, 1, 1.0),
        replace(a_result(), stage="S" * 300),
        wire.LogBatch("b", 1, [wire.LogLine(1.0, "info", "", "x")] * 501),
        wire.SensorBatch("b", 1, [wire.Measurement(1.0, "cpu", "CPU0", "temp", 1.0, "C")] * 51),
    ],
)
def test_what_names_a_machine_or_would_be_lost_is_refused_and_never_cut(message: Any) -> None:
    with pytest.raises(codec.WireError) as error:
        received.within_bounds(message)
    assert len(str(error.value)) < 600


@given(st.lists(st.tuples(st.sampled_from(list(wire.Outcome)), st.sampled_from("abc")), max_size=40), st.integers(1, 9))
def test_no_cut_of_checks_hides_one_that_did_not_pass(checks: list[tuple[wire.Outcome, str]], most: int) -> None:
    """Whatever is left out: either all that did not pass is still there, or it says that something was not seen."""
    made = [wire.Check(name, outcome) for outcome, name in checks]
    cutter = received._Cutter(Room(), tuple)
    kept = made if len(made) <= most else cutter._chosen("checks", made, most)
    bad = sum(one.outcome is not PASSED for one in made)
    assert cutter.unjudged["checks"] == bad - sum(one.outcome is not PASSED for one in kept)
    if any(one.outcome is FAILED for one in made):
        assert any(one.outcome is FAILED for one in kept)
