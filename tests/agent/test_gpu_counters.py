"""The memory errors of NVIDIA cards around a stage. The driver forgets the count that it calls volatile as soon as no
program holds the card (NVIDIA's "Driver Persistence", "GPU Initialization Lifecycle"); the aggregate one stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters import command_counters, counter_checks, counting
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook
from agent.exercises import gpu_memory
from agent.probes.gpu import nvidia_smi
from agent.probes.gpu.nvidia_smi import Answer
from agent.stages.gpu.spec import Limits as GpuLimits
from tests.agent_stages.recordings import recorded

CARD = "a10g.xml"


def answer(volatile: int, aggregate: int | str) -> Answer:
    """A sound card with these uncorrected errors in its memory."""
    head, mark, tail = recorded("nvidia-smi", CARD).partition("<aggregate>")
    head = re.sub(r"(<dram_uncorrectable>)\d+", rf"\g<1>{volatile}", head)
    tail = re.sub(r"(<[sd]ram_\w+>)\d+", r"\g<1>N/A", tail, count=4) if aggregate == "N/A" else tail
    tail = re.sub(r"(<dram_uncorrectable>)\d+", rf"\g<1>{aggregate}", tail)
    return nvidia_smi.read(head + mark + tail)


def rose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> tuple[list[wire.Finding], wire.Outcome]:
    """The findings and the check of the GPUs' counters, of a stage between the two answers."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True, exist_ok=True)
    given = iter(answers)
    monkeypatch.setattr(nvidia_smi, "ask", lambda timeout_s: next(given))
    book = CounterBook([lambda: command_counters.gpus(Names(tmp_path))], tmp_path / "counters.json")
    book.open_stage()
    found = counting.judged(book.close_stage(), {}, 60.0)
    (check,) = (one for one in counter_checks.made(found, book, True, []) if one.name == "counters.gpus")
    return found, check.outcome


def test_an_error_of_a_load_that_has_ended_is_new_though_the_volatile_count_is_0_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, outcome = rose(tmp_path, monkeypatch, answer(0, 5), answer(0, 6))
    assert [(one.code, one.severity, one.value) for one in found] == [("gpu.ecc", wire.Severity.CRITICAL, 1.0)]
    assert outcome is wire.Outcome.FAILED


def test_errors_from_before_the_stage_stay_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rose(tmp_path, monkeypatch, answer(5, 5), answer(0, 5)) == ([], wire.Outcome.PASSED)


def test_a_card_without_a_lifetime_count_is_judged_by_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = rose(tmp_path, monkeypatch, answer(0, "N/A"), answer(2, "N/A"))
    assert [(one.code, one.value) for one in found] == [("gpu.ecc", 2.0)]


@pytest.mark.parametrize(("first", "second"), [(answer(0, "N/A"), answer(0, 7)), (answer(0, 7), answer(0, "N/A"))])
def test_one_count_is_never_compared_with_the_other(
    first: Answer, second: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rose(tmp_path, monkeypatch, first, second) == ([], wire.Outcome.NOT_TESTED)


def codes(before: Answer, after: Answer) -> list[str]:
    (card,) = gpu_memory.counted_since(before, after).cards
    return [one.code for one in gpu_memory.of_nvidia(card, GpuLimits(0, 0))]


def test_the_stage_does_not_call_an_error_of_its_own_load_an_earlier_one() -> None:
    assert codes(answer(0, 5), answer(0, 6)) == ["gpu.ecc"]
    assert codes(answer(0, 5), answer(0, 5)) == ["gpu.ecc_past"]
    assert codes(Answer(), answer(0, 5)) == ["gpu.ecc_past"]
    assert codes(answer(0, "N/A"), answer(0, 5)) == ["gpu.ecc_past"]
