"""The table of what stops others: each row names a test that there is, a command, a rack machine or a section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/booting.md").read_text()
ROWS = [
    line.strip("| ").split(" | ")
    for line in PAGE.partition("## What stops others")[2].splitlines()
    if line.startswith("| ") and not line.startswith("| what happens")
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:50] for row in ROWS])
def test_what_a_row_names_is_there(row: list[str]) -> None:
    happens, does, shown = row
    assert happens and does
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", shown)
    for path, test in named:
        assert f"def {test}" in (ROOT / path).read_text(), f"{path} has no {test}"
    for machine in re.findall(r"rack machine `([\w-]+)`", shown):
        assert (ROOT / f"tests/rack/machines/{machine}.yaml").is_file()
    sections = re.findall(r'"([^"]+)"', shown)
    assert all(f"## {section}" in PAGE for section in sections)
    assert named or sections


def test_every_kind_has_a_row() -> None:
    assert len(ROWS) >= 39
