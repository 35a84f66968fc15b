"""What the stage InventoryCheck says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="InventoryCheck",
    title="Inventory",
    summary="Collect every part with its serial number",
    blind="What the firmware's tables say wrongly or not at all, and parts without a serial number of their own.",
)
