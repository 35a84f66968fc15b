"""A limit that the claim does not bring is missed before a stage works: afterwards nothing it found could be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent import shell
from agent.stages import STAGES
from agent.stages.checks import ProfileLacks
from runs import trends
from tests.agent_stages.contexts import PROFILE, context

# Read by the counters around the stage, with what it says where there is none.
OF_THE_COUNTERS = {"throttle_events_max"}
READ = [
    (stage, limit)
    for stage, part in PROFILE["stages"].items()
    for limit in part.get("limits", {})
    if not limit.endswith(trends.SUFFIXES) and limit not in OF_THE_COUNTERS
]


@pytest.mark.parametrize(("stage", "limit"), READ)
def test_a_stage_misses_its_limit_before_it_starts_anything(
    stage: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "run", lambda *given, **more: pytest.fail(f"{given[0]} was started"))
    ctx = context(stage, tmp_path)
    limits = {name: value for name, value in ctx.order.limits.items() if name != limit}
    with pytest.raises(ProfileLacks, match=f"stages.{stage}.limits.{limit} is missing"):
        STAGES[stage](replace(ctx, order=replace(ctx.order, limits=limits)))
