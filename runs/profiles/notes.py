"""The comment above each value of a profile, as reason and source; and the unit, from the value's name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hosts import yamllines
from runs.wording import units

# Endings of a name, after the unit or before it.
_BOUNDS = ("_warning", "_min", "_max")
_SOURCE = re.compile(r"^(?P<reason>.*?)\s*\[(?P<source>[^\[\]]+)\]$", re.S)
_HEADING = re.compile(r"^#\s*---")


@dataclass(frozen=True)
class Note:
    """The note of a value. `line` is the value's line. `reason` and `source` are empty if the comment has none."""

    line: int
    reason: str = ""
    source: str = ""


def read(text: str, source: str) -> dict[yamllines.Path, Note]:
    """The notes of a profile's parameters, limits and sensor limits, by path. A value without a comment has the note of
    the value right above it. Raises YamlError."""
    document, lines = yamllines.parse(text, source), text.splitlines()
    notes: dict[yamllines.Path, Note] = {}
    above = Note(0)
    for path, line in sorted(document.lines.items(), key=lambda item: item[1]):
        if _is_value(path):
            comment = _comment(lines, line)
            reason, origin = _split(comment) if comment else (above.reason, above.source)
            shared = comment or above.line == line - 1
            above = notes[path] = Note(line, reason, origin) if shared else Note(line)
    return notes


def unit(name: str) -> str:
    """The unit of a value, from its name: `hdd_read_min_mb_s` → MB/s, `min_fraction` → of 1. For a count, what is
    counted, if the name says so."""
    if "fraction" in name or "percent" in name:
        return "of 1" if "fraction" in name else "%"
    for bound in _BOUNDS:
        name = name.removesuffix(bound)
    _, found = units.ending(f"_{name}")
    return found or next((word for word in name.split("_") if word.endswith("s")), "count")


def _is_value(path: yamllines.Path) -> bool:
    if path[:1] == ("sensors",):
        return len(path) == 2
    return path[:1] == ("stages",) and len(path) == 4 and path[2] in ("params", "limits")


def _comment(lines: list[str], line: int) -> str:
    """The comment lines right above `line` (counted from 1), joined. Stops at a heading."""
    found: list[str] = []
    for text in reversed(lines[: line - 1]):
        words = text.strip()
        if not words.startswith("#") or _HEADING.match(words):
            break
        found.insert(0, words.removeprefix("#").strip())
    return " ".join(found)


def _split(comment: str) -> tuple[str, str]:
    match = _SOURCE.match(comment)
    return (match["reason"], match["source"]) if match else (comment, "")
