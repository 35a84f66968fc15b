"""Finds the CPU package, that is the socket, that a sensor or an energy counter belongs to. A package may have several
dies, and drivers make one device per die.

Sources: drivers/hwmon/coretemp.c (a device per die since 5.3), k10temp.c, drivers/powercap/intel_rapl_common.c, AMD's
processor programming references (one node, and one device 18h to 1Fh, per die up to EPYC 7001).
"""

from __future__ import annotations

import re
from pathlib import Path

from agent.host import sysfs

FIRST_AMD_NODE, LAST_AMD_NODE = 0x18, 0x1F
_ID = re.compile(r"(?:Package|Physical) id (?P<number>\d+)")
_ZONE = re.compile(r"package-(?P<number>\d+)")
_NODE = re.compile(r":(?P<device>[0-9a-f]{2})\.[0-7]$")


def of_intel_chip(chip: Path) -> str:
    """By the label of the package's own temperature. Without one, by the device's number (`coretemp.1`), which was the
    package's number before there were dies."""
    for label in sorted(chip.glob("temp*_label")):
        if match := _ID.match(sysfs.text(label)):
            return match["number"]
    name = (chip / "device").resolve().name
    return name.rpartition(".")[2] if "." in name else "0"


def of_amd_chip(root: Path, chip: Path) -> str:
    """Nodes are numbered across the packages: of eight nodes in two sockets, 18.3 to 1b.3 are in the first socket."""
    node = _node((chip / "device").resolve().name)
    if node is None:
        return "0"
    packages, nodes = _packages(root), _nodes(root)
    per_package = len(nodes) // len(packages) if packages and len(nodes) % len(packages) == 0 else 1
    at = node // max(1, per_package)
    return packages[at] if at < len(packages) else str(at)


def of_zone(zone: Path) -> str:
    """`package-0`, or `package-0-die-1`. A sub-zone (`intel-rapl:1:0`) belongs to the zone that contains it."""
    top = zone.with_name(":".join(zone.name.split(":")[:2]))
    match = _ZONE.match(sysfs.text(top / "name"))
    return match["number"] if match else zone.name.split(":")[1]


def _node(device: str) -> int | None:
    match = _NODE.search(device)
    number = int(match["device"], 16) if match else -1
    return number - FIRST_AMD_NODE if FIRST_AMD_NODE <= number <= LAST_AMD_NODE else None


def _packages(root: Path) -> list[str]:
    ids = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/physical_package_id")
    return sorted({text for path in ids if (text := sysfs.text(path)).isdigit()}, key=int)


def _nodes(root: Path) -> set[int]:
    """The number of nodes, by their temperature devices."""
    chips = (root / "sys/class/hwmon").glob("hwmon*")
    found = {
        _node((chip / "device").resolve().name)
        for chip in chips
        if sysfs.text(chip / "name") in ("k10temp", "zenpower")
    }
    return {node for node in found if node is not None}
