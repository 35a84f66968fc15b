"""docs/inventory.md explains the keys that the schema has, in the words of the editor's help."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from hosts import expectations, specpaths

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_keys_is_current() -> None:
    spec = importlib.util.spec_from_file_location("write_spec_keys", ROOT / "scripts" / "write_spec_keys.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.main(["--check"]) == 0, "run scripts/write_spec_keys.py"
    told = [path for path, kind in expectations.PATHS.items() if kind != specpaths.PART]
    assert all(f"| `{path}` |" in writer.table() for path in told)


def test_the_specs_that_the_page_shows_are_accepted() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8"), re.S)
    specs = [block for block in blocks if not block.startswith("- name:")]
    assert len(specs) >= 3
    assert all(expectations.read(block).spec for block in specs)
