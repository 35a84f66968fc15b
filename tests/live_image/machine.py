"""One boot of the live image in QEMU, with a probe in the agent's place that reports over the second serial port."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live_image import signatures

PROBE = Path(__file__).parent / "probe"
LIMIT_S = 420
MEMORY_MIB = 2048


@dataclass(frozen=True)
class Disk:
    """`device` is QEMU's word for the disk on its bus, `serial` what the guest sees."""

    serial: str
    device: str
    image: Path


@dataclass(frozen=True)
class Booted:
    """What was seen: the probe's report, the console, the manifest, digests of the disks before and after."""

    report: dict[str, Any]
    console: str
    manifest: dict[str, Any]
    before: dict[str, str]
    after: dict[str, str]


def boot(image: Path, directory: Path) -> Booted:
    disks = make_disks(directory)
    before = {disk.serial: digest(disk.image) for disk in disks}
    manifest = json.loads((image / "manifest.json").read_text())
    command = qemu_command(image, with_probe(image, directory), manifest, disks, directory)
    subprocess.run(command, check=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    after = {disk.serial: digest(disk.image) for disk in disks}
    console = (directory / "console").read_text(errors="replace")
    reported = (directory / "report").read_text(errors="replace")
    assert reported, f"the probe said nothing; the console's end:\n{console[-3000:]}"
    return Booted(json.loads(reported), console, manifest, before, after)


def make_disks(directory: Path) -> list[Disk]:
    content = {
        "nvme": signatures.gpt_that_asks_to_be_mounted(directory / "nvme", directory),
        "sata": signatures.ext4(directory / "sata", 64),
        "virtio": signatures.lvm(directory / "virtio"),
        "scsi": signatures.md_raid_member(directory / "scsi"),
        "usb": signatures.swap(directory / "usb", 64),
    }
    device = {
        "nvme": "nvme",
        "sata": "ide-hd,bus=ide.0",
        "virtio": "virtio-blk-pci",
        "scsi": "scsi-hd,bus=scsi.0",
        "usb": "usb-storage,bus=usb.0",
    }
    return [Disk(f"{bus.upper()}-0001", device[bus], path) for bus, path in content.items()]


def with_probe(image: Path, directory: Path) -> Path:
    """The image's initrd and after it the probe as a second one, as iPXE would put them into memory."""
    from builder import cpio

    tree = directory / "second"
    shutil.copytree(PROBE, tree / "usr/lib/vetting/agent")
    joined = directory / "initrd"
    with joined.open("wb") as out:
        out.write(cpio.padded((image / "initrd.zst").read_bytes()))
        # Without an entry for "/" itself: the mode that it has is the image's doing.
        cpio.write_entries(tree, cpio.walk(tree), out, mtime=0)
    return joined


def qemu_command(image: Path, initrd: Path, manifest: dict[str, Any], disks: list[Disk], directory: Path) -> list[str]:
    arguments = [*manifest["kernel_args"], "vetting.url=http://192.0.2.1:8000", "vetting.run=1"]
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35"]
    command += ["-smp", "2", "-m", str(MEMORY_MIB), "-display", "none", "-monitor", "none", "-no-reboot"]
    command += ["-serial", f"file:{directory / 'console'}", "-serial", f"file:{directory / 'report'}"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(initrd), "-append", " ".join(arguments)]
    command += ["-device", "virtio-scsi-pci,id=scsi", "-device", "qemu-xhci,id=usb"]
    command += ["-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"]
    for number, model in enumerate(("e1000e", "virtio-net-pci")):
        command += ["-netdev", f"user,id=net{number},restrict=on", "-device", f"{model},netdev=net{number}"]
    for disk in disks:
        name = f"drive-{disk.serial}"
        command += ["-drive", f"file={disk.image},format=raw,if=none,id={name}"]
        command += ["-device", f"{disk.device},drive={name},serial={disk.serial}"]
    return command


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
