"""YAML that people type: what is read as what, and what is refused with its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts import yamllines


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("0012", "0012"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("no", "no"),
        ("2024-01-02", "2024-01-02"),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'12'", "12"),
    ],
)
def test_only_what_looks_like_a_number_is_one(text: str, value: Any) -> None:
    assert yamllines.parse(f"key: {text}", "x").data == {"key": value}


def test_every_value_has_its_line() -> None:
    document = yamllines.parse("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "file")
    assert document.data == {"a": {"b": 1, "c": ["x", {"y": 2}]}}
    assert [document.line(path) for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "c", 1, "y")]] == [1, 2, 4, 5]
    assert document.where(("a", "c", 1, "missing")) == "file, line 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "file, line 2: a stands here twice (first in line 1)"),
        ("a: &x 1\nb: *x", "file, line 1: anchors and aliases"),
        ("a: 1\nb: !!python/object:os.system x", "file, line 2: the tag"),
        ("a: [1", "file, line 1: "),
        ("a: 1\n\tb: 2", "file, line 2: "),
        ("[a]: 1", "file, line 1: a key must be a word"),
        ("a: \x00", "file: character 0x0 is not allowed"),
        ("[" * 5000 + "]" * 5000, "file, line 1: nested too deeply"),
        ("a: " + "x" * 300_000, "file: more than 256 KiB"),
    ],
)
def test_it_refuses_with_the_line(text: str, message: str) -> None:
    with pytest.raises(yamllines.YamlError) as caught:
        yamllines.parse(text, "file")
    assert str(caught.value).startswith(message)


def test_an_empty_text_is_nothing() -> None:
    assert yamllines.parse("# only a comment\n", "x").data is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        yamllines.parse(text, "x")
    except yamllines.YamlError as error:
        assert str(error).startswith("x")
