"""docs/security.md has the roles and what each address asks for, as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from vetting import rights, roles

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_of_roles_are_current() -> None:
    spec = importlib.util.spec_from_file_location("write_roles", ROOT / "scripts" / "write_roles.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.main(["--check"]) == 0, "run scripts/write_roles.py"
    text = writer.tables()
    assert all(f"`{name}`" in text for name in [*rights.PAGES, *rights.ADMINISTRATION, *roles.ROLES["administrator"]])
