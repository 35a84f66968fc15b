#!/usr/bin/env python3
"""Writes docs/proof.md from the records of `make mutants` and `make zoo`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.mutants import page, record
from tests.rack.zoo import results, specimen

if __name__ == "__main__":
    page.PAGE.write_text(page.render(record.read(), specimen.every(), results.read()), encoding="utf-8")
