"""What is known of each finding code: the test that fails with its detector switched off. One line of JSON each, only
ever added to; the newest of a code counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutants.silencing import ROOT

RECORD = ROOT / "docs" / "proof-results.jsonl"


@dataclass(frozen=True)
class Mutant:
    """`test` is the one that noticed; None if none of the `tried` did. `commit` is the product's."""

    code: str
    commit: str
    at: str
    tried: int
    test: str | None


def read(path: Path = RECORD) -> dict[str, Mutant]:
    """The newest line of each code."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {mutant.code: mutant for mutant in (Mutant(**json.loads(line)) for line in lines if line)}


def append(mutant: Mutant, path: Path = RECORD) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(mutant), ensure_ascii=False) + "\n")
