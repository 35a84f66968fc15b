"""The stages of a run, in order. Adding one is a line here, a file in `agent/stages/`, and its part of the profiles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    AGENT = "agent"
    ORCHESTRATOR = "orchestrator"


@dataclass(frozen=True)
class Stage:
    """`name` is also the run's state while the stage runs; `topic` is the word of `not_expected` that takes the whole
    stage off; `writes` is whether it could write to a disk at all (under the gates of docs/safety.md)."""

    name: str
    title: str
    summary: str
    owner: Owner = Owner.AGENT
    writes: bool = False
    topic: str = ""
    shares_link: bool = False


STAGES: tuple[Stage, ...] = (
    Stage("InventoryCheck", "Inventory", "Collect every part with its serial number"),
    Stage("Firmware", "Firmware", "Versions of BIOS, BMC, NIC, NVMe, HBA and microcode"),
    Stage("SpecValidate", "Expected parts", "Compare what was found with what is expected", Owner.ORCHESTRATOR),
    Stage("SMART", "Disk health", "Health, attributes and self-tests of every expected disk"),
    Stage("CPUStress", "CPU", "All cores under verified load, with thermals"),
    Stage("Memory", "Memory", "Pattern tests over all memory that can be reached"),
    Stage("Storage", "Storage", "Surface, verified writes where allowed, speed", writes=True),
    Stage("Network", "Network", "Negotiated speed, throughput both ways, loss, errors", shares_link=True),
    Stage("Burn", "Burn", "Everything at once"),
    Stage("GPU", "GPU", "Presence, link width, memory, load", topic="gpu"),
    Stage("PSU", "Power", "Presence, redundancy, power under a load step", topic="bmc"),
    Stage("Reporting", "Report", "Verdict and report", Owner.ORCHESTRATOR),
)

BY_NAME: dict[str, Stage] = {stage.name: stage for stage in STAGES}
AGENT_STAGES: tuple[Stage, ...] = tuple(stage for stage in STAGES if stage.owner is Owner.AGENT)
