"""Counters that a test turns, and files as sysfs has them."""

from __future__ import annotations

from pathlib import Path

from agent.counters.counting import CounterBook, Counts


def put(root: Path, path: str, text: object) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"{text}\n")


class Hardware:
    """Counters that a test turns."""

    def __init__(self, **counts: int) -> None:
        self.counts: Counts = {}

    def __call__(self) -> Counts:
        return dict(self.counts)


def book_of(hardware: Hardware, tmp_path: Path) -> CounterBook:
    return CounterBook((hardware,), tmp_path / "counters.json")
