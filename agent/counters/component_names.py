"""Finds the component that a finding blames, from the kernel's name for a device (sda, eth0, 0000:03:00.0, cpu 5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from agent.counters import edac_label, pcie_ends
from agent.host import sysfs
from agent.probes.board.dmiaddresses import AddressMap
from agent.probes.board.frames import FRAME_BYTES
from agent.probes.drives.disks import is_remote
from agent.sensors.chip import Part

SYSTEM = Part("system", "system")
# `sda1`; `nvme0n1p1`, `mmcblk0p1`. The number of `mmcblk0`, `pmem0` and `sr0` is the device's own.
_PARTITION = re.compile(r"((?:xv|[hsv])d[a-z]+)\d+|(.+\d)p\d+")
# `nvme0c1n1` is one path to `nvme0n1`.
_PATH = re.compile(r"(?<=\d)c\d+(?=n\d)")
# The drivers that number their controllers together. (mptbase.c)
_FUSION = ("mptsas", "mptspi", "mptfc")
_PCI = re.compile(r"(?:(?P<domain>[0-9a-f]{1,8}):)?(?P<slot>[0-9a-f]{2}:[0-9a-f]{2})(?:\.(?P<function>[0-7]))?")


@dataclass(frozen=True)
class Names:
    """Looks in the inventory first, then in sysfs. If neither knows the device, the kernel's name stays, so that a
    finding always has a name. `usb` are the kernel's names of disks that are on USB by the kernel's log, `optical`
    those of ATA ports of optical drives. `addresses` reads which memory module has which address."""

    root: Path
    inventory: wire.Inventory | None = None
    usb: frozenset[str] = frozenset()
    optical: frozenset[str] = frozenset()
    addresses: Callable[[], AddressMap] = AddressMap

    def part(self, names: str, name: str) -> Part:
        """The part with this name. `names` is the kind of name, as in kmsg_record.Hit. A device that is not in the
        inventory, for example a bridge, keeps the kernel's name and is of kind `system`. Without a name it is the
        system."""
        resolve = getattr(self, f"_{names}", None) if name else None
        return resolve(name) if resolve else SYSTEM

    def never_fails_the_host(self, part: Part) -> bool:
        """Whether errors of this part never fail the host: a USB stick is no part of the host, nor is a disk on another
        machine or in a shared array, whose standby paths answer with errors. An optical drive complains about its
        disc."""
        if part.kind != ComponentKind.DISK:
            return False
        if re.fullmatch(r"sr\d+", part.name) or part.name in self.optical:
            return True
        disks = self.inventory.disks if self.inventory else []
        known = [disk for disk in disks if part.name in (disk.serial, disk.name)]
        return any(disk.bus == "usb" for disk in known) if known else self._is_usb(part) or self._is_remote(part)

    def _is_usb(self, part: Part) -> bool:
        """Whether a disk that the inventory lacks is on USB: it came later, or was empty then."""
        return part in {self._blk(name) for name in self.usb}

    def _is_remote(self, part: Part) -> bool:
        blocks = sorted((self.root / "sys/block").glob("*"))
        return any(is_remote(block) and part == self._blk(block.name) for block in blocks)

    def _word(self, name: str) -> Part:
        return Part("system", name)

    def _blk(self, name: str) -> Part:
        if match := _PARTITION.fullmatch(name):
            name = match[1] or match[2]
        name = _PATH.sub("", name)
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
        wanted = _slot(address)
        for gpu in self.inventory.gpus if self.inventory else []:
            if _is_same(_slot(gpu.pci), wanted):
                return Part("gpu", gpu.uuid or gpu.pci)
        for nic in self.inventory.nics if self.inventory else []:
            if _is_same(_slot(nic.pci), wanted):
                return Part("nic", nic.mac.lower())
        return self._pci_by_sysfs(_full(address))

    def _pci_by_sysfs(self, address: str) -> Part:
        device = self.root / "sys/bus/pci/devices" / address
        for port in sorted((device / "net").glob("*")):
            return self._net(port.name)
        for controller in sorted((device / "nvme").glob("nvme*")):
            return self._nvme(controller.name)
        return self._below(address) or Part("system", address)

    def _below(self, address: str) -> Part | None:
        """The part that is plugged into a port: the port reports what it received from there. None if that is not
        known."""
        below = pcie_ends.below(address, self.root)
        part = self._pci(below) if below else None
        return part if part and part.kind != "system" else None

    def _gpu(self, address: str) -> Part:
        """A GPU, since a GPU driver named it. NVIDIA's driver leaves out the function, which is 0."""
        part = self._pci(address)
        full = _full(address)
        return part if part.kind == ComponentKind.GPU else Part("gpu", full if "." in full else f"{full}.0")

    def _nvme(self, name: str) -> Part:
        serial = sysfs.text(self.root / "sys/class/nvme" / name / "serial")
        return Part("disk", serial) if serial else self._blk(f"{name}n1")

    def _ata(self, port: str) -> Part:
        for block in sorted((self.root / "sys/block").glob("s[dr]*")):
            if f"/{port}/" in str(block.resolve()):
                return self._blk(block.name) if block.name.startswith("sd") else Part("disk", block.name)
        return Part("disk", port)

    def _mmc(self, host: str) -> Part:
        """The eMMC of a host controller: `mmc0`."""
        for block in sorted((self.root / "sys/block").glob("mmcblk*")):
            if f"/{host}/" in str(block.resolve()):
                return self._blk(block.name)
        return Part("disk", host)

    def _scsi(self, address: str) -> Part:
        """`0:0:1:0`: host, channel, target, unit."""
        for block in sorted((self.root / "sys/class/scsi_device" / address / "device/block").glob("*")):
            return self._blk(block.name) if block.name.startswith("sd") else Part("disk", block.name)
        return Part("disk", address)

    def _hba(self, name: str) -> Part:
        """`mpt3sas_cm0`, `mpi3mr1`, `ioc0`: the driver's number is the host's `unique_id`. (mpt3sas_scsih.c,
        mpi3mr_os.c, mptsas.c)"""
        driver, number = re.sub(r"(?:_cm)?\d+$", "", name), name[len(name.rstrip("0123456789")) :]
        drivers = _FUSION if driver == "ioc" else (driver,)
        for host in sorted((self.root / "sys/class/scsi_host").glob("host*")):
            if sysfs.text(host / "proc_name") in drivers and sysfs.text(host / "unique_id") == number:
                address = next((one.name for one in host.resolve().parents if _PCI.fullmatch(one.name)), name)
                return Part("system", address)
        return Part("system", name)

    def _package(self, number: str) -> Part:
        return Part("cpu", f"CPU{int(number)}")

    def _cpu(self, number: str) -> Part:
        """The socket. A socket is one package, however many dies (`die_id`) it has."""
        topology = self.root / f"sys/devices/system/cpu/cpu{number}/topology/physical_package_id"
        package = sysfs.text(topology)
        return Part("cpu", f"CPU{package if package.isdigit() else 0}")

    def _dimm(self, label: str) -> Part:
        """EDAC's label is the firmware's locator where the driver knows it."""
        if edac_label.is_nobodys(label):
            return SYSTEM
        locators = [dimm.locator for dimm in self.inventory.memory.dimms] if self.inventory else []
        return Part("dimm", edac_label.locator(label, locators))

    def _address(self, address: str) -> Part:
        """The memory module with this physical address. If several are interleaved there, it is none of them."""
        modules = self.addresses().modules(int(address, 16))
        return Part("dimm", modules[0]) if len(modules) == 1 else SYSTEM

    def _frame(self, number: str) -> Part:
        return self._address(_of_frame(number))

    def candidates(self, names: str, name: str) -> tuple[str, ...]:
        """The memory modules of which one is meant, if a physical address is given that several share; else none."""
        if names not in ("address", "frame"):
            return ()
        modules = self.addresses().modules(int(name if names == "address" else _of_frame(name), 16))
        return modules if len(modules) > 1 else ()


def _of_frame(number: str) -> str:
    return f"{int(number, 16) * FRAME_BYTES:x}"


def _slot(address: str) -> tuple[int, str, str | None] | None:
    """The domain as a number (the kernel writes 4 digits or more, NVIDIA's tools 8), bus and device, and the function
    or None."""
    match = _PCI.fullmatch(address.strip().lower())
    return (int(match["domain"] or "0", 16), match["slot"], match["function"]) if match else None


def _is_same(one: tuple[int, str, str | None] | None, other: tuple[int, str, str | None] | None) -> bool:
    """Whether both addresses are one device. An address without a function matches any function."""
    if one is None or other is None or one[:2] != other[:2]:
        return False
    return one[2] == other[2] or None in (one[2], other[2])


def _full(address: str) -> str:
    """The address as sysfs writes it."""
    slot = _slot(address)
    if slot is None:
        return address
    return f"{slot[0]:04x}:{slot[1]}" + (f".{slot[2]}" if slot[2] is not None else "")
