from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from runs.profiles import load as profiles
from vetting import config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "vetting.example.yaml").read_text(encoding="utf-8")
ENVIRONMENT = (ROOT / ".env.example").read_text(encoding="utf-8")


# Set by our own processes and tests, not by an operator.
INTERNAL = {"VETTING_TESTING", "VETTING_INSTALLED"}


def keys_of(section: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key that vetting.yaml may have, as dotted paths."""
    found = set()
    for name, field in section.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        found |= keys_of(kind, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}
    return found


def keys_in(data: dict, prefix: str = "") -> set[str]:
    found = set()
    for name, value in data.items():
        nested = isinstance(value, dict) and value
        found |= keys_in(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}
    return found


def test_the_example_is_the_default_configuration() -> None:
    assert config.parse(yaml.safe_load(EXAMPLE), "example") == config.Config()


def test_the_example_has_every_key_and_no_other() -> None:
    assert keys_in(yaml.safe_load(EXAMPLE)) == keys_of(config.Config)


def test_every_key_of_the_example_says_what_it_is_for() -> None:
    silent = [line for line in EXAMPLE.splitlines() if re.match(r"\s*\w+: \S", line) and "  # " not in line]
    assert silent == []


def test_the_environment_example_names_every_variable_that_the_settings_read() -> None:
    settings = (ROOT / "vetting" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', settings)) - INTERNAL
    assert {"VETTING_SECRET_KEY", "DATABASE_URL"} <= read
    named = set(re.findall(r"^#([A-Z_0-9]+)=", ENVIRONMENT, re.M))
    assert read <= named


PAGES = ("operations.md", "login.md")
EXAMPLES = [
    block for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
]
PROFILES = [block for block in EXAMPLES if "\nextends: " in block]


@pytest.mark.parametrize("block", [block for block in EXAMPLES if block not in PROFILES])
def test_every_example_in_the_pages_is_a_configuration(block: str) -> None:
    assert config.parse(yaml.safe_load(block), "a page") != config.Config()


@pytest.mark.parametrize("block", PROFILES)
def test_the_example_of_a_profile_is_one(block: str, tmp_path: Path, settings: Any) -> None:
    name = yaml.safe_load(block)["name"]
    (tmp_path / f"{name}.yaml").write_text(block)
    settings.VETTING = settings.VETTING.model_copy(update={"profiles_dir": tmp_path})
    assert profiles.load(name)["stages"]["CPUStress"]["limits"]["temp_margin_c"] == 10
