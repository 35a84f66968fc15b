"""Values of a YAML file are changed in its text: everything else stays, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hosts import yamllines
from vetting import yamledit

EXAMPLE = (Path(__file__).resolve().parents[2] / "vetting.example.yaml").read_text()
WANTED: dict[str, dict[str, Any]] = {
    "web": {"address": "10.77.0.1"},
    "pxe": {"mode": "dhcp", "interface": "eth1", "range_start": "10.77.0.100", "router": None},
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("web:\n  address: 1.2.3.4  # ours\n", "web:\n  address: 10.0.0.1 # ours\n"),
        ("web:\n  address: 1.2.3.4       # ours\n", "web:\n  address: 10.0.0.1      # ours\n"),
        ('web:\n  address: ""  # ours\n', "web:\n  address: 10.0.0.1  # ours\n"),
        ("web: {address: 1.2.3.4, port: 1}\n", "web: {address: 10.0.0.1, port: 1}\n"),
        ("web: {port: 1}\n", "web: {address: 10.0.0.1, port: 1}\n"),
        ("web: {}\n", "web: {address: 10.0.0.1}\n"),
        ("web:\n  port: 1\n", "web:\n  address: 10.0.0.1\n  port: 1\n"),
        ("web:\n    # why\n    port: 1\n", "web:\n    # why\n    address: 10.0.0.1\n    port: 1\n"),
        ("web:\n  address:\n  port: 1\n", "web:\n  address: 10.0.0.1\n  port: 1\n"),
        ("web:\npxe: {}\n", "web:\n  address: 10.0.0.1\npxe: {}\n"),
        ("pxe: {}\n", "pxe: {}\n\nweb:\n  address: 10.0.0.1\n"),
        ("# only words\n", "# only words\n\nweb:\n  address: 10.0.0.1\n"),
        ("", "web:\n  address: 10.0.0.1\n"),
        ("ü: 1\nweb: {address: 'x'}\n", "ü: 1\nweb: {address: 10.0.0.1}\n"),
    ],
)
def test_one_value_is_changed_and_nothing_else(before: str, after: str) -> None:
    changed = yamledit.changed(before, {"web": {"address": "10.0.0.1"}})
    assert changed.replace("  #", " #") == after.replace("  #", " #")
    assert yamllines.parse(changed, "").data["web"]["address"] == "10.0.0.1"


def test_the_example_keeps_every_comment_and_every_other_value() -> None:
    changed = yamledit.changed(EXAMPLE, WANTED)
    before, after = (yamllines.parse(text, "").data for text in (EXAMPLE, changed))
    for section, values in WANTED.items():
        before[section] |= values
    assert after == before
    comments = [[line.partition("#")[2] for line in text.splitlines()] for text in (EXAMPLE, changed)]
    assert comments[0] == comments[1]
    assert yamledit.changed(changed, WANTED) == changed


@pytest.mark.parametrize(
    "value", ["off", "yes", "null", "12", "1.5", "a: b", "#x", "- x", "", "é", 'q"', True, 7, None]
)
def test_every_value_is_read_as_it_was_meant(value: Any) -> None:
    text = yamledit.changed("web:\n  port: 1\n", {"web": {"it": value}})
    assert yamllines.parse(text, "").data == {"web": {"it": value, "port": 1}}


@pytest.mark.parametrize("text", ["web: 3\n", "web: [a]\n", "- web\n", "3\n"])
def test_a_file_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(yamledit.CanNotEdit, match="line 1"):
        yamledit.changed(text, {"web": {"it": 1}})


@pytest.mark.parametrize("text", ["web: {\n", "web: {}\nweb: {}\n", "a: &x 1\n"])
def test_a_text_that_is_no_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(yamllines.YamlError, match=r"line \d"):
        yamledit.changed(text, {"web": {"it": 1}})
