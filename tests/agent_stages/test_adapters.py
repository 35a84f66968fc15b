"""Which cards stand in the inventory beside disks, network cards and GPUs: InfiniBand ports, storage adapters and
accelerators, from lspci's lines and the kernel's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.probes.board import lscpu
from agent.probes.bus import adapters, lspci
from agent.probes.gpu import gpus
from agent.probes.network import infiniband


def device(slot: str, class_id: str, vendor_id: str, name: str) -> lspci.PciDevice:
    return lspci.PciDevice(slot, class_id, "", vendor_id, "Maker", "0000", name)


# --- storage adapters, InfiniBand cards, accelerators ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_id", "vendor_id", "name", "kind"),
    [
        ("0107", "1000", "SAS3008 PCI-Express Fusion-MPT SAS-3", "storage"),
        ("0104", "1000", "MegaRAID SAS-3 3108 [Invader]", "storage"),
        ("0104", "9005", "Smart Storage PQI SAS", "storage"),
        ("0100", "9005", "AIC-7892A U160/m", "storage"),
        ("0c04", "1077", "ISP2722-based 16/32Gb Fibre Channel to PCIe Adapter", "storage"),
        ("0106", "1b21", "ASM1062 Serial ATA Controller", "storage"),
        ("0106", "8086", "C620 Series Chipset Family SATA Controller [AHCI mode]", ""),
        ("0104", "8086", "C600/X79 series chipset SATA RAID Controller", ""),
        ("0106", "1022", "FCH SATA Controller [AHCI mode]", ""),
        ("0108", "144d", "NVMe SSD Controller PM9A3", ""),
        ("0207", "15b3", "MT28908 Family [ConnectX-6]", "infiniband"),
        ("0208", "8086", "Omni-Path HFI Silicon 100 Series [discrete]", "infiniband"),
        ("0200", "15b3", "MT27800 Family [ConnectX-5]", "network"),
        ("0280", "8086", "Wi-Fi 6 AX200", ""),
        ("1200", "10ee", "Alveo U250 XDMA Platform", "accelerator"),
        ("1200", "1da3", "HL-2000 AI Training Accelerator [Gaudi]", "accelerator"),
        ("0b40", "177d", "CNN55XX [NITROX V]", "accelerator"),
        ("0b40", "8086", "C62x Chipset QuickAssist Technology", ""),
        ("0380", "8086", "ATS-M [Data Center GPU Flex 170]", "accelerator"),
        ("0302", "10de", "GA100 [A100 PCIe 80GB]", ""),
        ("0300", "1a03", "ASPEED Graphics Family", ""),
        ("0300", "102b", "Integrated Matrox G200eW3 Graphics Controller", ""),
        ("0604", "8086", "Sky Lake-E PCI Express Root Port A", ""),
    ],
)
def test_a_card_is_known_by_its_class_and_what_the_chipset_has_is_the_boards(
    class_id: str, vendor_id: str, name: str, kind: str, tmp_path: Path
) -> None:
    driver = "some" if class_id.startswith("01") else ""
    found = adapters.inventory(
        [replace(device("0000:3b:00.0", class_id, vendor_id, name), driver=driver)], [], tmp_path
    )
    assert [(one.kind, one.model) for one in found] == ([(kind, f"Maker {name}")] if kind else [])


def test_a_network_card_that_no_driver_took_is_an_adapter_and_one_with_ports_is_not(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices/0000:06:00.0/physfn").mkdir(parents=True)
    cards = [device(f"0000:0{n}:00.0", "0200", "8086", "I210 Gigabit Unprogrammed") for n in range(3, 7)]
    found = adapters.inventory([replace(cards[0], driver="igb"), *cards[1:]], ["0000:04:00.0"], tmp_path)
    assert [(one.slot, one.kind) for one in found] == [("0000:05:00.0", "network")]


def test_intels_integrated_graphics_are_no_card(tmp_path: Path) -> None:
    assert adapters.inventory([device("0000:00:02.0", "0300", "8086", "UHD Graphics 630")], [], tmp_path) == []


def test_the_functions_of_a_card_are_one_and_two_cards_are_two(tmp_path: Path) -> None:
    slots = ("0000:3b:00.0", "0000:3b:00.1", "0000:5e:00.0")
    found = adapters.inventory([device(slot, "0c04", "1077", "ISP2722") for slot in slots], [], tmp_path)
    assert [one.slot for one in found] == ["0000:3b:00.0", "0000:5e:00.0"]


def test_virtual_functions_are_no_cards_and_a_card_whose_ports_are_told_stands_for_them(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices/0000:3b:00.1/physfn").mkdir(parents=True)
    cards = [device(slot, "0207", "15b3", "MT28908") for slot in ("0000:3b:00.0", "0000:3b:00.1", "0000:5e:00.0")]
    assert [one.slot for one in adapters.inventory(cards, ["0000:3b:00.0"], tmp_path)] == ["0000:5e:00.0"]


def config(*capabilities: tuple[int, bytes]) -> bytes:
    """A configuration space with these extended capabilities, each of 32 bytes."""
    space = bytearray(4096)
    for number, (identifier, content) in enumerate(capabilities):
        at = 0x100 + 32 * number
        following = at + 32 if number + 1 < len(capabilities) else 0
        space[at : at + 4] = (identifier | 1 << 16 | following << 20).to_bytes(4, "little")
        space[at + 4 : at + 4 + len(content)] = content
    return bytes(space)


NUMBER = bytes.fromhex("205d4e0cb0050650")


@pytest.mark.parametrize(
    ("content", "serial"),
    [
        (config((1, b""), (3, NUMBER)), "50-06-05-b0-0c-4e-5d-20"),
        (config((1, b""), (3, bytes(8))), ""),
        (config((3, b"\xff" * 8)), ""),
        (config((1, b"")), ""),
        (config((3, NUMBER))[:256], ""),
        (b"", ""),
        ((b"\x01\x00\x01\x10" * 1024)[:4096], ""),  # a list that leads back to itself
    ],
)
def test_the_serial_number_of_a_card_is_in_its_configuration_space(content: bytes, serial: str, tmp_path: Path) -> None:
    folder = tmp_path / "sys/bus/pci/devices/0000:18:00.0"
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(content)
    assert adapters.serial("0000:18:00.0", tmp_path) == serial


def test_a_number_that_two_cards_have_is_nobodys(tmp_path: Path) -> None:
    for slot in ("0000:18:00.0", "0000:19:00.0"):
        folder = tmp_path / "sys/bus/pci/devices" / slot
        folder.mkdir(parents=True)
        (folder / "config").write_bytes(config((3, NUMBER)))
    cards = [device(slot, "0c04", "1077", "ISP2722") for slot in ("0000:18:00.0", "0000:19:00.0")]
    assert [one.serial for one in adapters.inventory(cards, [], tmp_path)] == ["", ""]


# --- InfiniBand ports -----------------------------------------------------------------------------------------------


def port(root: Path, name: str, layer: str, **files: str) -> None:
    folder = root / "sys/class/infiniband" / name / "ports/1"
    (folder / "gids").mkdir(parents=True)
    pci = root / "sys/devices" / files.pop("pci")
    pci.mkdir(parents=True, exist_ok=True)
    (root / "sys/class/infiniband" / name / "device").symlink_to(pci)
    (folder / "link_layer").write_text(f"{layer}\n")
    (folder / "gids/0").write_text(files.pop("gid"))
    for key, value in files.items():
        (folder / key).write_text(f"{value}\n")


def test_a_port_is_told_by_its_guid_and_has_its_link_and_speed(tmp_path: Path) -> None:
    gid = "fe80:0000:0000:0000:248a:0703:00aa:bbcc\n"
    up = {"phys_state": "5: LinkUp", "state": "2: INIT", "rate": "100 Gb/sec (4X EDR)"}
    down = {"phys_state": "3: Disabled", "state": "1: DOWN", "rate": "10 Gb/sec (4X SDR)"}
    port(tmp_path, "mlx5_0", "InfiniBand", gid=gid, pci="0000:5e:00.0", **up)
    port(tmp_path, "mlx5_1", "InfiniBand", gid=gid.replace("bbcc", "bbcd"), pci="0000:5e:00.1", **down)
    port(tmp_path, "mlx5_2", "Ethernet", gid=gid, pci="0000:af:00.0", **up)
    assert infiniband.ports({"0000:5e:00.0": "ConnectX-6"}, tmp_path) == [
        wire.InfinibandPort("mlx5_0/1", "248a:0703:00aa:bbcc", "0000:5e:00.0", "ConnectX-6", True, 100000),
        wire.InfinibandPort("mlx5_1/1", "248a:0703:00aa:bbcd", "0000:5e:00.1", "", False, None),
    ]


@pytest.mark.parametrize("gid", ["", "garbage", "0000:0000:0000:0000:0000:0000:0000:0000", "fe80::1"])
def test_a_port_without_a_guid_is_nameless(gid: str, tmp_path: Path) -> None:
    port(tmp_path, "mlx4_0", "InfiniBand", gid=gid, pci="0000:5e:00.0", phys_state="5: LinkUp", rate="?")
    [found] = infiniband.ports({}, tmp_path)
    assert (found.guid, found.link, found.speed_mbit) == ("", True, None)


# --- a server's VGA chip ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor_id", "class_id", "name", "is_card"),
    [
        ("1002", "0300", "ES1000", False),
        ("1002", "0300", "Rage XL PCI", False),
        ("1002", "0300", "RV100 [Radeon 7000 / Radeon VE]", False),
        ("1002", "0300", "RS880 [Radeon HD 4250]", False),
        ("1002", "0300", "Wrestler [Radeon HD 6310]", False),
        ("1002", "0300", "Trinity [Radeon HD 7660D]", False),
        ("1002", "0300", "RS482/RS485 [Radeon Xpress 1100/1150]", False),
        ("10de", "0300", "C61 [GeForce 6150SE nForce 430]", False),
        ("10de", "0300", "MCP79 [GeForce 9400]", False),
        ("102b", "0300", "MGA G200e [Pilot] ServerEngines (SEP1)", False),
        ("15ad", "0300", "SVGA II Adapter", False),
        ("1234", "0300", "Bochs/QEMU VGA", False),
        ("10de", "0300", "GK208B [GeForce GT 710]", True),
        ("10de", "0302", "TU104GL [Tesla T4]", True),
        ("1002", "0300", "Ellesmere [Radeon RX 470/480/570/570X/580/580X/590]", True),
        ("1002", "1200", "Aldebaran/MI200 [Instinct MI250X/MI250]", True),
    ],
)  # fmt: skip
def test_a_servers_console_and_a_chipsets_graphics_are_no_gpu(
    vendor_id: str, class_id: str, name: str, is_card: bool
) -> None:
    assert bool(gpus.discrete([device("0000:03:00.0", class_id, vendor_id, name)])) is is_card


# --- processors of several dies ----------------------------------------------------------------------------------


def processors(root: Path, rows: list[tuple[int, int, int, str]]) -> None:
    """CPU number, package, die, threads of its core."""
    for number, package, die, threads in rows:
        topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        for name, value in (("physical_package_id", package), ("die_id", die), ("core_cpus_list", threads)):
            (topology / name).write_text(f"{value}\n")


LSCPU = wire.Cpu(sockets=8, cores=8, threads=16, model="AMD EPYC 7551")


def test_a_package_of_four_dies_is_one_socket_and_threads_multiply_no_core(tmp_path: Path) -> None:
    """Two EPYC of the first series, with core numbers that each die counts anew."""
    rows = [(n, n // 4 % 2, n % 4, f"{n},{n + 8}") for n in range(8)]
    rows += [(n + 8, package, die, threads) for n, package, die, threads in rows]
    processors(tmp_path, rows)
    found = lscpu.with_topology(LSCPU, tmp_path)
    assert (found.sockets, found.cores, found.threads) == (2, 8, 16)


def test_one_core_that_is_offline_takes_no_other_along(tmp_path: Path) -> None:
    """lscpu's 3 cores of 2 sockets are 1 per socket, 2 in all."""
    processors(tmp_path, [(0, 0, 0, "0"), (1, 0, 0, "1"), (2, 1, 0, "2")])
    (tmp_path / "sys/devices/system/cpu/cpu3").mkdir()
    found = lscpu.with_topology(wire.Cpu(sockets=2, cores=2, threads=4), tmp_path)
    assert (found.sockets, found.cores) == (2, 3)


def test_without_a_topology_lscpus_word_stays(tmp_path: Path) -> None:
    assert lscpu.with_topology(LSCPU, tmp_path) == LSCPU
    processors(tmp_path, [(0, -1, 0, "0")])
    assert lscpu.with_topology(LSCPU, tmp_path) == LSCPU
