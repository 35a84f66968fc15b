"""What is of the right type in a profile, and still can't be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hosts import yamllines
from hosts.nearest import did_you_mean

KINDS = ("params", "limits")
# (stage, params or limits) → the names of the values that somebody reads.
Known = Mapping[tuple[str, str], frozenset[str]]
Place = tuple[str, str, str, str]


def lacking(profile: dict[str, Any], needed: Known) -> Iterator[tuple[Place, str]]:
    """Where, and that it is missing: a value that a stage of the profile reads. Nothing has a default, so the stage
    would find that out on the host, hours into the run."""
    for stage, document in profile["stages"].items():
        for kind in KINDS:
            for name in sorted(needed.get((stage, kind), frozenset()) - document[kind].keys()):
                yield ("stages", stage, kind, name), f"is missing, and {stage} reads it; `extends: quick` brings it"


def senseless(profile: dict[str, Any], known: Known) -> Iterator[tuple[Place, str]]:
    """Where, and what is wrong: a value that nothing reads, one below zero, a load that the stage's own time limit
    would cut short."""
    for place, value in _values(profile):
        _, stage, kind, name = place
        readable, timeout_s = known.get((stage, kind)), profile["stages"][stage]["timeout_s"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if readable is not None and name not in readable:
            words = f"is read by nobody; {stage} reads {', '.join(sorted(readable)) or 'none'}"
            yield place, words + did_you_mean(name, sorted(readable))
        elif is_number and value < 0:
            yield place, f"can't be below 0 (given: {value})"
        elif is_number and name.endswith("duration_s") and value >= timeout_s:
            yield place, f"must be less than the stage's timeout_s of {timeout_s:g} (given: {value})"


@cache
def known_values(shipped: Path) -> Known:
    """Those that the shipped profiles give; nothing where there is none."""
    return _given(_shipped(shipped))


@cache
def needed_values(shipped: Path) -> Known:
    """Those that every profile has to give: what is in a shipped one that takes nothing from another. What only a
    longer one adds is optional."""
    return _given(data for data in _shipped(shipped) if "extends" not in data)


def _shipped(folder: Path) -> list[dict[str, Any]]:
    return [yamllines.parse(path.read_text(encoding="utf-8"), str(path)).data for path in sorted(folder.glob("*.yaml"))]


def _given(documents: Iterable[dict[str, Any]]) -> Known:
    found: dict[tuple[str, str], frozenset[str]] = {}
    for document in documents:
        for stage, part in (document.get("stages") or {}).items():
            for kind in KINDS:
                found[stage, kind] = found.get((stage, kind), frozenset()) | frozenset(part.get(kind) or {})
    return found


def _values(profile: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    for stage, document in profile["stages"].items():
        for kind in KINDS:
            for name, value in document[kind].items():
                yield ("stages", stage, kind, name), value
