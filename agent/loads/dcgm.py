"""NVIDIA's own diagnostic (`dcgmi diag --json`), versions 2 to 4.

The live image does not contain it; it is used where it is installed. Written from the documented JSON: versions 2 and 3
call the report "DCGM GPU Diagnostic", 4 "DCGM Diagnostic".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError, clean, integer, mapping, parse_json, sequence

_ROOTS = ("DCGM Diagnostic", "DCGM GPU Diagnostic")
_FAILED, _PASSED, _SKIPPED, _UNREAD = "fail", "pass", ("skip", "not run"), ""
_OUTCOMES = (_FAILED, _PASSED, "warn", *_SKIPPED)
# The tests that load a card. Those of level 1 check software and deployment only (DCGM's user guide).
_WORK = frozenset(
    {"memory", "gpu memory", "diagnostic", "targeted stress", "targeted power", "memtest", "sm stress", "pcie",
     "memory bandwidth", "nvbandwidth", "pulse test", "eud"}
)  # fmt: skip
# DCGM_ERROR_CONFIG (dcgm_errors.h): somebody can set this otherwise; it is no fault of the card.
_CONFIGURATION = 5
# Versions 2 and 3 give no severity. Their tests of software and settings; of level 1, only the tests of the infoROM and
# of retired pages are not among them.
_OF_SETTINGS = frozenset(
    {"denylist", "blacklist", "nvml library", "cuda main library", "cuda toolkit library", "persistence mode",
     "permissions and os-related blocks", "environmental variables", "graphics processes"}
)  # fmt: skip


@dataclass(frozen=True)
class TestResult:
    """The result of one test for one card. `index` counts as nvidia-smi does; None for the whole host, or if it was not
    read. `outcome` is pass, fail, warn, skip or "not run", and "" if it was not read. `is_setting` means that the test
    failed by a setting or by software only, such as the persistence mode that is off after every boot."""

    test: str
    index: int | None
    outcome: str
    words: str = ""
    is_setting: bool = False

    @property
    def failed(self) -> bool:
        return self.outcome == _FAILED

    @property
    def passed(self) -> bool:
        return self.outcome == _PASSED

    @property
    def is_unread(self) -> bool:
        return self.outcome == _UNREAD

    @property
    def is_work(self) -> bool:
        return self.test.replace("_", " ").casefold() in _WORK


def argv(level: int) -> list[str]:
    return ["dcgmi", "diag", "-r", str(level), "--json"]


def run(level: int, timeout_s: float, stop: StopFlag | None = None) -> shell.Completed:
    """Run the diagnostic. Its exit status alone says little: 226 (-30) means "ran, and something failed", and other
    things."""
    return shell.run(argv(level), timeout_s, stop=stop)


def parse(text: str) -> list[TestResult]:
    """Raises ParseError if there is no result of any test."""
    data = parse_json(text, "dcgmi")
    root = next((mapping(data[name]) for name in _ROOTS if name in data), {})
    categories = sequence(root.get("test_categories"))
    found = [result for category in categories for result in _of_category(mapping(category))]
    if all(result.is_unread for result in found):
        why = clean(root.get("runtime_error") or data.get("runtime_error"))
        raise ParseError(f"dcgmi tested nothing{': ' + why if why else ''}")
    return found


def _of_category(category: dict[str, Any]) -> Iterator[TestResult]:
    tests = category.get("tests")
    if not isinstance(tests, list):
        yield TestResult(clean(category.get("category")), None, _UNREAD)
    for test in map(mapping, sequence(tests)):
        yield from _of_test(clean(test.get("name")), test)


def _of_test(name: str, test: dict[str, Any]) -> Iterator[TestResult]:
    """Version 4 also gives a result for a whole test. A failure there without a card is the whole host's."""
    rows, summary = test.get("results"), test.get("test_summary")
    found = [result for row in map(mapping, sequence(rows)) for result in _results(name, row)]
    summed = _outcome(mapping(summary)) if summary is not None else _UNREAD
    if not isinstance(rows, list) and summed not in _SKIPPED:
        found.append(TestResult(name, None, _UNREAD))
    if summed == _FAILED and not any(result.failed for result in found):
        found.append(TestResult(name, None, _FAILED))
    yield from found


def _results(test: str, row: dict[str, Any]) -> Iterator[TestResult]:
    for index in _indexes(row):
        yield TestResult(test, index, _outcome(row), _warnings(row.get("warnings")), _is_setting(test, row))


def _is_setting(test: str, row: dict[str, Any]) -> bool:
    told = [row["error_severity"] if isinstance(row, dict) and "error_severity" in row else None
            for row in sequence(row.get("warnings"))]  # fmt: skip
    if any(severity is not None for severity in told):
        return all(integer(severity) == _CONFIGURATION for severity in told)
    return test.replace("_", " ").casefold() in _OF_SETTINGS


def _outcome(row: dict[str, Any]) -> str:
    """`Pass`, `Passed`, `Skipped`."""
    said = clean(row.get("status")).lower().replace("_", " ").removesuffix("ped").removesuffix("ed")
    return said if said in _OUTCOMES else _UNREAD


def _indexes(row: dict[str, Any]) -> list[int | None]:
    """Version 4 has an entity, version 3 one id, version 2 a text with a list of them."""
    if "entity_id" in row:
        return [_index(row["entity_id"]) if clean(row.get("entity_group")).upper() == "GPU" else None]
    pieces = clean(row.get("gpu_id", row.get("gpu_ids"))).split(",")
    return list(dict.fromkeys(map(_index, pieces)))


def _index(value: object) -> int | None:
    known = integer(value)
    return known if known is not None and known >= 0 else None


def _warnings(warnings: object) -> str:
    rows = sequence(warnings) or [warnings]
    return "; ".join(clean(row.get("warning") if isinstance(row, dict) else row) for row in rows if row)
