"""The program that does some of the worker's work while the worker is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting import keeper


def test_it_finds_manage_py_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(keeper.KEEP[1]).is_file()
