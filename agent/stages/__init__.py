"""The agent's stages: one file each, `run(ctx) -> StageReport`. To add one, copy a neighbour, add its line here and in
`runs/stages.py`, and give it its part of the profiles."""

from __future__ import annotations

from collections.abc import Callable

from agent.stage import StageContext, StageReport
from agent.stages.burn import stage as burn
from agent.stages.cpu_stress import stage as cpu_stress
from agent.stages.firmware import stage as firmware
from agent.stages.gpu import stage as gpu
from agent.stages.inventory_check import stage as inventory_check
from agent.stages.memory import stage as memory
from agent.stages.network import stage as network
from agent.stages.psu import stage as psu
from agent.stages.smart import stage as smart
from agent.stages.storage import stage as storage

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
