"""For pytest, by PYTEST_PLUGINS: writes down which tests make which finding codes, or silences one code and says which
test noticed. What it writes is one line of JSON each, in a file of each process' own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mutants import silencing

TRACE_INTO = "VETTING_MUTANTS_TRACE"
SILENCE = "VETTING_MUTANTS_SILENCE"
TOLD_IN = "VETTING_MUTANTS_TOLD"

_stack = ExitStack()
_made: dict[str, set[str]] = {}
_passed: set[str] = set()


def pytest_configure(config: pytest.Config) -> None:
    if silenced := os.environ.get(SILENCE):
        _stack.enter_context(silencing.watching(lambda code: code == silenced))
    elif os.environ.get(TRACE_INTO):
        _stack.enter_context(silencing.watching(_note))


def _note(code: str) -> bool:
    # pytest's own: the test that is running, and in brackets whether it is being set up, called or torn down.
    test, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    if phase == "(call)":
        _made.setdefault(code, set()).add(test)
    return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment, misc]
    if report.when == "call" and report.passed:
        _passed.add(item.nodeid)
    if report.when == "call" and report.failed and os.environ.get(SILENCE):
        Path(os.environ[TOLD_IN]).write_text(item.nodeid, encoding="utf-8")
    return report  # type: ignore[return-value]


def pytest_unconfigure() -> None:
    _stack.close()
    if folder := os.environ.get(TRACE_INTO):
        rows = {code: sorted(tests & _passed) for code, tests in sorted(_made.items())}
        Path(folder, f"{os.getpid()}.json").write_text(json.dumps(rows), encoding="utf-8")
