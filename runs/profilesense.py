"""What is of the right type in a profile, and still can't be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hosts import yamllines

KINDS = ("params", "limits")
# (stage, params or limits) → the names of the values that somebody reads.
Known = Mapping[tuple[str, str], frozenset[str]]
Place = tuple[str, str, str, str]


def senseless(profile: dict[str, Any], known: Known) -> Iterator[tuple[Place, str]]:
    """Where, and what is wrong: a value that nothing reads, one below zero, a load that the stage's own time limit
    would cut short."""
    for place, value in _values(profile):
        _, stage, kind, name = place
        readable, timeout_s = known.get((stage, kind)), profile["stages"][stage]["timeout_s"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if readable is not None and name not in readable:
            yield place, f"is read by nobody; {stage} reads {', '.join(sorted(readable)) or 'none'}"
        elif is_number and value < 0:
            yield place, f"can't be below 0 (given: {value})"
        elif is_number and name.endswith("duration_s") and value >= timeout_s:
            yield place, f"must be less than the stage's timeout_s of {timeout_s:g} (given: {value})"


@cache
def known_values(shipped: Path) -> Known:
    """Those that the shipped profiles give; nothing where there is none."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for path in sorted(shipped.glob("*.yaml")):
        stages = yamllines.parse(path.read_text(encoding="utf-8"), str(path)).data.get("stages") or {}
        for place in ((name, kind) for name in stages for kind in KINDS):
            found[place] = found.get(place, frozenset()) | frozenset(stages[place[0]].get(place[1]) or {})
    return found


def _values(profile: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    for stage, document in profile["stages"].items():
        for kind in KINDS:
            for name, value in document[kind].items():
                yield ("stages", stage, kind, name), value
