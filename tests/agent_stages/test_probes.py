"""Parsers on whole recorded outputs (tests/recorded/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.parsing import ParseError, clean, identifier, is_dummy
from agent.probes.bmc import ipmitool, redundancy, sel, supplies
from agent.probes.board import dmidecode, dmimemory, lscpu, lshw, meminfo
from agent.probes.bus import lspci
from agent.probes.drives import disks, lsblk, nvme, util_linux
from agent.probes.gpu import gpus, nvidia_smi
from agent.probes.network import addresses, ethtool
from agent.sensors.chip import Part
from tests.agent.hardware import put
from tests.agent_stages.recordings import recorded

PARSERS = {
    "dmidecode": dmidecode.parse,
    "lscpu": lscpu.parse,
    "lspci": lspci.parse,
    "lsblk": lsblk.parse,
    "lshw": lshw.parse,
    "ethtool": ethtool.parse_driver,
    "nvme": nvme.parse,
    "nvidia_smi": nvidia_smi.parse,
    "meminfo": meminfo.parse,
    "mc_info": ipmitool.parse_mc_info,
    "dcmi": ipmitool.parse_dcmi_power,
    "addresses": addresses.parse,
    "wipefs": util_linux.parse_wipefs,
}
RUBBISH = [
    "{",
    "}{",
    "[]",
    "null",
    "\x00\xff",
    "Segmentation fault",
    '{"smartctl": 3}',
    "[" * 100_000,
    "<a",
    "a|b|c\n",
    "1",
]
EMPTY_IS_AN_ANSWER = {"addresses"}


@pytest.mark.parametrize("tool", PARSERS)
@pytest.mark.parametrize("text", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_a_parse_error_and_nothing_else(tool: str, text: str) -> None:
    try:
        answer = PARSERS[tool](text)
    except ParseError:
        return
    assert not answer, "rubbish was taken for an answer"


@pytest.mark.parametrize("tool", sorted(set(PARSERS) - EMPTY_IS_AN_ANSWER))
def test_silence_is_a_parse_error(tool: str) -> None:
    with pytest.raises(ParseError):
        PARSERS[tool]("")


def test_dmidecode_names_system_and_modules() -> None:
    structures = dmidecode.parse(recorded("dmidecode", "qemu-q35.txt"))
    assert dmidecode.system(structures).serial == "SYS-1"
    assert dmidecode.system(structures).uuid == "11111111-2222-3333-4444-555555555555"
    assert dmimemory.dimms(structures) == [wire.Dimm("DIMM_A 0", 3072, "D-0001", "ACME-3G", "ACME", None)]


def test_dmidecode_leaves_out_empty_slots_and_tells_equal_locators_apart() -> None:
    slots = [("P0 CHANNEL A", "32 GB"), ("P0 CHANNEL B", "32 GB"), ("P0 CHANNEL C", "No Module Installed")]
    text = "\n\n".join(
        f"Handle 0x{n:04X}, DMI type 17, 40 bytes\nMemory Device\n\tSize: {size}\n\tLocator: DIMM 0\n"
        f"\tBank Locator: {bank}\n\tSerial Number: S{n}x\n\tConfigured Memory Speed: 3200 MT/s"
        for n, (bank, size) in enumerate(slots)
    )
    found = dmimemory.dimms(dmidecode.parse(text))
    assert [dimm.locator for dimm in found] == ["P0 CHANNEL A DIMM 0", "P0 CHANNEL B DIMM 0"]
    assert [(dimm.size_mb, dimm.speed_mts) for dimm in found] == [(32768, 3200)] * 2


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ("32 GB", 32768), ("32 GiB", 32768), ("16384 MiB", 16384), ("1 TiB", 1 << 20), ("512 kiB", 1),
        ("65536 bytes", 1), ("0 GiB", 0), ("No Module Installed", 0), ("Unknown", None), ("32 iB", None),
    ],
)  # fmt: skip
def test_a_size_is_read_in_the_units_of_old_and_new_versions(told: str, size: int | None) -> None:
    assert dmimemory.size_mb(told) == size


@pytest.mark.parametrize("unit", ["GB", "GiB"])
def test_optane_in_memory_mode_is_ram_in_the_units_of_old_and_new_versions(unit: str) -> None:
    text = (
        "Handle 0x1102, DMI type 17, 84 bytes\nMemory Device\n\tSize: 126 GB\n\tLocator: A2\n"
        "\tMemory Technology: Intel Optane DC persistent memory\n\tVolatile Size: 126 GB\n\tNon-Volatile Size: None\n"
    )
    (found,) = dmimemory.dimms(dmidecode.parse(text.replace("GB", unit)))
    assert (found.size_mb, found.ram_mb, found.persistent) == (126 * 1024, None, True)


@pytest.mark.parametrize(("told", "speed"), [("5600 MT/s", 5600), ("32768 MT/s", None), ("Unknown", None)])
def test_a_speed_that_no_module_has_is_not_known(told: str, speed: int | None) -> None:
    text = f"Handle 0x0011, DMI type 17, 40 bytes\nMemory Device\n\tSize: 4 GB\n\tConfigured Memory Speed: {told}\n"
    assert [one.speed_mts for one in dmimemory.dimms(dmidecode.parse(text))] == [speed]


def test_a_modules_name_does_not_change_when_its_neighbour_is_dead() -> None:
    slots = [("P0 CHANNEL A", "32 GB"), ("P0 CHANNEL B", "No Module Installed")]
    text = "\n\n".join(
        f"Handle 0x{n:04X}, DMI type 17, 40 bytes\nMemory Device\n\tSize: {size}\n\tLocator: DIMM 0\n"
        f"\tBank Locator: {bank}"
        for n, (bank, size) in enumerate(slots)
    )
    assert [dimm.locator for dimm in dmimemory.dimms(dmidecode.parse(text))] == ["P0 CHANNEL A DIMM 0"]


def test_a_slot_without_a_name_keeps_its_number_beside_an_empty_one() -> None:
    text = "\n\n".join(
        f"Handle 0x{n:04X}, DMI type 17, 40 bytes\nMemory Device\n\tSize: {size}"
        for n, size in enumerate(("No Module Installed", "32 GB"))
    )
    assert [dimm.locator for dimm in dmimemory.dimms(dmidecode.parse(text))] == ["slot 1"]


def test_lscpu_counts_sockets_and_cores() -> None:
    cpu = lscpu.parse(recorded("lscpu", "qemu-q35.json"))
    assert (cpu.sockets, cpu.cores, cpu.threads) == (1, 2, 2)


def test_lscpu_takes_a_bare_dash_for_unknown() -> None:
    rows = [{"field": "CPU(s):", "data": "4"}, {"field": "Socket(s):", "data": "-"}]
    assert lscpu.parse(json.dumps({"lscpu": rows})).cores == 4


def test_lspci_gives_slots_with_their_domain() -> None:
    devices = lspci.parse(recorded("lspci", "qemu-q35.txt"))
    assert ("0000:00:03.0", "0108", "nvme") in [(d.slot, d.class_id, d.driver) for d in devices]


def test_lshw_is_read_whether_its_top_is_a_list_or_not() -> None:
    text = recorded("lshw", "virtio-vm.json")
    assert lshw.parse(text) == lshw.parse(f"[{text}]")


def test_lsblk_finds_serial_numbers_and_transports() -> None:
    rows = {row.name: row for row in lsblk.parse(recorded("lsblk", "qemu-q35.json"))}
    assert {name: (row.serial, row.transport) for name, row in rows.items()} == {
        "sda": ("SCSI-0001", ""),
        "sdb": ("SATA-0001", "sata"),
        "sdc": ("USB-0001", "usb"),
        "vda": ("VIRT-0001", "virtio"),
        "nvme0n1": ("NVME-0001", "nvme"),
    }


@pytest.mark.parametrize(
    ("path", "bus"),
    [
        ("/sys/devices/pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n1", "nvme"),
        ("/sys/devices/pci0000:00/0000:00:1f.2/ata1/host1/target1:0:0/1:0:0:0/block/sdb", "sata"),
        ("/sys/devices/pci0000:00/0000:00:05.0/virtio2/host0/target0:0:0/0:0:0:0/block/sda", "scsi"),
        ("/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda", "virtio"),
        ("/sys/devices/pci0000:00/0000:00:06.0/usb2/2-1/2-1:1.0/host7/target7:0:0/7:0:0:0/block/sdc", "usb"),
        ("/sys/devices/pci0000:3a/0000:3b:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda", "sas"),
    ],
)
def test_the_bus_is_told_by_the_place_in_sysfs(path: str, bus: str) -> None:
    assert disks.bus_of(path) == bus


@pytest.mark.parametrize("text", ["0x5000C500A", "naa.5000c500a", "5000c500A"])
def test_a_wwn_is_the_same_however_it_is_spelled(text: str) -> None:
    assert disks.same_wwn(text, "0x5000c500a")


def test_an_empty_wwn_is_no_other_empty_wwn() -> None:
    assert not disks.same_wwn("", "")
    assert not disks.same_wwn("0x", "naa.")


def test_a_bmc_without_sensors_of_a_type_is_an_empty_list() -> None:
    assert ipmitool.parse_sdr("") == []
    assert sel.parse(recorded("ipmitool", "qemu-q35-sel-empty.txt")) == []


def test_a_bmc_that_measures_no_power_says_so() -> None:
    with pytest.raises(ParseError, match="no DCMI"):
        ipmitool.parse_dcmi_power(recorded("ipmitool", "qemu-q35-dcmi.txt"))


SUPPLIES = """\
PS1 Status       | C8h | ok  | 10.1 | Presence detected
PS2 Status       | C9h | ok  | 10.2 | Presence detected, Failure detected
PS3 Status       | CAh | ok  | 10.3 |
PS1 Input Power  | 66h | ok  | 10.1 | 120 Watts
PS Redundancy    | 02h | ok  | 10.5 | Redundancy Lost
"""


def test_power_supplies_are_told_by_their_state_sensors_only() -> None:
    sensors = ipmitool.parse_sdr(SUPPLIES)
    found = {supply.name: (supply.present, supply.ok) for supply in supplies.power_supplies(sensors)}
    assert found == {"PS1": (True, True), "PS2": (True, False), "PS3": (False, None)}
    assert [redundancy.lost(sensor) for sensor in sensors if redundancy.is_redundancy(sensor)] == [True]


def test_nvme_controllers_say_whether_they_can_test_themselves() -> None:
    assert nvme.parse(recorded("nvme", "qemu-q35.json")).self_test is False
    assert nvme.parse('{"oacs": 23, "edstt": 20}') == nvme.Controller(True, 20)


def test_a_gpu_with_its_errors_is_read_from_the_documented_schema() -> None:
    (gpu,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v12.xml"))
    assert (gpu.pci, gpu.uncorrected_ecc, gpu.remap_pending, gpu.memory_mb) == ("0000:65:00.0", 3, True, 81559)


def test_xml_with_entities_is_refused() -> None:
    with pytest.raises(ParseError, match="entities"):
        nvidia_smi.parse('<!DOCTYPE a [<!ENTITY b "bbbb">]><nvidia_smi_log>&b;</nvidia_smi_log>')


@pytest.mark.parametrize(
    ("vendor", "kind", "name", "is_card"),
    [
        ("10de", "0302", "GA100 [A100 PCIe 80GB]", True),
        ("1002", "0300", "Navi 31 [Radeon RX 7900 XT]", True),
        ("1002", "0300", "Raphael", False),
        ("1002", "0300", "Cezanne [Radeon Vega Series / Radeon Vega Mobile Series]", False),
        ("10de", "0403", "GA102 High Definition Audio Controller", False),
        ("1a03", "0300", "ASPEED Graphics Family", False),
        ("8086", "0300", "UHD Graphics 630", False),
    ],
)
def test_only_cards_count_as_gpus(vendor: str, kind: str, name: str, is_card: bool) -> None:
    device = lspci.PciDevice("0000:01:00.0", kind, "", vendor, "", "0000", name)
    assert bool(gpus.discrete([device])) is is_card


def test_memory_for_a_test_is_what_is_available_less_the_reserve() -> None:
    known = meminfo.parse(recorded("meminfo", "qemu-q35.txt"))
    total, available = known["MemTotal"], known["MemAvailable"]
    assert meminfo.testable_bytes(available, None, total, 5, 0) == available - int(total * 0.05)
    assert meminfo.testable_bytes(available, 100 << 20, total, 5, 0) == 0
    assert meminfo.testable_bytes(available, None, total, 0, 256 << 20) == available - (256 << 20)


@pytest.mark.parametrize(
    "text", ["", "None", "Not Specified", "0x00", "FFFFFFFF", "00000000-0000-0000-0000-000000000000"]
)
def test_placeholders_are_no_identifiers(text: str) -> None:
    assert is_dummy(text) or text == "0x00"


@pytest.mark.parametrize("text", ["S3Z8NB0K", "WD-WCC4N0", "0F1E2D", "D-0001"])
def test_real_serial_numbers_are_kept(text: str) -> None:
    assert identifier(text) == text


def test_strings_from_hardware_lose_control_and_direction_characters() -> None:
    assert clean("AB\x1b[31m\u202eCD\x00 \n E") == "AB [31m CD E"


def test_addresses_of_all_cards_are_found() -> None:
    assert addresses.parse(recorded("ip", "qemu-q35.json")) == {"enp0s1": "10.0.2.15", "enp0s2": "10.0.2.15"}


def test_signatures_are_told_in_the_words_of_our_own() -> None:
    row = {"device": "sda", "offset": "0x218", "type": "LVM2_member", "uuid": "x", "label": None}
    (signature,) = util_linux.parse_wipefs(json.dumps({"signatures": [row]}))
    assert signature.kind == "lvm"
    assert util_linux.parse_blkid("TYPE=ext4\nLABEL=guests\n")[0].words == "ext4 signature guests"


@pytest.mark.parametrize(
    ("path", "transport", "found"),
    [
        ("pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda", "", True),
        ("pci0000:00/0000:02:00.0/host7/port-7:0/end_device-7:0/target7:0:0/7:0:0:0/block/sda", "", True),
        ("platform/host7/session1/target7:0:0/7:0:0:0/block/sda", "", False),
        ("pci0000:00/0000:05:00.0/host7/rport-7:0-2/target7:0:0/7:0:0:1/block/sda", "", False),
        ("pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", "pcie", True),
        ("virtual/nvme-fabrics/ctl/nvme0/nvme0n1", "tcp", False),
        ("virtual/nvme-fabrics/ctl/nvme0/nvme0n1", "rdma", False),
    ],
)
def test_a_disk_on_another_machine_is_none_of_this_host(path: str, transport: str, found: bool, tmp_path: Path) -> None:
    block = tmp_path / "sys/devices" / path
    block.mkdir(parents=True)
    (block / "size").write_text("2048\n")
    # An NVMe namespace's device is its controller.
    device = block.parent if transport else block.parent.parent
    (block / "device").symlink_to(device)
    if transport:
        (device / "transport").write_text(f"{transport}\n")
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block" / block.name).symlink_to(block)
    assert disks.names(tmp_path) == ([block.name] if found else [])


@pytest.mark.parametrize(("driver", "found"), [("ib_srp", []), ("mpt3sas", ["sda"])])
def test_a_disk_on_another_machine_is_told_by_its_driver_where_its_path_says_nothing(
    driver: str, found: list[str], tmp_path: Path
) -> None:
    """SRP's targets lie directly below the host, like those of a SAS adapter."""
    host = tmp_path / "sys/devices/pci0000:80/0000:81:00.0/host9"
    put(host, "scsi_host/host9/proc_name", driver)
    put(host, "target9:0:0/9:0:0:0/block/sda/size", 2048)
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block/sda").symlink_to(host / "target9:0:0/9:0:0:0/block/sda")
    assert disks.names(tmp_path) == found


@pytest.mark.parametrize(
    ("handler", "wwid", "path", "found"),
    [
        ("rdac", "naa.60080e50002a3f4c0000000000000001", "end_device-0:0", []),
        ("alua", "naa.600c0ff000280000a1b2c35601000000", "end_device-0:0", []),
        # A drive, a volume of a RAID controller, a disk of a virtual machine, a drive of a kernel without handlers.
        ("alua", "naa.5000c500a1b2c3d5", "end_device-0:0", ["sda"]),
        ("detached", "naa.600508b1001c0000000000000000abcd", "end_device-0:0", ["sda"]),
        ("alua", "naa.6506b8d9a515c50c86dda140aaf608bc", "virtio1", ["sda"]),
        ("", "naa.60080e50002a3f4c0000000000000001", "end_device-0:0", ["sda"]),
    ],
)
def test_a_volume_of_an_array_on_sas_is_none_of_this_host(
    handler: str, wwid: str, path: str, found: list[str], tmp_path: Path
) -> None:
    device = tmp_path / f"sys/devices/pci0000:00/0000:02:00.0/host0/port-0:0/{path}/target0:0:0/0:0:0:1"
    put(device, "block/sda/size", 2048)
    put(device, "dh_state", handler)
    put(device, "wwid", wwid)
    (device / "block/sda/device").symlink_to(device)
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block/sda").symlink_to(device / "block/sda")
    assert disks.names(tmp_path) == found
    assert Names(tmp_path).never_fails_the_host(Part("disk", "sda")) is (not found)


def test_a_drive_without_capacity_is_told_and_an_empty_reader_is_not(tmp_path: Path) -> None:
    for name, size, removable in (("sda", 2048, 0), ("sdb", 0, 0), ("sdc", 0, 1), ("sr0", 0, 1), ("loop0", 0, 0)):
        put(tmp_path, f"sys/block/{name}/size", size)
        put(tmp_path, f"sys/block/{name}/removable", removable)
        put(tmp_path, f"sys/block/{name}/device/model", "ST4000NM0034")
    for name, namespace in (("nvme0", "nvme0n1"), ("nvme1", "nvme1c1n1"), ("nvme2", "hwmon3")):
        put(tmp_path, f"sys/class/nvme/{name}/serial", f"S{name[-1]}")
        put(tmp_path, f"sys/class/nvme/{name}/{namespace}/size", 2048)
    told = [("sdb", "ST4000NM0034 has no capacity"), ("nvme2", "a drive S2 has no namespace")]
    assert disks.without_capacity(tmp_path) == told


def test_a_namespace_with_several_paths_is_remote_only_if_all_of_them_are(tmp_path: Path) -> None:
    subsystem = tmp_path / "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    for name, transport in (("nvme0", "tcp"), ("nvme1", "rdma")):
        (subsystem / name).mkdir(parents=True)
        (subsystem / name / "transport").write_text(transport)
    (subsystem / "nvme0n1").mkdir()
    (subsystem / "nvme0n1/size").write_text("2048\n")
    (subsystem / "nvme0n1/device").symlink_to(subsystem)
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block/nvme0n1").symlink_to(subsystem / "nvme0n1")
    assert disks.names(tmp_path) == []
    (subsystem / "nvme1/transport").write_text("pcie")
    assert disks.names(tmp_path) == ["nvme0n1"]
