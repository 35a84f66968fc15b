"""What stands in a text can be seen in it."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from hosts.readable import readable, spelled_out

FORMAT = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Cf", "Zl", "Zp", "Cs")]


def test_every_character_that_unicode_calls_a_format_is_spelled_out() -> None:
    assert len(FORMAT) > 2000
    assert [hex(ord(c)) for c in FORMAT if spelled_out(c) == c] == []


def test_all_others_stay_as_they_are() -> None:
    others = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] in "LNSPM")
    assert spelled_out(others) == others


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("S4\u202eEVN", "S4\\u202eEVN"),
        ("\u2066a\u2069 \u200b\ufeff", "\\u2066a\\u2069 \\u200b\\ufeff"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("\x1b[31mred\x9b0m\r\n\tline\x00", "[31mred0m\n\tline"),
        ("lone \ud800", "lone \\ud800"),
        ("Grüße, 71 °C, \u05d0\u05d1\u05d2", "Grüße, 71 °C, \u05d0\u05d1\u05d2"),
    ],
)
def test_it_is_readable(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert readable(shown) == shown
