"""The documentation is checked like code: links lead somewhere, commands, targets and files exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TOP_LEVEL = {"agent", "agentapi", "deploy", "docs", "hosts", "live-image", "notifications", "pxe", "requirements",
             "runs", "scripts", "tests", "vetting"}  # fmt: skip

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", text_of(page), flags=re.S)


@cache
def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, punctuation gone, spaces to hyphens."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pages
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z][a-z_]+)", text_of(page)))
    named |= set(re.findall(r"^(?:sudo )?vetting ([a-z_]+)", text_of(page), re.M))
    named |= set(re.findall(r"`vetting ([a-z_]+)", text_of(page)))
    assert named - get_commands().keys() == set()


@pages
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text_of(page), re.M))
    assert named - targets == set()


@pages
def test_every_file_that_is_named_exists(page: Path) -> None:
    missing = []
    for name in re.findall(r"`([\w.-]+/[\w./*-]*)`", prose(page)):
        if name.split("/")[0] in TOP_LEVEL and not any(ROOT.glob(name.rstrip("/"))):
            missing.append(name)
    assert missing == []


def test_every_folder_of_code_and_of_tests_is_on_the_map() -> None:
    """But those that are named as the package they test, and what Django puts into every app."""
    text, usual = text_of(ROOT / "docs" / "architecture.md"), {"management", "migrations", "templatetags", "commands"}
    packages = [path.parent.relative_to(ROOT) for top in TOP_LEVEL for path in (ROOT / top).glob("*/__init__.py")]
    of_a_package = {f"tests/{top}" for top in TOP_LEVEL}
    folders = {str(one) for one in packages if one.name not in usual} - of_a_package
    assert [folder for folder in sorted(folders) if f"`{folder}/`" not in text] == []


def test_the_first_page_has_the_two_commands_and_the_picture() -> None:
    readme = text_of(ROOT / "README.md")
    assert "\nmake demo " in readme
    assert "\nmake test " in readme
    assert "docs/images/run-page.png" in readme
