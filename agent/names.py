"""From the kernel's words for a device (sda, eth0, 0000:03:00.0, cpu 5) to the component that findings
blame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent import sysfs, wire
from agent.sensors import Part

SYSTEM = Part("system", "system")
_PARTITION = re.compile(r"(?<=\d)p\d+$|(?<=[a-z])\d+$")


@dataclass(frozen=True)
class Names:
    """Resolves by the inventory first, then by sysfs, then leaves the kernel's word: a finding never
    lacks a name."""

    root: Path
    inventory: wire.Inventory | None = None

    def part(self, names: str, name: str) -> Part:
        """`names` is the kind of word as in kmsg.Pattern. What can't be told apart is blamed on the
        system."""
        resolve = getattr(self, f"_{names}", None) if name else None
        return resolve(name) if resolve else SYSTEM

    def is_usb(self, part: Part) -> bool:
        """A USB stick is a surprise, not a part of the host: its errors condemn nobody."""
        disks = self.inventory.disks if self.inventory else []
        return any(disk.bus == "usb" and part.name in (disk.serial, disk.name) for disk in disks)

    def _blk(self, name: str) -> Part:
        if not name.startswith("nvme") or "p" in name:
            name = _PARTITION.sub("", name)
        for disk in self.inventory.disks if self.inventory else []:
            if disk.name == name and disk.serial:
                return Part("disk", disk.serial)
        device = self.root / "sys/block" / name / "device"
        return Part("disk", sysfs.text(device / "serial") or sysfs.scsi_serial(device) or name)

    def _net(self, name: str) -> Part:
        for nic in self.inventory.nics if self.inventory else []:
            if nic.name == name:
                return Part("nic", nic.mac.lower())
        return Part("nic", sysfs.text(self.root / "sys/class/net" / name / "address").lower() or name)

    def _pci(self, address: str) -> Part:
        address = address if address.count(":") > 1 else f"0000:{address}"
        for gpu in self.inventory.gpus if self.inventory else []:
            if gpu.pci.lower().endswith(address.lower()):
                return Part("gpu", gpu.uuid or gpu.pci)
        device = self.root / "sys/bus/pci/devices" / address
        for port in sorted((device / "net").glob("*")):
            return self._net(port.name)
        for controller in sorted((device / "nvme").glob("nvme*")):
            return self._nvme(controller.name)
        return SYSTEM

    def _nvme(self, name: str) -> Part:
        serial = sysfs.text(self.root / "sys/class/nvme" / name / "serial")
        return Part("disk", serial) if serial else self._blk(f"{name}n1")

    def _ata(self, port: str) -> Part:
        for block in sorted((self.root / "sys/block").glob("sd*")):
            if f"/{port}/" in str(block.resolve()):
                return self._blk(block.name)
        return Part("disk", port)

    def _cpu(self, number: str) -> Part:
        topology = self.root / f"sys/devices/system/cpu/cpu{number}/topology/physical_package_id"
        package = sysfs.text(topology)
        return Part("cpu", f"CPU{package if package.isdigit() else 0}")

    def _dimm(self, label: str) -> Part:
        """EDAC's label is the firmware's locator where the driver knows it."""
        locators = [dimm.locator for dimm in self.inventory.memory.dimms] if self.inventory else []
        matching = [locator for locator in locators if locator and locator in label]
        return Part("dimm", max(matching, key=len) if matching else label)
