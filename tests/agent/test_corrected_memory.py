"""Corrected memory errors condemn above the profile's limit, whoever has counted them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import attempt, judge
from agent.contract import wire
from agent.counters import corrected_memory
from agent.counters.counting import CounterBook
from tests.agent_stages.contexts import context

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
OF_THE_FIRMWARE = """\
[{at:5d}.000000] {{{n}}}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1
[{at:5d}.000001] {{{n}}}[Hardware Error]: event severity: corrected
[{at:5d}.000002] {{{n}}}[Hardware Error]:  Error 0, type: corrected
[{at:5d}.000003] {{{n}}}[Hardware Error]:   section_type: memory error
[{at:5d}.000004] {{{n}}}[Hardware Error]:   DIMM location: CPU0 DIMM_A1
"""
# Where EDAC speaks for the firmware (ghes_edac), it has a line of its own for the same error.
OF_EDAC = "[{at:5d}.000000] EDAC MC0: 1 CE Single-bit ECC on CPU0 DIMM_A1 (node:0 card:1 module:0 bank:0 row:{n})\n"
ENTRY = "{n:4x} | 11/23/2026 | 19:15:{at:02d} | Memory #0x87 | Correctable ECC | Asserted\n"


def log(times: int, every_s: int = 1) -> str:
    return "".join(OF_THE_FIRMWARE.format(at=100 + n * every_s, n=n) for n in range(1, times + 1))


def log_of_both(times: int) -> str:
    return "".join((OF_EDAC + OF_THE_FIRMWARE).format(at=100 + n, n=n) for n in range(1, times + 1))


def entries(times: int) -> str:
    return "".join(ENTRY.format(n=n, at=n) for n in range(1, times + 1))


def severities(kind: str, text: str) -> list[tuple[str, str]]:
    told = judge.judge(context("Memory", Path("/nonexistent")), kind, text)
    return [(one["code"], one["severity"]) for one in told["findings"]]


@pytest.mark.parametrize(
    ("kind", "text", "severity"),
    [
        ("kmsg", log(10), "warning"),
        ("kmsg", log(11), "critical"),
        # Eleven in eleven hours are one an hour.
        ("kmsg", log(11, every_s=3600), "warning"),
        ("kmsg", "[  100.000000] EDAC MC0: 10 CE memory read error on DIMM_A1 (channel:0 slot:0)\n", "warning"),
        ("kmsg", "[  100.000000] EDAC MC0: 8821 CE memory read error on DIMM_A1 (channel:0 slot:0)\n", "critical"),
        # One error that two sources saw is one.
        ("kmsg", log_of_both(6), "warning"),
        ("kmsg", log_of_both(11), "critical"),
        # The kernel limits how many reports it logs, and EDAC counts all.
        ("kmsg", log_of_both(4) + 7 * OF_EDAC.format(at=110, n=1), "critical"),
        ("sel", entries(10), "warning"),
        ("sel", entries(11), "critical"),
    ],
)
def test_a_module_that_only_the_firmware_watches_has_the_same_limit(kind: str, text: str, severity: str) -> None:
    assert severities(kind, text) == [("memory.corrected", severity)]


def found(code: str, value: float | None, severity: wire.Severity = WARNING) -> wire.Finding:
    return wire.Finding(code, severity, "dimm", "DIMM_A1", "the kernel said it", value)


@pytest.mark.parametrize(
    ("one", "limits", "severity"),
    [
        (found("memory.corrected", 11.0), {}, CRITICAL),
        (found("memory.corrected", 11.0), {"ecc_corrected_per_hour": 11}, WARNING),
        (found("memory.corrected", None), {}, WARNING),
        (found("pcie.corrected", 11.0), {}, WARNING),
    ],
)
def test_only_memory_has_this_limit_and_the_profile_sets_it(
    one: wire.Finding, limits: dict[str, object], severity: wire.Severity
) -> None:
    assert corrected_memory.with_limit([one], limits)[0].severity is severity


def test_it_says_by_which_limit() -> None:
    (one,) = corrected_memory.with_limit([found("memory.corrected", 11.0)], {})
    assert (one.limit, one.message) == (10.0, "the kernel said it; more than 10")


def test_a_stage_fails_by_what_the_kernel_said_of_one_module(tmp_path: Path) -> None:
    logged = SimpleNamespace(take=lambda names: [found("memory.corrected", 11.0)])
    book = CounterBook([], tmp_path / "counters.json")
    runtime: Any = SimpleNamespace(root=tmp_path, directory=tmp_path, kernel_log=logged, names=lambda: None, book=book)
    (one,) = attempt._findings_around(context("Memory", tmp_path), None, [], 60.0, runtime)
    assert (one.severity, one.component) == (CRITICAL, "DIMM_A1")
