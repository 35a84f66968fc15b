"""Collects what is missing in an output: a missing or garbled number is noted, never read as 0."""

from __future__ import annotations

from typing import Any

from agent.parsing import mapping, sequence

# The highest value of a 64-bit counter. NVMe's have 128 bits.
MOST = 2**64 - 1
MOST_NVME = 2**128 - 1
_MOST_SENTENCES = 50


class Gaps:
    """Collects sentences about what could not be read."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    @property
    def sentences(self) -> list[str]:
        return list(self._sentences)

    def note(self, sentence: str) -> None:
        if len(self._sentences) < _MOST_SENTENCES:
            self._sentences[sentence] = None

    def branch(self, data: dict[str, Any], key: str, what: str) -> dict[str, Any]:
        """The object at `key`, {} if the drive has none. An empty one, and a value that is no object, are noted."""
        if key not in data:
            return {}
        if not isinstance(data[key], dict) or not data[key]:
            self.note(f"{what} is garbled")
        return mapping(data[key])

    def rows(self, data: dict[str, Any], key: str, what: str, *, sparse: bool = False) -> list[dict[str, Any]]:
        """The same for a list of objects. In a sparse list smartctl writes null for entries that it left out."""
        if key not in data:
            return []
        rows = [row for row in sequence(data[key]) if row is not None or not sparse]
        if not rows or not all(isinstance(row, dict) and row for row in rows):
            self.note(f"{what} is garbled")
        return [mapping(row) for row in rows]

    def needed(self, row: dict[str, Any], key: str, what: str, most: int = MOST) -> int | None:
        """The whole number at `key`, from 0 to `most`. A missing or garbled one is noted."""
        if key not in row:
            self.note(f"{what} was not read")
            return None
        return self.given(row, key, what, most)

    def given(self, row: dict[str, Any], key: str, what: str, most: int = MOST) -> int | None:
        """The same for a number that a drive may leave out."""
        if key not in row:
            return None
        if (number := whole(row[key], most)) is None:
            self.note(f"{what} is no number: {str(row[key])[:40]!r}")
        return number


def whole(value: object, most: int = MOST) -> int | None:
    """A whole number from 0 to `most` as JSON writes it. None for anything else, also for text and true."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if isinstance(value, int) and is_number and 0 <= value <= most else None
