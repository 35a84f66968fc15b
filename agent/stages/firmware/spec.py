"""What the stage Firmware says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Firmware",
    title="Firmware",
    summary="Versions of BIOS, BMC, NIC, NVMe, HBA and microcode",
    after="InventoryCheck",
    codes=("firmware.twins_differ",),
    blind=(
        "Whether a version is a good one: there is no list of the makers' versions here. Expected parts "
        "compares versions with the spec. Only the maker's tool can read the firmware of MegaRAID adapters "
        "and of the drives behind them."
    ),
)
