#!/usr/bin/env python3
"""Writes the table of an expected spec's keys into docs/inventory.md, from hosts/spechelp.py. With --check: says
whether it is current."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")

from hosts import spechelp  # noqa: E402

PAGE = ROOT / "docs" / "inventory.md"
BEGIN = "<!-- keys: written by scripts/write_spec_keys.py from hosts/spechelp.py -->\n"
END = "<!-- /keys -->\n"


def table() -> str:
    rows = (f"| `{key.path}` | {key.kind} | {key.words} |" for key in spechelp.KEYS)
    return "\n".join(["| key | value | what it means |", "|---|---|---|", *rows]) + "\n"


def page(text: str) -> str:
    """The page with today's table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    if "--check" not in arguments:
        PAGE.write_text(page(text), encoding="utf-8")
        return 0
    if page(text) != text:
        print(f"{PAGE.relative_to(ROOT)} is not current: run scripts/write_spec_keys.py", file=sys.stderr)
    return int(page(text) != text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
