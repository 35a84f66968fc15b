"""Discrete GPUs among the PCI devices. Integrated graphics are part of the CPU and not counted."""

from __future__ import annotations

import re

from agent import wire
from agent.probes.lspci import PciDevice
from agent.probes.nvidia_smi import NvidiaGpu

NVIDIA, AMD = "10de", "1002"
# AMD's integrated graphics share vendor and class with its cards; pci.ids names them after their processors.
_INTEGRATED = re.compile(
    r"(?i)\b(picasso|raven|renoir|lucienne|cezanne|barcelo|rembrandt|raphael|phoenix|hawk point|granite ridge|"
    r"strix|mendocino|dragon crest|van gogh|vega mobile|radeon graphics|kaveri|carrizo|stoney|kabini|mullins|"
    r"[678]\d0m)\b"
)


def discrete(devices: list[PciDevice]) -> list[PciDevice]:
    """Display controllers (class 03) of NVIDIA and AMD that are cards; AMD's compute cards are class 12."""
    return [device for device in devices if _is_gpu(device)]


def inventory(devices: list[PciDevice], known: list[NvidiaGpu]) -> list[wire.Gpu]:
    """The cards with the UUID that the driver tells, '' where there is no driver."""
    by_address = {gpu.pci: gpu for gpu in known}
    found = []
    for device in discrete(devices):
        gpu = by_address.get(device.slot)
        found.append(wire.Gpu(gpu.uuid if gpu else "", gpu.model if gpu else device.device, device.slot))
    return found


def _is_gpu(device: PciDevice) -> bool:
    if device.vendor_id == NVIDIA:
        return device.class_id.startswith("03")
    if device.vendor_id == AMD and device.class_id.startswith(("03", "1200")):
        return not _INTEGRATED.search(device.device)
    return False
