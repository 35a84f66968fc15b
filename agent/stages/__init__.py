"""The agent's stages: one file each, `run(ctx) -> StageReport`. To add one, copy a neighbour, add its line here and in
`runs/stages.py`, and give it its part of the profiles."""

from __future__ import annotations

from collections.abc import Callable

from agent.stage import StageContext, StageReport
from agent.stages import burn, cpu_stress, firmware, gpu, inventory_check, memory, network, psu, smart, storage

STAGES: dict[str, Callable[[StageContext], StageReport]] = {
    "InventoryCheck": inventory_check.run,
    "Firmware": firmware.run,
    "SMART": smart.run,
    "CPUStress": cpu_stress.run,
    "Memory": memory.run,
    "Storage": storage.run,
    "Network": network.run,
    "Burn": burn.run,
    "GPU": gpu.run,
    "PSU": psu.run,
}
