"""What the stage SMART says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="SMART",
    title="Disk health",
    summary="Health, attributes and self-tests of every expected disk",
    after="SpecValidate",
    blind="What the drive does not count or does not admit, and drives behind a controller that hides them.",
)
