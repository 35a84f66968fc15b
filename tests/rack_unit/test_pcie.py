"""PCIe errors of a machine file: root ports, and what the guest tells its kernel."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from tests.rack import machinefile, pcie, qemu
from tests.rack.bay import Bay
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.guest import aer

NICS = [
    {"model": "virtio", "mac": "52:54:00:00:00:01"},
    {"model": "e1000", "mac": "52:54:00:00:00:02"},
    {"model": "e1000e", "mac": "52:54:00:00:00:03"},
]
DISKS = [{"bus": "sata", "size_mb": 8, "serial": "S"}, {"bus": "nvme", "size_mb": 8, "serial": "N"}]


def machine(**words: Any) -> machinefile.Machine:
    return machinefile.parse({"name": "m", "nics": NICS, "disks": DISKS, "outcome": {}, **words}, "m.yaml")


def event(**words: Any) -> dict[str, Any]:
    return {"when": "CPUStress", "do": "aer", "target": "N", **words}


def devices(**words: Any) -> list[str]:
    cabling = qemu.Cabling(taps=("tap0", "tap1", "tap2"), accel="tcg")
    command = qemu.command_line(machine(**words), Bay(Path("/bay")), cabling)
    return [command[n + 1] for n, word in enumerate(command) if word == "-device"]


@pytest.mark.parametrize("words", [{"pcie": "root_ports"}, {"events": [event()]}])
def test_each_card_and_nvme_disk_is_behind_a_root_port_of_its_own(words: dict[str, Any]) -> None:
    found = devices(**words)
    ports = [device for device in found if device.startswith("pcie-root-port")]
    assert [port.split(",")[1] for port in ports] == ["id=port-nic0", "id=port-nic2", "id=port-nvme1"]
    assert len({port.rpartition("slot=")[2] for port in ports}) == 3
    plugged = {device.split(",")[1]: device for device in found if ",bus=port-" in device}
    assert ["bus=port-nic0,aer=on" in plugged["id=nic0"], "aer" in plugged["id=nic2"]] == [True, False]
    assert plugged["id=nvme1"].endswith(",bus=port-nvme1")
    assert found.index(ports[2]) < found.index(plugged["id=nvme1"])


def test_without_need_there_are_no_root_ports() -> None:
    assert not any("port-" in device or "aer" in device for device in devices())


def test_an_error_is_corrected_unless_the_file_says_otherwise() -> None:
    events = machine(events=[event(), event(kind="uncorrected"), {"when": "CPUStress", "do": "mce"}]).events
    assert [one.kind for one in events] == ["corrected", "uncorrected", "fatal"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"kind": "fatal"}, "events.0: aer: unknown kind 'fatal'; known are: corrected, uncorrected"),
        ({"do": "mce", "target": None, "kind": "uncorrected"}, "mce: unknown kind 'uncorrected'; known are: fatal,"),
        ({"do": "stop", "target": None, "kind": "fatal"}, "stop: unknown kind 'fatal'; it takes none"),
        ({"target": None}, "aer needs target: the MAC of a NIC or the serial of an NVMe disk"),
        ({"target": "S"}, "aer: target S is none of ['52:54:00:00:00:01', '52:54:00:00:00:03', 'N']"),
        ({"target": "52:54:00:00:00:02"}, "aer: target 52:54:00:00:00:02 is none of"),
    ],
)
def test_an_error_that_cannot_be_is_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(BadMachineFile) as caught:
        machine(events=[event(**words)])
    assert said in str(caught.value)


def test_the_kernel_is_told_address_and_error() -> None:
    record = aer.record("0001:02:1f.3", "corrected")
    assert struct.unpack("<BBBxII4II", record) == (2, 0x1F, 3, 0, 0x40, 0, 0, 0, 0, 1)
    assert struct.unpack_from("<II", aer.record("0000:00:01.0", "uncorrected"), 4) == (0x4000, 0)


def test_the_root_port_reports_for_a_disk_that_cannot(tmp_path: Path) -> None:
    port = tmp_path / "devices/pci0000:00/0000:00:03.0"
    disk, card = port / "0000:03:00.0", tmp_path / "devices/pci0000:00/0000:02:00.0"
    for function in (port, disk, card):
        function.mkdir(parents=True)
        (function / "config").touch()
    for function in (port, card):
        (function / "aer_dev_correctable").touch()
    (card / "virtio0").mkdir()
    for folder, file, said, device in (
        ("class/nvme/nvme0", "serial", "NVME-0001 \n", disk),
        ("class/net/enp2s0", "address", "52:54:00:00:00:01\n", card / "virtio0"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).write_text(said)
        (tmp_path / folder / "device").symlink_to(device)
    assert aer.reporter(aer.function_of("nvme-0001", tmp_path)) == port
    assert aer.reporter(aer.function_of("52:54:00:00:00:01", tmp_path)) == card
    with pytest.raises(SystemExit, match="nothing here is called"):
        aer.function_of("NVME-0002", tmp_path)


def test_without_the_kernels_package_the_rack_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "manifest.json").write_text('{"kernel": "6.12.0"}')
    with pytest.raises(RackBroken, match=r"aer_inject\.ko\.xz from the kernel's package in .*make image leaves it"):
        pcie.module(tmp_path / "image")
