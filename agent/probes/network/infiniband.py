"""InfiniBand ports, which have a GUID and no MAC (Linux Documentation/ABI/stable/sysfs-class-infiniband). Omni-Path's
driver calls its ports InfiniBand, too."""

from __future__ import annotations

import re
from pathlib import Path

from agent.contract import wire
from agent.host import sysfs

_RATE = re.compile(r"(\d{1,6}(?:\.\d)?) Gb/sec")
_GUID = re.compile(r"(?:[0-9a-f]{4}:){4}((?:[0-9a-f]{4}:){3}[0-9a-f]{4})")
_NO_GUID = "0000:0000:0000:0000"


def ports(models: dict[str, str], root: Path = Path("/")) -> list[wire.InfinibandPort]:
    """The ports of cards, without those of virtual functions and without those that run Ethernet (RoCE). `models` by
    PCI slot."""
    return [
        _port(port, models)
        for port in sorted((root / "sys/class/infiniband").glob("*/ports/*"))
        if sysfs.text(port / "link_layer") == "InfiniBand" and not (_device(port) / "physfn").exists()
    ]


def folder(name: str, root: Path = Path("/")) -> Path:
    """Where the kernel shows the port of this name (mlx5_0/1)."""
    device, _, number = name.rpartition("/")
    return root / "sys/class/infiniband" / device / "ports" / number


def _device(port: Path) -> Path:
    return port.parent.parent / "device"


def _port(port: Path, models: dict[str, str]) -> wire.InfinibandPort:
    pci = _device(port).resolve().name
    guid = _GUID.fullmatch(sysfs.text(port / "gids/0").lower())
    link = "LinkUp" in sysfs.text(port / "phys_state")
    rate = _RATE.match(sysfs.text(port / "rate")) if link else None
    return wire.InfinibandPort(
        name=f"{port.parent.parent.name}/{port.name}",
        guid=guid[1] if guid and guid[1] != _NO_GUID else "",
        pci=pci,
        model=models.get(pci, ""),
        link=link,
        speed_mbit=round(float(rate[1]) * 1000) if rate else None,
    )
