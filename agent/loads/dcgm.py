"""NVIDIA's own diagnostic (`dcgmi diag --json`), versions 2 to 4. The live image carries none: this speaks where it is
installed. Written against the documented JSON: 2 and 3 call the report "DCGM GPU Diagnostic", 4 "DCGM Diagnostic"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent import shell
from agent.probes.parsing import ParseError, clean, integer, mapping, parse_json, sequence
from agent.stop import StopFlag

_ROOTS = ("DCGM Diagnostic", "DCGM GPU Diagnostic")
_FAILED, _PASSED = ("fail",), ("pass",)
# The tests that put a card to work; those of level 1 look at software and deployment only (DCGM's user guide).
_WORK = frozenset(
    {"memory", "gpu memory", "diagnostic", "targeted stress", "targeted power", "memtest", "sm stress", "pcie",
     "memory bandwidth", "nvbandwidth", "pulse test", "eud"}
)  # fmt: skip


@dataclass(frozen=True)
class TestResult:
    """What one test said of one card (`index` as nvidia-smi counts; None for the whole host). `outcome` is pass, fail,
    warn or skip."""

    test: str
    index: int | None
    outcome: str
    words: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome in _FAILED

    @property
    def passed(self) -> bool:
        return self.outcome in _PASSED

    @property
    def is_work(self) -> bool:
        return self.test.replace("_", " ").casefold() in _WORK


def argv(level: int) -> list[str]:
    return ["dcgmi", "diag", "-r", str(level), "--json"]


def run(level: int, timeout_s: float, stop: StopFlag | None = None) -> shell.Completed:
    """Its exit status says nothing by itself: 226 (-30) stands for "ran, and something failed", and for more."""
    return shell.run(argv(level), timeout_s, stop=stop)


def parse(text: str) -> list[TestResult]:
    """Raises ParseError when there is no result of any test in it."""
    data = parse_json(text, "dcgmi")
    root = next((mapping(data[name]) for name in _ROOTS if name in data), {})
    found = [
        result
        for category in map(mapping, sequence(root.get("test_categories")))
        for test in map(mapping, sequence(category.get("tests")))
        for row in map(mapping, sequence(test.get("results")))
        for result in _results(clean(test.get("name")), row)
    ]
    if not found:
        why = clean(root.get("runtime_error") or data.get("runtime_error"))
        raise ParseError(f"dcgmi tested nothing{': ' + why if why else ''}")
    return found


def _results(test: str, row: dict[str, Any]) -> Iterator[TestResult]:
    outcome = clean(row.get("status")).lower().removesuffix("ped").removesuffix("ed")
    for index in _indexes(row):
        yield TestResult(test, index, outcome, _words(row.get("warnings")))


def _indexes(row: dict[str, Any]) -> list[int | None]:
    """Version 4 has an entity, 3 one id, 2 a list of them in one text."""
    if "entity_id" in row:
        return [integer(row["entity_id"]) if clean(row.get("entity_group")).upper() == "GPU" else None]
    ids = [integer(piece) for piece in clean(row.get("gpu_id", row.get("gpu_ids"))).split(",")]
    known = [one for one in ids if one is not None]
    return list(known) or [None]


def _words(warnings: object) -> str:
    rows = sequence(warnings) or [warnings]
    return "; ".join(clean(row.get("warning") if isinstance(row, dict) else row) for row in rows if row)
