"""A verified write that goes on after the agent was killed: what it zeroes, what it asks before, what it tells."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import wire
from agent.contract.codes import CODES
from agent.disk_writes import verified_writes
from agent.exercises.surface import MIB, Segment
from agent.loads import fio
from tests.agent_stages.histories import play
from tests.agent_stages.modeldisk import PATTERN, SERIAL, ModelDisk, Report, Script

QUIET = frozenset(range(1, 10_000))


def killed_in(command: int, model: ModelDisk, **more: Any) -> None:
    """One life that ends in the middle of the command of that number."""
    assert model.live(Script(kill_in=command, **more)) is None


def ended(report: Report | None) -> Report:
    assert report is not None
    return report


def test_segments_that_were_never_tested_are_not_zeroed_after_a_restart() -> None:
    model = ModelDisk(4)
    killed_in(1, model)
    report = ended(model.live(Script(faults={0: "no answer"})))
    assert [kind for kind, *_ in model.commands] == ["patterns", "zeros"]
    assert report.outcomes() == {wire.Outcome.NOT_TESTED}
    assert {cell for cell, content in enumerate(model.cells) if content == PATTERN} <= report.left()


def test_a_segment_that_was_overwritten_in_part_is_written_as_a_whole_before_it_is_zeroed() -> None:
    model = ModelDisk(4)
    killed_in(1, model, share=0.25)
    report = ended(model.live(Script()))
    assert report.outcomes() == {wire.Outcome.PASSED}
    assert [kind for kind, *_ in model.commands] == ["patterns"] * 3 + ["zeros"] * 4
    assert not any(model.cells) and not report.left()


@pytest.mark.parametrize(
    "command", range(8), ids=lambda number: f"{'patterns' if number < 4 else 'zeros'} {number % 4}"
)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_wherever_it_was_killed_the_disk_is_blank_in_the_end(command: int, share: float) -> None:
    model = ModelDisk(4)
    killed_in(command, model, share=share)
    report = ended(model.live(Script()))
    assert report.outcomes() == {wire.Outcome.PASSED} and report.report.numbers[f"written_mb.{SERIAL}"] == 4
    assert not any(model.cells)


def test_nothing_is_zeroed_while_the_orchestrator_is_silent_and_it_is_said() -> None:
    model, first = ModelDisk(2), ModelDisk(2)
    ended(first.live(Script()))
    report = ended(model.live(Script(silent=QUIET - set(range(first.steps - 4)), stop_at=200)))
    assert [kind for kind, *_ in model.commands].count("zeros") < 2
    (finding,) = [one for one in report.report.findings if one.code == "storage.patterns_left"]
    assert finding.severity is wire.Severity.WARNING and "bytes 1048576 to 2097151" in finding.message
    assert finding.code in CODES


def test_zeroing_goes_on_when_the_orchestrator_answers_again() -> None:
    model, first = ModelDisk(2), ModelDisk(2)
    ended(first.live(Script()))
    report = ended(model.live(Script(silent=frozenset(range(first.steps - 4, first.steps + 30)))))
    assert not any(model.cells) and report.outcomes() == {wire.Outcome.PASSED}


def test_a_segment_that_was_stopped_by_a_silence_is_written_anew_when_the_orchestrator_answers() -> None:
    """Of the patterns, and later of the zeros."""
    model = ModelDisk(2)
    report = ended(model.live(Script(faults={1: "silence", 4: "silence"})))
    assert [kind for kind, *_ in model.commands] == ["patterns"] * 3 + ["zeros"] * 3
    assert report.outcomes() == {wire.Outcome.PASSED} and not any(model.cells) and not report.left()


def test_an_orchestrator_that_falls_silent_in_every_segment_leaves_the_disk_not_tested_with_the_reason() -> None:
    model = ModelDisk(2)
    report = ended(model.live(Script(faults=dict.fromkeys(range(9), "silence"))))
    assert report.outcomes() == {wire.Outcome.NOT_TESTED} and report.report.findings[0].code == "storage.patterns_left"
    assert [check.reason for check in report.report.checks if "gate 5: the orchestrator last answered" in check.reason]


def test_what_fio_found_before_the_silence_fails_the_disk_and_nothing_is_written_over_it() -> None:
    model = ModelDisk(2)
    report = ended(model.live(Script(faults={0: "silence after an error"})))
    assert report.outcomes() == {wire.Outcome.FAILED}
    assert [kind for kind, *_ in model.commands] == ["patterns"]


def test_an_agent_that_finds_the_orchestrator_silent_leaves_what_is_there_and_tells_it() -> None:
    model = ModelDisk(4)
    killed_in(2, model)
    report = ended(model.live(Script(silent=QUIET, stop_at=100)))
    assert model.commands == [] and report.refused_by() == {5}
    assert {cell for cell, content in enumerate(model.cells) if content == PATTERN} <= report.left()


def test_a_disk_that_failed_before_the_restart_has_failed_after_it() -> None:
    """Written once more, a drive that returns other data now and then may return the right ones."""
    model = ModelDisk(4)
    killed_in(2, model, faults={1: "corruption"})
    report = ended(model.live(Script()))
    assert report.outcomes() == {wire.Outcome.FAILED}
    assert [one.code for one in report.report.findings] == ["storage.corruption"]


def test_a_disk_that_can_not_be_zeroed_has_failed() -> None:
    model = ModelDisk(2)
    report = ended(model.live(Script(faults={3: "write error"})))
    assert report.outcomes() == {wire.Outcome.FAILED}
    assert {one.code for one in report.report.findings} == {"storage.write_error", "storage.patterns_left"}


@pytest.mark.parametrize("cell", [0, 9], ids=["zeroed already", "never begun"])
def test_what_somebody_wrote_meanwhile_is_not_ours(cell: int) -> None:
    """Into a place that was zero again, or that no pattern had come to yet."""
    model = ModelDisk(4)
    killed_in(5 if cell == 0 else 1, model)
    model.somebody_writes(cell)
    report = ended(model.live(Script()))
    assert model.commands == [] and report.refused_by() == {3}


def test_another_disk_size_is_another_disk() -> None:
    model = ModelDisk(4)
    killed_in(2, model)
    model.shrink(3)
    assert ended(model.live(Script())).refused_by() == {3}


@pytest.mark.parametrize("spoil", ["lost", "cut", "garbled", "a place that was never planned"])
def test_notes_that_are_not_what_was_kept_allow_nothing(spoil: str) -> None:
    model = ModelDisk(4)
    killed_in(2, model)
    (name,) = model.papers
    text = model.papers[name]
    model.papers[name] = {
        "lost": "", "cut": text[:-20], "garbled": text.replace('"begun"', '"written"'),
        "a place that was never planned": text.replace('"offset": 0', '"offset": 65536'),
    }[spoil]  # fmt: skip
    report = ended(model.live(Script()))
    assert model.commands == [] and report.refused_by() == {3}


def test_segments_of_another_size_do_not_confuse_what_was_written() -> None:
    model = ModelDisk(4)
    killed_in(2, model)
    report = ended(model.live(Script(segment_mb=3)))
    assert report.outcomes() == {wire.Outcome.PASSED} and not any(model.cells)


def test_a_finished_write_that_is_reported_again_writes_nothing() -> None:
    model = ModelDisk(4)
    first = ended(model.live(Script()))
    again = ended(model.live(Script()))
    assert model.commands == [] and again.report.numbers == first.report.numbers
    assert again.outcomes() == {wire.Outcome.PASSED}


def test_what_is_drawn_leads_to_every_kind_of_resumption() -> None:
    """Else the property below would hold of nothing. Each history checks itself."""
    happened: Counter[str] = Counter()
    for seed in range(120):
        happened.update(play(Random(seed)))
    wanted = [
        "resumed", "killed after patterns", "killed after zeros", "passed", "failed", "not_tested", "patterns told",
        "refused by gate 3", "refused by gate 5", "somebody writes", "it shrank", "notes garbled", "other segments",
    ]  # fmt: skip
    assert {word: happened[word] for word in wanted if happened[word] < 3} == {}


@settings(max_examples=100)
@given(st.randoms(use_true_random=False))
def test_whatever_happens_only_our_patterns_are_zeroed_and_what_is_left_is_told(rng: Random) -> None:
    play(rng)


@pytest.mark.skipif(not shutil.which("fio"), reason="fio is not installed: apt-get install fio")
def test_the_real_fio_stops_in_the_middle_of_a_segment_once_it_may_not_go_on(tmp_path: Path) -> None:
    image, segment = tmp_path / "disk", Segment(0, 64 * MIB)
    image.write_bytes(bytes(segment.length))
    argv = [*fio.verify_argv(str(image), segment.offset, segment.length), "--rate=2m"]
    asked = iter(["", ""])
    done = fio.run(fio.in_memory(argv, only_read_back=False), 600, forbids=lambda: next(asked, "gate 5"))
    _, trouble, bad = verified_writes._verified(done, segment)
    assert done.forbidden == "gate 5" and trouble.endswith(": gate 5") and not bad
    assert not any(image.read_bytes()[-MIB:])


@pytest.mark.skipif(not shutil.which("fio"), reason="fio is not installed: apt-get install fio")
def test_the_real_fio_counts_its_patterns_and_zeros_as_the_model_does(tmp_path: Path) -> None:
    image, segment = tmp_path / "disk", Segment(MIB, 2 * MIB)
    image.write_bytes(bytes(4 * MIB))
    place = (str(image), segment.offset, segment.length)
    for argv, read_back in ((fio.verify_argv(*place), True), (fio.blank_argv(*place), False)):
        done = fio.run(fio.in_memory(argv, only_read_back=False), 60)
        job, trouble, bad = verified_writes._verified(done, segment, read_back=read_back)
        assert (job and job.written_bytes, trouble, bad) == (segment.length, "", [])
        content = image.read_bytes()
        assert any(content[MIB : 3 * MIB]) is read_back and not any(content[:MIB]) and not any(content[3 * MIB :])
