#!/usr/bin/env python3
"""Writes docs/zoo.md from docs/zoo-results.jsonl and the machine files, as `make zoo` does after its runs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.rack.zoo import page, results, specimen

if __name__ == "__main__":
    page.PAGE.write_text(page.render(specimen.every(), results.read()), encoding="utf-8")
