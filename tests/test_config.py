"""vetting.yaml: what is wrong is named with its place, what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vetting import config


def parsed(text: str) -> config.Config:
    return config.parse(yaml.safe_load(text) or {}, "vetting.yaml")


def test_nothing_at_all_is_the_defaults() -> None:
    assert parsed("").dispatcher.max_concurrent == 3


def test_a_bare_off_is_the_word_and_not_false() -> None:
    assert (parsed("pxe: {mode: off}").pxe.mode, parsed("iperf3: {supervise: off}").iperf3.supervise) == ("off", "off")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dispatcher: {max_concurrent: 0}", "dispatcher.max_concurrent: Input should be greater than or equal to 1"),
        ("dispacher: {}", "dispacher: Extra inputs are not permitted"),
        ("deadlines: {boot_s: soon}", "(given: 'soon')"),
        ("pxe: {mode: dhcp}", "also needs interface, subnet, range_start, range_end"),
        ("notifications: {routes: [{to: [nobody]}]}", "a route names nobody"),
        ("notifications: {targets: [{name: m, kind: smtp}]}", "a smtp target also needs host, sender, to"),
    ],
)
def test_a_wrong_value_is_named(text: str, named: str) -> None:
    with pytest.raises(config.ConfigError) as error:
        parsed(text)
    assert named in str(error.value) and str(error.value).startswith("vetting.yaml: ")


def test_a_missing_file_says_which_variable_named_it(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="VETTING_CONFIG"):
        config.load(tmp_path / "nowhere.yaml")
