"""What the stage Memory says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Memory",
    title="Memory",
    summary="Pattern tests over all memory that can be reached",
    after="CPUStress",
    blind="The memory in which kernel, live image and agent lie, and errors that ECC corrects where the memory "
    "controller counts none.",
)
