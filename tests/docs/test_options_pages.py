"""Docs and example files have the options that channels and wake drivers declare."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml

from vetting import config

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("write_options", ROOT / "scripts" / "write_options.py")
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)


def test_the_tables_and_examples_are_current() -> None:
    assert writer.main(["--check"]) == 0, "run scripts/write_options.py"


def test_the_example_of_the_configuration_is_one_without_its_comment_signs() -> None:
    lines = [line.replace("# ", "", 1) for line in writer.configuration().splitlines()[1:]]
    config.parse({"notifications": {"targets": yaml.safe_load("\n".join(lines))}}, "example")
