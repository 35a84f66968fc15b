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
    stage off; `writes` is whether it could write to a disk at all (under the gates of docs/safety.md); `blind` says
    what it can't see, so that nobody takes its pass for more than it is. `parts` is the list of spec and inventory
    without which it has nothing to test on a host; `found_by` the tool whose finding none is proof enough where the
    spec says nothing of them. `shares_link` waits until it has the bench's link for itself; `borrows_link` takes it
    only while nobody else needs it."""

    name: str
    title: str
    summary: str
    owner: Owner = Owner.AGENT
    writes: bool = False
    topic: str = ""
    shares_link: bool = False
    borrows_link: bool = False
    blind: str = ""
    parts: str = ""
    found_by: str = ""


STAGES: tuple[Stage, ...] = (
    Stage(
        "InventoryCheck",
        "Inventory",
        "Collect every part with its serial number",
        blind="What the firmware's tables say wrongly or not at all, and parts without a serial number of their own.",
    ),
    Stage(
        "Firmware",
        "Firmware",
        "Versions of BIOS, BMC, NIC, NVMe, HBA and microcode",
        blind="Whether a version is a good one: it knows no maker's list. Expected parts compares it with the spec. "
        "MegaRAID and the drives behind it tell their versions to their maker's tool only.",
    ),
    Stage(
        "SpecValidate",
        "Expected parts",
        "Compare what was found with what is expected",
        Owner.ORCHESTRATOR,
        blind="What the expected spec leaves out.",
    ),
    Stage(
        "SMART",
        "Disk health",
        "Health, attributes and self-tests of every expected disk",
        blind="What the drive does not count or does not admit, and drives behind a controller that hides them.",
    ),
    Stage(
        "CPUStress",
        "CPU",
        "All cores under verified load, with thermals",
        blind="A core that calculates wrongly only in instructions or voltages that the load does not come to.",
    ),
    Stage(
        "Memory",
        "Memory",
        "Pattern tests over all memory that can be reached",
        blind="The memory in which kernel, live image and agent lie, and errors that ECC corrects where the memory "
        "controller counts none.",
    ),
    Stage(
        "Storage",
        "Storage",
        "Surface, verified writes where allowed, speed",
        writes=True,
        blind="Without writes, whether what is written comes back; what was not read of a disk that is sampled; the "
        "drive's spare blocks.",
    ),
    Stage(
        "Network",
        "Network",
        "Negotiated speed, throughput both ways, loss, errors",
        shares_link=True,
        blind="More than the bench's own link can carry, ports without an address, and who sits at the other end. "
        "Anything while the bench is starved or its own port is poor: it measures again then (docs/operations.md).",
    ),
    Stage(
        "Burn",
        "Burn",
        "Everything at once",
        borrows_link=True,
        blind="Which of the parts at work is to blame for a host that dies: only that it did. Network and GPUs join "
        "only where they can, and how fast the network is beside all else is not judged.",
    ),
    Stage(
        "GPU",
        "GPU",
        "Presence, link width, load, state, memory",
        topic="gpu",
        parts="gpus",
        found_by="lspci",
        blind="Load, state and memory errors where no driver of the maker is there (the live image carries none): the "
        "stage is not tested then, unless the spec says that seeing the cards is enough. Memory of a card without ECC.",
    ),
    Stage(
        "PSU",
        "Power",
        "Presence, redundancy, power under a load step",
        parts="psus",
        blind=(
            "Whether the host survives the loss of one supply: nobody pulls one. Supplies that the BMC cannot sense,"
            " and whether a bay that is empty should be, where no spec lists the supplies."
        ),
    ),
    Stage(
        "Reporting",
        "Report",
        "Verdict and report",
        Owner.ORCHESTRATOR,
        blind="Anything that no stage before it saw.",
    ),
)

BY_NAME: dict[str, Stage] = {stage.name: stage for stage in STAGES}
AGENT_STAGES: tuple[Stage, ...] = tuple(stage for stage in STAGES if stage.owner is Owner.AGENT)
