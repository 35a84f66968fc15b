"""What the stage GPU says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="GPU",
    title="GPU",
    summary="Presence, link width, load, state, memory",
    after="Burn",
    topic="gpu",
    parts="gpus",
    found_by="lspci",
    blind="Load, state and memory errors where no driver of the maker is there (the live image carries none): the "
    "stage is not tested then, unless the spec says that seeing the cards is enough. Memory of a card without "
    "ECC.",
)
