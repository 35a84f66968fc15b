"""The expected spec of a machine, made from its own hardware: what it would be if nothing were wrong with it."""

from __future__ import annotations

from typing import Any

from tests.rack.machinefile import Dimm, Disk, Machine, Nic
from tests.rack.smbios import as_listed

# A virtual machine has none of these, whatever its file says.
NEVER_THERE = ("ecc", "thermal", "gpu", "dcmi")


def derive(machine: Machine) -> dict[str, Any]:
    """The spec with the file's own `expected:` keys put over it, each as a whole."""
    return {**_from_hardware(machine), **(machine.expected or {})}


def _from_hardware(machine: Machine) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "system": {
            "manufacturer": as_listed(machine.system.manufacturer),
            "product": as_listed(machine.system.product),
            "serial": as_listed(machine.serial),
            "uuid": machine.uuid,
        },
        "cpu": {"sockets": machine.sockets, "cores": machine.cpus // machine.threads},
        "memory": {
            "total_mb": sum(dimm.size_mb for dimm in machine.dimms),
            "dimms": [_dimm(dimm) for dimm in machine.dimms],
        },
        # A serial that stands on two disks can be expected only once.
        "disks": list({disk.serial: _disk(disk) for disk in machine.disks if disk.bus != "usb"}.values()),
        "nics": [_nic(nic) for nic in machine.nics],
        "gpus": [],
        "not_expected": [*NEVER_THERE, *(() if machine.bmc.present else ("bmc",))],
    }
    if stated := machine.settings.model_dump(exclude_none=True):
        spec["settings"] = stated
    if machine.bmc.present:
        spec["psus"] = [{"name": psu.name} for psu in machine.bmc.psus]
        spec["fans"] = [{"name": fan.name} for fan in machine.bmc.fans]
    return spec


def writable_serials(machine: Machine) -> list[str]:
    """What the operator confirms disk by disk: no spec ever says it."""
    return sorted({disk.serial for disk in machine.disks if disk.bus != "usb"}) if machine.destructive else []


def _dimm(dimm: Dimm) -> dict[str, Any]:
    texts = {word: as_listed(getattr(dimm, word)) for word in ("locator", "serial", "part")}
    return {**texts, "size_mb": dimm.size_mb}


def _nic(nic: Nic) -> dict[str, Any]:
    known: dict[str, Any] = {"mac": nic.mac, "speed_mbit": nic.speed_mbit}
    return {**known, "other_network": True} if nic.network == "other" else known


def _disk(disk: Disk) -> dict[str, Any]:
    known: dict[str, Any] = {"serial": disk.serial, "bus": disk.bus, "size_mb": disk.size_mb}
    return {**known, "wwn": disk.wwn} if disk.wwn else known
