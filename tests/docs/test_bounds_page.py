"""docs/bounds.md is what hosts/bounds.py says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("write_bounds", ROOT / "scripts" / "write_bounds.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.main(["--check"]) == 0, "run scripts/write_bounds.py"
