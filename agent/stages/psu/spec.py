"""What the stage PSU says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="PSU",
    title="Power",
    summary="Presence, redundancy, power under a load step",
    after="GPU",
    parts="psus",
    blind="Whether the host survives the loss of one supply: nobody pulls one. Supplies that the BMC cannot sense, "
    "and whether a bay that is empty should be, where no spec lists the supplies.",
)
