"""QEMU's command line, from the machine file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.rack import machinefile, qemu
from tests.rack.bay import Bay

BAY = Bay(Path("/bay"))
NICS = [
    {"model": "virtio", "mac": "52:54:00:00:00:01", "speed_mbit": 100},
    {"model": "e1000e", "mac": "52:54:00:00:00:02"},
]


def words(**file: Any) -> list[str]:
    machine = machinefile.parse({"name": "m", "nics": NICS, "outcome": {}, **file}, "m.yaml")
    return qemu.command_line(machine, BAY, qemu.Cabling(taps=("tap0", "tap1"), accel="tcg"))


def devices(**file: Any) -> list[str]:
    command = words(**file)
    return [command[n + 1] for n, word in enumerate(command) if word == "-device"]


def test_a_uefi_machine_boots_with_its_own_pxe_client() -> None:
    nic = next(device for device in devices(firmware="uefi") if device.startswith("virtio-net-pci"))
    assert nic.endswith("speed=100,duplex=full,bootindex=1,romfile=")
    assert any("if=pflash,unit=0" in word for word in words(firmware="uefi"))


def test_a_bios_machine_boots_with_the_roms_pxe_client() -> None:
    nic = next(device for device in devices(firmware="bios") if device.startswith("virtio-net-pci"))
    assert "romfile" not in nic
    assert not any("pflash" in word for word in words(firmware="bios"))


def test_only_the_first_card_boots() -> None:
    second = next(device for device in devices() if device.startswith("e1000e"))
    assert "bootindex" not in second and second.endswith("romfile=")


def test_the_network_comes_before_the_disks_in_the_boot_order() -> None:
    disks = [{"bus": "nvme", "size_mb": 8, "serial": "N"}, {"bus": "sata", "size_mb": 8, "serial": "S"}]
    found = devices(disks=disks)
    assert "nvme-ns,bus=nvme0,drive=disk0,bootindex=2" in found
    assert "ide-hd,id=hd1,bus=ide.0,drive=disk1,serial=S,bootindex=3,model=ACME SATA" in found


def test_a_stick_is_not_booted_from() -> None:
    stick = next(d for d in devices(disks=[{"bus": "usb", "size_mb": 8, "serial": "U"}]) if d.startswith("usb-storage"))
    assert "bootindex" not in stick


def test_a_slow_disk_is_throttled() -> None:
    command = words(disks=[{"bus": "sata", "size_mb": 8, "serial": "S", "bps_total": 1000, "iops_total": 5}])
    group = json.loads(command[command.index("-object") + 1])
    assert group["limits"] == {"bps-total": 1000, "iops-total": 5}
    assert json.loads(command[command.index("-blockdev") + 1])["throttle-group"] == group["id"]


def test_a_machine_without_a_bmc_has_no_ipmi() -> None:
    assert not any("ipmi" in device for device in devices())
    assert "ipmi-bmc-extern,id=bmc0,chardev=bmc" in devices(bmc={"present": True})


def test_the_firmware_says_what_the_file_says_with_its_commas() -> None:
    said = words(system={"manufacturer": "Größe, Maß", "board": "A\x07"})
    assert any(word.startswith("type=1,manufacturer=Größe,, Maß,version=1,product=Virtual rack,") for word in said)
    assert any("product=A\x07,serial=BOARD-m" in word for word in said)


def test_memory_that_others_have_too_is_a_shared_file() -> None:
    machine = machinefile.parse({"name": "m", "memory_mb": 2048, "nics": NICS, "outcome": {}}, "m.yaml")
    shared = qemu.command_line(machine, BAY, qemu.Cabling(taps=("tap0", "tap1"), accel="tcg", memory=7))
    assert shared[shared.index("-machine") + 1] == "q35,graphics=off,memory-backend=memory"
    assert "memory-backend-file,id=memory,size=2048M,share=on,mem-path=/proc/self/fd/7" in shared
    assert not any("memory-backend" in word for word in words())


def test_settings_stand_on_qemus_command_line() -> None:
    settings = {"virtualization": False, "iommu": True, "smt": True, "numa_nodes": 2, "tpm": "2.0"}
    line = words(cpus=4, settings=settings)
    text = " ".join(line)
    assert "-cpu max,vmx=off,svm=off,vendor=GenuineIntel" in text
    assert "-smp 4,sockets=2,cores=1,threads=2" in text
    assert "node,nodeid=1,memdev=node1" in text and "cpu,node-id=1,socket-id=1" in text
    assert text.index("intel-iommu,intremap=off") < text.index("virtio-net-pci")
    assert "tpm-tis,tpmdev=tpm0" in text
