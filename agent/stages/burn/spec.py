"""What the stage Burn says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Burn",
    title="Burn",
    summary="Everything at once",
    after="Network",
    borrows_link=True,
    blind="Which of the parts at work is to blame for a host that dies: only that it did. Network and GPUs join "
    "only where they can, and how fast the network is beside all else is not judged.",
)
