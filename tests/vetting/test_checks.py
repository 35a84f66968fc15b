"""The checks at the start: loud on each thing that can be wrong, and they say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runs.profiles import load as profiles
from tests.runs.test_profiles import QUICK, take_any_values
from vetting import checks


def ids(messages: list) -> list[str]:
    assert all(message.hint for message in messages), "every one says what to do"
    return [message.id for message in messages]


def test_a_directory_that_is_a_file_is_an_error(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.DATA_DIR = tmp_path / "file" / "data"
    assert ids(checks.directories()) == ["vetting.E007"]
    settings.DATA_DIR = tmp_path / "not" / "there" / "yet"
    assert ids(checks.directories()) == []


def test_a_broken_profile_is_an_error_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "SHIPPED", tmp_path)
    take_any_values(monkeypatch)
    assert ids(checks.every_profile_loads()) == ["vetting.W004"]
    (tmp_path / "quick.yaml").write_text(QUICK)
    assert ids(checks.every_profile_loads()) == []
    (tmp_path / "bad.yaml").write_text(QUICK.replace("quick", "bad", 1).replace("mode: read", "mode: wipe"))
    (message,) = checks.every_profile_loads()
    assert "bad.yaml, line 4" in message.msg
