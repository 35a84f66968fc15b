"""The profile of a run as it was frozen when the run was queued, with types. Pure.

It was checked then (runs/profiles/load.py). A run of an older version may lack a key: it has the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FrozenStage:
    """What the run orders of one stage. `required` are names of checks."""

    required: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FrozenProfile:
    """`stages` by name, `sensors` are limits by name. If `goes_on`, a failed stage does not stop the run."""

    stages: dict[str, FrozenStage]
    sensors: dict[str, float]
    goes_on: bool


def read(document: Mapping[str, Any]) -> FrozenProfile:
    """The content of `Run.profile`."""
    return FrozenProfile(
        stages={name: _stage(stage or {}) for name, stage in (document.get("stages") or {}).items()},
        sensors={name: float(limit) for name, limit in (document.get("sensors") or {}).items()},
        goes_on=document.get("on_failure") == "continue",
    )


def _stage(document: Mapping[str, Any]) -> FrozenStage:
    return FrozenStage(
        required=list(document.get("required") or []),
        params=dict(document.get("params") or {}),
        limits=dict(document.get("limits") or {}),
    )
