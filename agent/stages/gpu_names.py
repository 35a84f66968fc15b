"""What findings call a GPU."""

from __future__ import annotations

from agent import wire

TOPIC = "gpu"


def name_of(gpu: wire.Gpu) -> str:
    """Its UUID, or where it sits when no driver tells one."""
    return gpu.uuid or gpu.pci
