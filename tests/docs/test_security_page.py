"""docs/security.md says of each thing worth guarding who could want it, what stops them, and which tests show it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.test_pages import PAGES, ROOT, text_of

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TITLE = "## What is worth guarding"
NAMED = re.compile(r"`(?:tests/)?([\w/]*test_\w+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    table = text_of(ROOT / "docs" / "security.md").partition(TITLE)[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@cache
def functions_of(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTIONS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = NAMED.findall(text_of(page))
    assert [f"{path}::{test}" for path, test in named if test not in functions_of(ROOT / "tests" / path)] == []


def test_each_thing_says_who_wants_it_what_stops_them_and_what_does_not() -> None:
    assert len(rows()) >= 16
    for cells in rows():
        assert len(cells) == 5 and all(cells), cells[0]


def test_each_thing_is_shown_by_tests_and_by_nothing_else() -> None:
    for what, _, _, shown, _ in rows():
        entries = shown.split("<br>")
        assert all(NAMED.fullmatch(entry) for entry in entries) and len(entries) >= 3, what


def test_every_file_and_directory_of_ours_that_stops_somebody_exists() -> None:
    for what, _, stops, _, _ in rows():
        for name in re.findall(r"`([\w-]+/[\w./-]+)`", stops):
            assert (ROOT / name).exists() or name.startswith("opt/"), f"{what}: {name}"
