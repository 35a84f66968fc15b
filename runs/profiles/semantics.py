"""Find values of a profile that have the right type and are still wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.contract import stage_values
from hosts.nearest import did_you_mean
from runs.stages import BY_NAME

KINDS = ("params", "limits")
Place = tuple[str, str, str, str]


def lacking(profile: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """The place of each missing value that a stage reads, and a sentence. No value has a default, so without this the
    stage would fail on the host, hours into the run."""
    for stage, document in profile["stages"].items():
        for kind in KINDS:
            for name in sorted(stage_values.needed(_read_by(stage, kind)) - document[kind].keys()):
                yield ("stages", stage, kind, name), f"is missing, and {stage} reads it; `extends: quick` brings it"


def senseless(profile: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """The place of each wrong value, and a sentence: one that the stage does not read, one that is too small, a load
    that takes longer than the stage's time limit."""
    for place, value in _values(profile):
        _, stage, kind, name = place
        readable, timeout_s = stage_values.names(_read_by(stage, kind)), profile["stages"][stage]["timeout_s"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name not in readable:
            words = f"is read by no stage; {stage} reads {', '.join(sorted(readable)) or 'none'}"
            yield place, words + did_you_mean(name, sorted(readable))
        elif is_number and value < (least := stage_values.least_of(_read_by(stage, kind), name)):
            yield place, f"can't be below {least:g} (given: {value})"
        elif is_number and name.endswith("duration_s") and value >= timeout_s:
            yield place, f"must be less than the stage's timeout_s of {timeout_s:g} (given: {value})"


def _read_by(stage: str, kind: str) -> type:
    """The dataclass of the parameters or limits that a stage reads."""
    return BY_NAME[stage].params if kind == "params" else BY_NAME[stage].limits


def _values(profile: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    for stage, document in profile["stages"].items():
        for kind in KINDS:
            for name, value in document[kind].items():
                yield ("stages", stage, kind, name), value
