"""What the stage Storage says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Storage",
    title="Storage",
    summary="Surface, verified writes where allowed, speed",
    after="Memory",
    writes=True,
    blind="Without writes, whether what is written comes back; what was not read of a disk that is sampled; the "
    "drive's spare blocks.",
)
