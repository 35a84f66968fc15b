"""What the stage Firmware says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Firmware",
    title="Firmware",
    summary="Versions of BIOS, BMC, NIC, NVMe, HBA and microcode",
    after="InventoryCheck",
    codes=("firmware.twins_differ",),
    blind="Whether a version is a good one: it knows no maker's list. Expected parts compares it with the spec. "
    "MegaRAID and the drives behind it tell their versions to their maker's tool only.",
)
