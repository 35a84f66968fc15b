from __future__ import annotations

import pytest

from hosts.expectations import NOT_EXPECTED
from runs import orchestrator_stages
from runs.models import Run
from runs.wording.naming import in_words, topic_in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("counters.edac", "error counters EDAC"),
        ("counters.kernel_log", "error counters kernel log"),
        ("pcie_links", "PCIe links"),
        ("rand_read_p99", "random read 99th percentile"),
        ("nobody_knows_this", "nobody knows this"),
        ("", ""),
    ],
)
def test_an_identifier_is_put_into_words(name: str, words: str) -> None:
    assert in_words(name) == words


@pytest.mark.parametrize(("topic", "words"), [("ecc", "ECC memory"), ("gpu", "GPU"), ("pcie_links", "PCIe links")])
def test_a_topic_is_put_into_words(topic: str, words: str) -> None:
    assert topic_in_words(topic) == words


def test_no_two_topics_are_called_the_same() -> None:
    assert len({topic_in_words(topic) for topic in NOT_EXPECTED}) == len(NOT_EXPECTED)


@pytest.mark.parametrize(
    ("stage", "topic", "skipped"),
    [("GPU", "gpu", orchestrator_stages.Skipped("not expected here")), ("PSU", "bmc", None), ("PSU", "gpu", None)],
)
def test_a_stage_is_left_out_by_its_own_topic(stage: str, topic: str, skipped: object) -> None:
    run = Run(state=stage, profile={"stages": {stage: {}}}, expected={"not_expected": [topic]})
    assert orchestrator_stages.skipped(run) == skipped
