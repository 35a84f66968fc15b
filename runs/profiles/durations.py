"""How long a run should take, and how far it has come. Takes a profile and the attempts so far; no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runs.machine import STAGE_STATES
from runs.models import StageRun
from runs.stages import STAGES

_SHORT_STAGE_S = 20.0
_AT_MOST = 0.97


@dataclass(frozen=True)
class Standing:
    """How far a run has come: `fraction` is 0 to 1 of the whole run; `ends_at` is None if it can't be estimated."""

    fraction: float
    ends_at: datetime | None


def expected_s(stage: Mapping[str, Any]) -> float:
    """Seconds that a stage of a profile should take: its `expected_s`, else the sum of its `…duration_s` parameters,
    but not less than starting and reporting a stage takes."""
    if stage.get("expected_s") is not None:
        return float(stage["expected_s"])
    params = stage.get("params") or {}
    named = [value for key, value in params.items() if key.endswith("duration_s") and isinstance(value, int | float)]
    return max(_SHORT_STAGE_S, float(sum(named)))


def plan(profile: Mapping[str, Any]) -> dict[str, float]:
    """The seconds of each stage, in the order in which they run."""
    stages = profile.get("stages") or {}
    return {stage.name: expected_s(stages[stage.name] or {}) for stage in STAGES if stage.name in stages}


def standing(
    profile: Mapping[str, Any], state: str, attempts: Iterable[StageRun], now: datetime, *, at_work: bool = True
) -> Standing:
    """How far a run in `state` has come. Stages before the present one count as done. The present one counts by its
    progress, or by its time if it reports none. `at_work` is whether the worker runs: without it no end is known."""
    if state not in STAGE_STATES:
        return Standing(0.0, None)
    names = [stage.name for stage in STAGES]
    position = names.index(state)
    planned = plan(profile)
    total = sum(planned.values())
    if not total:
        return Standing(position / len(names), None)
    done = sum(seconds for name, seconds in planned.items() if names.index(name) < position)
    present = stage_fraction(_newest(attempts, state), planned.get(state, 0.0), now)
    done += present * planned.get(state, 0.0)
    ends_at = now + timedelta(seconds=max(0.0, total - done)) if at_work else None
    return Standing(min(_AT_MOST, done / total), ends_at)


def stage_fraction(attempt: StageRun | None, planned_s: float, now: datetime) -> float:
    """How far one attempt has come, 0 to 1."""
    if attempt is None or attempt.go_at is None:
        return 0.0
    if attempt.outcome:
        return 1.0
    if attempt.progress:
        percents = [float(item.get("percent", 0)) for item in attempt.progress]
        return min(1.0, max(0.0, sum(percents) / len(percents) / 100))
    return min(_AT_MOST, (now - attempt.go_at).total_seconds() / planned_s) if planned_s else 0.0


def _newest(attempts: Iterable[StageRun], name: str) -> StageRun | None:
    return max((row for row in attempts if row.name == name), key=lambda row: row.attempt, default=None)
