"""A limit that the claim does not bring is missed before a stage works: afterwards nothing it found could be judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract.stage_values import ProfileLacks
from agent.host import shell
from agent.stage_functions import STAGES
from runs.judging import trends
from tests.agent_stages.contexts import PROFILE, context

# Read by the counters around the stage, with what it says where there is none.
OF_THE_COUNTERS = {"throttle_events_max"}
LATE = [("Memory", "coverage_min_percent"), ("CPUStress", "slope_window_s"), ("CPUStress", "power_rise_min_w")]
READ = [
    (stage, "limits", limit)
    for stage, part in PROFILE["stages"].items()
    for limit in part.get("limits", {})
    if not limit.endswith(trends.SUFFIXES) and limit not in OF_THE_COUNTERS
]


@pytest.mark.parametrize(("stage", "kind", "name"), [*READ, *((stage, "params", name) for stage, name in LATE)])
def test_a_stage_misses_a_value_that_it_judges_by_before_it_starts_anything(
    stage: str, kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "run", lambda *given, **more: pytest.fail(f"{given[0]} was started"))
    ctx = context(stage, tmp_path)
    del getattr(ctx.order, kind)[name]
    with pytest.raises(ProfileLacks, match=f"stages.{stage}.{kind}.{name} is missing"):
        STAGES[stage](ctx)
