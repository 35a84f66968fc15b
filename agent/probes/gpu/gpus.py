"""The discrete GPUs among the PCI devices. Integrated graphics are part of CPU or chipset, and a server's VGA chip is
only for its console, so neither counts. Cards of other makers (Intel) are listed among the accelerators."""

from __future__ import annotations

import re

from agent.contract import wire
from agent.probes.bus.lspci import PciDevice
from agent.probes.gpu.nvidia_smi import NvidiaGpu

NVIDIA, AMD = "10de", "1002"
# AMD's integrated graphics share vendor and class with its cards; pci.ids names them after their processors.
_INTEGRATED = re.compile(
    r"(?i)\b(picasso|raven|renoir|lucienne|cezanne|barcelo|rembrandt|raphael|phoenix|hawk point|granite ridge|"
    r"strix|mendocino|dragon crest|van gogh|vega mobile|radeon graphics|kaveri|carrizo|stoney|kabini|mullins|"
    r"(?:super)?sumo|beavercreek|winterpark|wrestler|trinity|richland|devastator|scrapper|godavari|temash|wani|"
    r"[678]\d0m|krackan|gorgon|strix halo|"
    # Chipsets: RS480 to RS880 (Radeon Xpress, HD 3000 and 4000 graphics), SB700.
    r"r[sc]\d{3}\w*|radeon xpress\w*)\b"
)
# Consoles of servers, by pci.ids: ATI Rage XL and 128, RV100 (Radeon 7000), ES1000. Those of ASPEED, Matrox, XGI, SiS
# and of virtual machines are of other vendors.
_CONSOLE = re.compile(r"(?i)\b(es1000|rn50|rage|mach64|rv100)\b")
# NVIDIA's chipsets: nForce, and their graphics by code name (C51, C61, C68, C73, C77 to C79, MCP61 to MCP89).
_NFORCE = re.compile(r"(?i)\b(nforce|mcp\d{2}\w*|c[567]\d[a-z]{0,3})\b")


def discrete(devices: list[PciDevice]) -> list[PciDevice]:
    """The display controllers (class 03) of NVIDIA and AMD that are cards. AMD's compute cards have class 12."""
    return [device for device in devices if is_gpu(device)]


def inventory(devices: list[PciDevice], known: list[NvidiaGpu]) -> list[wire.Gpu]:
    """The cards, with the UUID that the driver gives, or '' without a driver."""
    by_address = {gpu.pci: gpu for gpu in known}
    found = []
    for device in discrete(devices):
        gpu = by_address.get(device.slot)
        found.append(wire.Gpu(gpu.uuid if gpu else "", gpu.model if gpu else device.device, device.slot))
    return found


def is_gpu(device: PciDevice) -> bool:
    if device.vendor_id == NVIDIA:
        return device.class_id.startswith("03") and not _NFORCE.search(device.device)
    if device.vendor_id == AMD and device.class_id.startswith(("03", "1200")):
        return not (_INTEGRATED.search(device.device) or _CONSOLE.search(device.device))
    return False
