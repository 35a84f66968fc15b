"""The QEMU command line of a machine. Pure: no file is made and no process started here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rack import setup, smbios
from tests.rack.bay import Bay
from tests.rack.machinefile import ON_PCIE, Disk, Machine, Nic

QEMU = "qemu-system-x86_64"
OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
NIC_DEVICES = {"e1000e": "e1000e", "e1000": "e1000", "virtio": "virtio-net-pci", "igb": "igb"}
# Numbers of the root ports' slots, which differ from each other.
FIRST_CARD, FIRST_DRIVE = 1, 101


@dataclass(frozen=True)
class DirectBoot:
    """Kernel, initrds joined into one file, and the kernel's command line, given to QEMU instead of a PXE
    boot."""

    kernel: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True)
class Cabling:
    """What a machine is plugged into: `taps` by NIC, `accel` a value of -accel, `direct` unless it boots over
    PXE, `memory` the descriptor of the file that is its memory, if others have that too."""

    taps: tuple[str, ...]
    accel: str
    direct: DirectBoot | None = None
    memory: int | None = None


def command_line(machine: Machine, bay: Bay, cabling: Cabling) -> list[str]:
    """`first` of the disks and NICs comes first in the boot order: network, then disks, as a PXE-first host
    has it."""
    return [
        QEMU,
        *_board(machine, bay, cabling),
        *_smbios(machine, bay),
        *_channels(bay),
        *(("-gdb", f"unix:{bay.gdb},server=on,wait=off") if machine.bad_core else ()),
        *(_bmc(bay) if machine.bmc.present else ()),
        *_nics(machine, cabling),
        *_disks(machine, bay),
        *_direct(cabling.direct),
    ]


def _board(machine: Machine, bay: Bay, cabling: Cabling) -> list[str]:
    board = ["-name", machine.name, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
    board += [
        "-machine",
        "q35,graphics=off" + ("" if cabling.memory is None else ",memory-backend=memory"),
        "-accel",
        cabling.accel,
        "-cpu",
        setup.cpu(machine, cabling.accel),
        "-m",
        f"{machine.memory_mb}M",
    ]
    if cabling.memory is not None:
        file = f"size={machine.memory_mb}M,share=on,mem-path=/proc/self/fd/{cabling.memory}"
        board += ["-object", f"memory-backend-file,id=memory,{file}"]
    board += ["-smp", setup.topology(machine), "-uuid", machine.uuid, *setup.devices(machine, bay)]
    board += ["-rtc", f"base={machine.clock}"] if machine.clock else []
    if machine.firmware == "uefi":
        board += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}"]
        board += ["-drive", f"if=pflash,unit=1,format=raw,file={bay.firmware_vars}"]
    return board


def _smbios(machine: Machine, bay: Bay) -> list[str]:
    said = machine.system
    maker = f"manufacturer={_quoted(said.manufacturer)},version=1"
    tables = [
        f"type=0,vendor={_quoted(said.bios_vendor)},version={_quoted(said.bios_version)},date=01/01/2026",
        f"type=1,{maker},product={_quoted(said.product)},serial={_quoted(machine.serial)}",
        f"type=2,{maker},product={_quoted(said.board)},serial=BOARD-{machine.name}",
        f"type=3,{maker},serial=CHASSIS-{machine.name}",
        *(f"file={bay.smbios(index)}" for index in range(len(smbios.memory(machine)))),
    ]
    return [word for table in tables for word in ("-smbios", table)]


def _quoted(text: str) -> str:
    """A comma in a value is written twice."""
    return text.replace(",", ",,")


def _channels(bay: Bay) -> list[str]:
    return [
        "-chardev", f"file,id=console,path={bay.console},append=on", "-serial", "chardev:console",
        "-qmp", f"unix:{bay.qmp},server=on,wait=off",
        "-chardev", f"socket,id=port,path={bay.guest_port},server=on,wait=off", "-serial", "chardev:port",
    ]  # fmt: skip


def _bmc(bay: Bay) -> list[str]:
    return [
        "-chardev", f"socket,id=bmc,path={bay.bmc},reconnect=1",
        "-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device", "isa-ipmi-kcs,bmc=bmc0",
    ]  # fmt: skip


def _nics(machine: Machine, cabling: Cabling) -> list[str]:
    words = []
    for index, (nic, tap) in enumerate(zip(machine.nics, cabling.taps, strict=True)):
        words += ["-netdev", f"tap,id=net{index},ifname={tap},script=no,downscript=no"]
        device = _nic_device(machine, nic, index)
        if machine.has_root_ports and nic.model in ON_PCIE:
            port = f"port-nic{index}"
            words += ["-device", _root_port(port, FIRST_CARD + index)]
            device += f",bus={port}" + (",aer=on" if nic.model == "virtio" else "")
        words += ["-device", device]
    return words


def _root_port(name: str, chassis: int) -> str:
    return f"pcie-root-port,id={name},bus=pcie.0,chassis={chassis},slot={chassis}"


def _nic_device(machine: Machine, nic: Nic, index: int) -> str:
    device = f"{NIC_DEVICES[nic.model]},id=nic{index},netdev=net{index},mac={nic.mac}"
    if nic.model == "virtio":
        device += f",speed={nic.speed_mbit},duplex=full"
    if index == 0:
        device += ",bootindex=1"  # 0 is QEMU's own, for a machine that boots directly
    # UEFI brings a virtio driver and a PXE client of its own; the Intel cards need their ROM's driver. Only
    # the first card boots, or every boot from disk would wait for the others to find no server.
    if index > 0 or (machine.firmware == "uefi" and nic.model == "virtio"):
        device += ",romfile="
    return device


def _disks(machine: Machine, bay: Bay) -> list[str]:
    buses = {disk.bus for disk in machine.disks}
    words = ["-device", "virtio-scsi-pci,id=scsi"] if "scsi" in buses else []
    words += ["-device", "qemu-xhci,id=usb"] if "usb" in buses else []
    sata_ports = iter(range(6))
    for index, disk in enumerate(machine.disks):
        if disk.bps_total or disk.iops_total:
            words += ["-object", json.dumps(_throttle_group(disk, index))]
        words += ["-blockdev", json.dumps(blockdev(disk, bay, index))]
        port = next(sata_ports) if disk.bus == "sata" else 0
        controller_at = ""
        if machine.has_root_ports and disk.bus == "nvme":
            words += ["-device", _root_port(f"port-nvme{index}", FIRST_DRIVE + index)]
            controller_at = f",bus=port-nvme{index}"
        devices = _disk_devices(disk, index, port, controller_at)
        words += [word for device in devices for word in ("-device", device)]
    return words


def _disk_devices(disk: Disk, index: int, sata_port: int, controller_at: str) -> list[str]:
    drive, boot = f"drive=disk{index}", f"bootindex={index + 2}"
    name = f"serial={disk.serial}"
    wwn = f",wwn={disk.wwn}" if disk.wwn else ""
    match disk.bus:
        case "nvme":
            eui64 = f",eui64={disk.wwn}" if disk.wwn else ""
            return [f"nvme,id=nvme{index},{name}{controller_at}", f"nvme-ns,bus=nvme{index},{drive},{boot}{eui64}"]
        case "sata":
            return [f"ide-hd,id=hd{index},bus=ide.{sata_port},{drive},{name},{boot},model=ACME SATA{wwn}"]
        case "scsi":
            return [f"scsi-hd,id=hd{index},bus=scsi.0,{drive},{name},{boot},vendor=ACME,product=SCSI{wwn}"]
        case "virtio":
            return [f"virtio-blk-pci,id=hd{index},{drive},{name},{boot}"]
        case _:
            return [f"usb-storage,id=hd{index},bus=usb.0,{drive},{name},removable=on"]


def blockdev(disk: Disk, bay: Bay, index: int) -> dict[str, Any]:
    """The disk's layers from the image up: what corrupts, what fails, what slows down."""
    image: dict[str, Any] = {"driver": "file", "filename": str(bay.image(index))}
    if disk.corrupt_after_write:
        image = {"driver": "nbd", "server": {"type": "unix", "path": str(bay.nbd_socket(index))}}
    if disk.bad_sectors or disk.bad_writes:
        image = {"driver": "blkdebug", "image": image, "inject-error": [*_errors(disk)]}
    node: dict[str, Any] = {"driver": "raw", "file": image}
    if disk.bps_total or disk.iops_total:
        node = {"driver": "throttle", "throttle-group": f"limit{index}", "file": node}
    return {**node, "node-name": f"disk{index}"}


def _errors(disk: Disk) -> list[dict[str, Any]]:
    """Event `none` fires at every request that touches the sector; the guest sees the drive's own EIO."""
    eio = {"event": "none", "errno": 5}
    reads = [{**eio, "iotype": "read", "sector": lba} for lba in disk.bad_sectors]
    return reads + [{**eio, "iotype": "write", "sector": lba} for lba in disk.bad_writes]


def _throttle_group(disk: Disk, index: int) -> dict[str, Any]:
    limits = {"bps-total": disk.bps_total, "iops-total": disk.iops_total}
    return {
        "qom-type": "throttle-group",
        "id": f"limit{index}",
        "limits": {key: value for key, value in limits.items() if value},
    }


def _direct(boot: DirectBoot | None) -> list[str]:
    if boot is None:
        return []
    return ["-kernel", str(boot.kernel), "-initrd", str(boot.initrd), "-append", boot.command_line]
