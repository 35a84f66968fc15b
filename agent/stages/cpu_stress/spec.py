"""What the stage CPUStress says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="CPUStress",
    title="CPU",
    summary="All cores under verified load, with thermals",
    after="SMART",
    blind="A core that calculates wrongly only in instructions or voltages that the load does not come to.",
)
