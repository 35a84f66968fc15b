"""The documentation is checked like code: links lead somewhere, commands, targets and files exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.architecture.test_imports import AGENT_ORDER, RUNS_ABOVE, RUNS_BELOW

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TOP_LEVEL = {"agent", "agentapi", "deploy", "docs", "hosts", "live-image", "notifications", "pxe", "requirements",
             "restapi", "runs", "scripts", "tests", "vetting"}  # fmt: skip

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


MAP = ROOT / "docs" / "architecture.md"
DJANGOS = {"management", "migrations", "templatetags", "commands"}


def folders_on_the_map() -> list[str]:
    """What stands in the first column of its tables, in its order."""
    rows = re.findall(r"^\| (`[^|]*/`) \|", text_of(MAP), re.M)
    return [name for row in rows for name in re.findall(r"`([\w./-]+)/`", row)]


def packages() -> set[str]:
    """Every folder with an `__init__.py`, but Django's own, single stages, and tests named as what they test."""
    found = {path.parent.relative_to(ROOT) for top in TOP_LEVEL for path in (ROOT / top).rglob("__init__.py")}
    skipped = DJANGOS | {"en"}
    ours = {str(one) for one in found if not skipped & set(one.parts) and not one.is_relative_to("agent/stages")}
    tests = {name for name in ours if name.startswith("tests") and (name.count("/") != 1 or name[6:] in TOP_LEVEL)}
    return ours - tests | {"agent/stages"}


def test_every_folder_of_code_and_of_tests_is_on_the_map() -> None:
    assert sorted(packages() - set(folders_on_the_map())) == []


def test_every_folder_on_the_map_exists_and_stands_there_once() -> None:
    folders = folders_on_the_map()
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert len(folders) == len(set(folders))


def test_the_map_shows_the_order_in_which_folders_import_each_other() -> None:
    listed = folders_on_the_map()
    assert [f for f in listed if f.count("/") == 1 and f.startswith("agent/")] == _folders("agent", AGENT_ORDER)
    runs = [folder for folder in listed if folder.count("/") == 1 and folder.startswith("runs/")]
    assert runs == _folders("runs", (*RUNS_BELOW, *RUNS_ABOVE))


def _folders(package: str, order: tuple[str, ...]) -> list[str]:
    return [f"{package}/{name}" for name in order if (ROOT / package / name).is_dir() and name not in DJANGOS]


def test_the_first_page_has_the_two_commands_and_the_picture() -> None:
    readme = text_of(ROOT / "README.md")
    assert "\nmake demo " in readme
    assert "\nmake test " in readme
    assert "docs/images/run-page.png" in readme
