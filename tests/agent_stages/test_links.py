"""Links that run below what both ends can, on trees of sysfs as the kernel makes them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises.drive_self_tests import Drive
from agent.host import shell
from agent.parsing import ParseError
from agent.probes.bus import pcilink, usblink
from agent.probes.drives import sataport
from agent.probes.network import ethtool
from agent.probes.smart import smartctl
from agent.reports.partial_report import PartialReport
from agent.stages.inventory_check import links
from agent.stages.smart import stage as smart
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import recorded

PORT, CARD = "0000:00:01.0", "0000:01:00.0"
ROOT_PORT, ENDPOINT, UPSTREAM, DOWNSTREAM = 4, 0, 5, 6
CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


def device(root: Path, path: str, kind: int, **given: Any) -> Path:
    """One PCIe device: x16 at 16 GT/s and able to it, where `given` says nothing else."""
    values = {"current_link_width": 16, "max_link_width": 16, "current_link_speed": 16.0, "max_link_speed": 16.0,
              "class": "0x020000", "target": 4, "vendor": "0x1002", "device": "0x1478", **given}  # fmt: skip
    real = root / "sys/devices/pci0000:00" / path
    real.mkdir(parents=True, exist_ok=True)
    for name in ("current_link_width", "max_link_width", "class", "vendor", "device"):
        (real / name).write_text(f"{values[name]}\n")
    for name in ("current_link_speed", "max_link_speed"):
        (real / name).write_text(f"{values[name]} GT/s PCIe\n")
    config = bytearray(256)
    config[0x34] = 0x40
    config[0x40:0x42] = (0x01, 0x80)  # power management first
    config[0x80:0x82] = (0x10, 0)
    struct.pack_into("<H", config, 0x82, kind << 4 | 2)
    struct.pack_into("<H", config, 0x80 + 0x30, values["target"])
    (real / "config").write_bytes(config)
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / real.name).symlink_to(real)
    return real


def port_and_card(root: Path, card: dict[str, Any] | None = None, **port: Any) -> Path:
    device(root, PORT, ROOT_PORT, **port)
    return device(root, f"{PORT}/{CARD}", ENDPOINT, **(card or {}))


def look(
    root: Path, monkeypatch: pytest.MonkeyPatch, inventory: wire.Inventory | None = None, **limits: Any
) -> dict[tuple[str, str], wire.Severity]:
    monkeypatch.setattr(links, "ROOT", root)
    report = links.look(context("InventoryCheck", root, limits=limits), inventory or wire.Inventory())
    return {(finding.code, finding.component): finding.severity for finding in report.findings}


def test_a_link_at_its_full_width_and_speed_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port_and_card(tmp_path)
    assert look(tmp_path, monkeypatch) == {}


def test_a_half_seated_card_is_found_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = port_and_card(tmp_path, {"current_link_width": 4})
    (card / "nvme/nvme0").mkdir(parents=True)
    (tmp_path / "sys/class/nvme/nvme0").mkdir(parents=True)
    (tmp_path / "sys/class/nvme/nvme0/serial").write_text("NVME-1\n")
    assert look(tmp_path, monkeypatch) == {("pcie.link_reduced", "NVME-1"): CRITICAL}


def test_a_wide_card_in_a_narrow_slot_is_as_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port_and_card(tmp_path, {"current_link_width": 8, "current_link_speed": 8.0}, max_link_width=8, max_link_speed=8.0)
    assert look(tmp_path, monkeypatch) == {}
    assert pcilink.read(CARD, tmp_path) == pcilink.Link(8, 8, 8.0, 8.0, 16.0)


def test_a_slow_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port_and_card(tmp_path, {"current_link_speed": 2.5})
    assert look(tmp_path, monkeypatch) == {("pcie.link_slow", "0000:01:00.0"): CRITICAL}


def test_a_graphics_card_may_idle_slowly_but_not_narrowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port_and_card(tmp_path, {"current_link_speed": 2.5, "class": "0x030000"})
    assert look(tmp_path, monkeypatch) == {}


def test_a_card_that_no_longer_answers_is_named_and_not_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "ROOT", tmp_path)
    card = port_and_card(tmp_path)
    (card / "config").write_bytes(b"\xff" * 4096)
    report = links.look(context("InventoryCheck", tmp_path), wire.Inventory())
    assert [(one.name, one.component, one.outcome) for one in report.checks] == [
        ("pcie_links", CARD, wire.Outcome.NOT_TESTED),
        ("pcie_links", "", wire.Outcome.NOT_TESTED),
    ]
    (card / "physfn").symlink_to(card)
    assert pcilink.silent(tmp_path) == []


def test_a_speed_that_the_firmware_has_set_is_told_and_condemns_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port_and_card(tmp_path, {"current_link_speed": 8.0}, target=3)
    assert look(tmp_path, monkeypatch) == {("pcie.link_limited", "0000:01:00.0"): WARNING}


def test_a_slot_that_is_wired_narrower_than_its_port_says_is_the_profiles_to_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port_and_card(tmp_path, {"current_link_width": 8})
    assert look(tmp_path, monkeypatch, pcie_width_min_percent=50) == {}


def test_ports_that_look_down_and_integrated_devices_are_no_ends_of_a_link(tmp_path: Path) -> None:
    device(tmp_path, PORT, ROOT_PORT)
    device(tmp_path, f"{PORT}/{CARD}", UPSTREAM)
    device(tmp_path, f"{PORT}/{CARD}/0000:02:00.0", DOWNSTREAM, current_link_width=4)
    device(tmp_path, f"{PORT}/{CARD}/0000:02:00.0/0000:03:00.0", ENDPOINT, current_link_width=4, max_link_width=4)
    device(tmp_path, "0000:00:02.0", 9)
    assert pcilink.lower_ends(tmp_path) == [CARD, "0000:03:00.0"]


@pytest.mark.parametrize(
    "config", [b"", bytes(64), b"\xff" * 256, bytes([0] * 52 + [0x40] + [0] * 11 + [0x01, 0x40] * 96)]
)
def test_a_configuration_space_that_makes_no_sense_has_no_capability(tmp_path: Path, config: bytes) -> None:
    card = port_and_card(tmp_path)
    (card / "config").write_bytes(config)
    assert pcilink.lower_ends(tmp_path) == []


def test_a_link_that_is_down_is_unknown(tmp_path: Path) -> None:
    card = port_and_card(tmp_path)
    (card / "current_link_speed").write_text("Unknown\n")
    assert pcilink.read(CARD, tmp_path) is None


# --- network ------------------------------------------------------------------------------------------------------


def test_a_cable_that_lost_a_pair_is_told_from_what_both_ends_offer() -> None:
    modes = ethtool.parse_link(recorded("ethtool", "link-written-downshifted.txt"))
    assert (modes.speed_mbit, modes.best_mbit) == (100, 1000)


def test_a_card_at_less_than_both_ends_can_is_blamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = recorded("ethtool", "link-written-downshifted.txt")
    monkeypatch.setattr(ethtool, "run_link", lambda name: shell.Completed(["ethtool"], 0, page))
    inventory = wire.Inventory(nics=[wire.Nic("eno1", "52:54:00:00:00:01", link=True)])
    assert look(tmp_path, monkeypatch, inventory) == {("network.slow_link", "52:54:00:00:00:01"): CRITICAL}


def test_a_slower_switch_is_no_fault_of_the_card() -> None:
    page = recorded("ethtool", "link-written-downshifted.txt")
    partner = page.index("Link partner advertised link modes")
    old = page[:partner] + page[partner:].replace("1000baseT/Full", "", 1)
    assert ethtool.parse_link(old).best_mbit == 100
    silent = page[:partner] + "Link partner advertised link modes:  Not reported\n" + "\tSpeed: 100Mb/s\n"
    assert ethtool.parse_link(silent).best_mbit is None


def test_a_speed_that_the_card_does_not_offer_is_no_fault() -> None:
    """Realtek's and Intel's multi-gigabit cards support 2.5 Gbit/s, and do not offer it unless they are told to."""
    both = "100baseT/Full\n\t 1000baseT/Full"
    page = "Settings for eth0:\n\tSupported link modes:   {more}\n\tAdvertised link modes:  {own}\n"
    page += f"\tLink partner advertised link modes:  {both} 2500baseT/Full\n\tSpeed: 1000Mb/s\n"
    all_ = f"{both} 2500baseT/Full"
    assert ethtool.parse_link(page.format(more=all_, own=both)).best_mbit == 1000
    assert ethtool.parse_link(page.format(more=all_, own=all_)).best_mbit == 2500
    assert ethtool.parse_link(page.format(more=all_, own="Not reported")).best_mbit == 2500


@pytest.mark.parametrize("text", ["", "no such device", recorded("ethtool", "qemu-q35-e1000e.txt")])
def test_what_is_no_page_of_settings_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        ethtool.parse_link(text)


# --- SATA ---------------------------------------------------------------------------------------------------------


def sata(root: Path, caps: str = "c734ff05", limit: str = "<unknown>", controller: str = "", number: str = "3") -> None:
    """A disk on an AHCI port. `controller` is the PCI device of an Intel one, `number` the port's, from 1."""
    pci = root / "sys/devices/pci0000:00/0000:00:1f.2"
    block = pci / "ata3/host2/target2:0:0/2:0:0:0/block/sda"
    block.mkdir(parents=True)
    (pci / "vendor").write_text("0x8086\n" if controller else "0x1022\n")
    (pci / "device").write_text(f"{controller or '0x7901'}\n")
    for path, text in (
        ("scsi_host/host2/ahci_host_caps", caps), ("ata_link/link3/hw_sata_spd_limit", limit),
        ("ata_port/ata3/port_no", number),
    ):  # fmt: skip
        (root / "sys/class" / path).parent.mkdir(parents=True)
        (root / "sys/class" / path).write_text(f"{text}\n")
    (root / "sys/block").mkdir(parents=True)
    (root / "sys/block/sda").symlink_to(block)


@pytest.mark.parametrize(
    ("caps", "limit", "most"),
    [("c734ff05", "<unknown>", 6.0), ("c724ff05", "", 3.0), ("c734ff05", "3.0 Gbps", 3.0), ("", "", None)],
)
def test_an_ahci_port_tells_what_it_can(tmp_path: Path, caps: str, limit: str, most: float | None) -> None:
    sata(tmp_path, caps, limit)
    assert sataport.of("sda", tmp_path) == (most and (most, most))


CPT, PATSBURG, PANTHER, LYNX, RAID, WILDCAT = "0x1c02", "0x1d02", "0x1e02", "0x8c02", "0x2822", "0x8c82"


@pytest.mark.parametrize(
    ("controller", "number", "caps", "speeds"),
    [
        (CPT, "1", "c734ff05", (6, 6)),
        (CPT, "2", "c734ff05", (6, 3)),
        (CPT, "3", "c734ff05", (3, 3)),
        (PANTHER, "6", "c734ff05", (3, 3)),
        (PATSBURG, "2", "c734ff05", (6, 6)),
        (PATSBURG, "3", "c734ff05", (3, 3)),
        (PATSBURG, "", "c734ff05", (6, 3)),
        (LYNX, "1", "c734ff05", (6, 3)),
        (RAID, "5", "c734ff05", (6, 3)),
        (WILDCAT, "5", "c734ff05", (6, 6)),
        (CPT, "5", "c724ff05", (3, 3)),
        (CPT, "5", "c714ff05", (1.5, 1.5)),
    ],
)
def test_some_ports_of_older_chipsets_are_slower_than_their_controller_says(
    tmp_path: Path, controller: str, number: str, caps: str, speeds: tuple[float, float]
) -> None:
    sata(tmp_path, caps, controller=controller, number=number)
    assert sataport.of("sda", tmp_path) == speeds


def test_a_sata_drive_on_a_sas_adapter_has_its_phys_rate(tmp_path: Path) -> None:
    port = tmp_path / "sys/devices/pci0/host0/port-0:1"
    (port / "end_device-0:1/target0:0:1/0:0:1:0/block/sdb").mkdir(parents=True)
    phy = port / "phy-0:1/sas_phy/phy-0:1"
    phy.mkdir(parents=True)
    (phy / "maximum_linkrate_hw").write_text("12.0 Gbit\n")
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block/sdb").symlink_to(port / "end_device-0:1/target0:0:1/0:0:1:0/block/sdb")
    assert sataport.of("sdb", tmp_path) == (12.0, 12.0)


SOUND, UNSURE, BAD = (wire.Outcome.PASSED, None), (wire.Outcome.NOT_TESTED, WARNING), (wire.Outcome.FAILED, CRITICAL)


@pytest.mark.parametrize(
    ("now", "port", "right"),
    [
        (15, (6.0, 6.0), BAD), (30, (6.0, 6.0), BAD), (60, (6.0, 6.0), SOUND),
        (30, (3.0, 3.0), SOUND), (15, (3.0, 3.0), BAD),
        (60, (6.0, 3.0), SOUND), (30, (6.0, 3.0), UNSURE), (15, (6.0, 3.0), BAD),
        (15, None, None),
    ],
)  # fmt: skip
def test_a_sata_link_is_judged_by_what_drive_and_port_can(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    now: int,
    port: tuple[float, float] | None,
    right: tuple[wire.Outcome, wire.Severity | None] | None,
) -> None:
    speeds = ", ".join(
        f'"{which}": {{"units_per_second": {units}, "bits_per_unit": 100000000}}'
        for which, units in (("max", 60), ("current", now))
    )
    reading = smartctl.parse('{"smartctl": {"exit_status": 0}, "interface_speed": {' + speeds + "}}")
    monkeypatch.setattr(sataport, "of", lambda name: port and sataport.Speeds(*port))
    report = PartialReport()
    smart._link(context("SMART", tmp_path), Drive(smartctl.of_disk("sda"), "sda", "S1"), reading, report)
    outcome, severity = right or (None, None)
    assert [check.outcome for check in report.checks] == ([outcome] if outcome else [])
    assert [(one.code, one.severity) for one in report.findings] == ([("disk.link_slow", severity)] if severity else [])


def test_a_drive_of_6_gbit_on_a_port_of_3_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As WDC WD30EFRX on the sixth port of such a host: `SATA link up 3.0 Gbps (SStatus 123 SControl 300)`."""
    sata(tmp_path, controller=CPT, number="6")
    of = sataport.of
    monkeypatch.setattr(sataport, "of", lambda name: of(name, tmp_path))
    speed = '{{"units_per_second": {}, "bits_per_unit": 100000000}}'.format
    speeds = f'{{"max": {speed(60)}, "current": {speed(30)}}}'
    reading = smartctl.parse(f'{{"smartctl": {{"exit_status": 0}}, "interface_speed": {speeds}}}')
    report = PartialReport()
    smart._link(context("SMART", tmp_path), Drive(smartctl.of_disk("sda"), "sda", "S1"), reading, report)
    assert (report.findings, [check.outcome for check in report.checks]) == ([], [wire.Outcome.PASSED])


# --- USB ----------------------------------------------------------------------------------------------------------

SUPERSPEED = bytes.fromhex("050f160002071002020000000a1003000e00030aff07")


@pytest.mark.parametrize(
    ("speed", "descriptor", "has_peer", "is_slow"),
    [
        ("480", SUPERSPEED, True, True),
        ("5000", SUPERSPEED, True, False),
        ("480", SUPERSPEED, False, False),
        ("480", bytes.fromhex("050f0c000107100202000000"), True, False),
        ("480", b"\x05\x0f\x00\x00\x01\x00\x10\x03", True, False),
        ("480", b"", True, False),
    ],
)
def test_a_superspeed_device_at_high_speed_is_told_where_the_connector_can_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: str, descriptor: bytes, has_peer: bool, is_slow: bool
) -> None:
    usb = tmp_path / "sys/bus/usb/devices/1-3"
    (usb / "port").mkdir(parents=True)
    (usb / "speed").write_text(speed)
    (usb / "product").write_text("Stick")
    (usb / "bos_descriptors").write_bytes(descriptor)
    if has_peer:
        (usb / "port/peer").mkdir()
    assert bool(usblink.slow(tmp_path)) is is_slow
    assert (("usb.link_slow", "system") in look(tmp_path, monkeypatch)) is is_slow


PEX, SWITCHTEC, NAVI, VEGA = ("0x10b5", "0x8747"), ("0x11f8", "0x8533"), ("0x1002", "0x1478"), ("0x1022", "0x1470")
X570, DG2, NVIDIA = ("0x1022", "0x57ad"), ("0x8086", "0x4fa1"), ("0x10de", "0x2684")
AMD, ARC = ("0x1002", "0x73df"), ("0x8086", "0x56a0")


def idle_card_behind(root: Path, switch: tuple[str, str], card: tuple[str, str]) -> None:
    """A switch with a card below it. Its upper link, the card's and that of the card's sound are at 2.5 GT/s."""
    slow: dict[str, Any] = {"current_link_speed": 2.5}
    bridge = {"class": "0x060400", "vendor": switch[0], "device": switch[1]}
    chip = {"vendor": card[0], "device": card[1]}
    device(root, PORT, ROOT_PORT)
    upstream, downstream = f"{PORT}/{CARD}", f"{PORT}/{CARD}/0000:02:00.0"
    device(root, upstream, UPSTREAM, **slow, **bridge)
    device(root, downstream, DOWNSTREAM, **bridge)
    device(root, f"{downstream}/0000:03:00.0", ENDPOINT, **slow, **chip, **{"class": "0x030000"})
    device(root, f"{downstream}/0000:03:00.1", ENDPOINT, **slow, **chip, **{"class": "0x040300"})


@pytest.mark.parametrize(("switch", "card"), [(NAVI, AMD), (VEGA, AMD), (DG2, ARC)])
def test_a_card_that_idles_slowly_is_no_finding_with_any_of_its_functions(
    switch: tuple[str, str], card: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sound, too, and the port of a switch that some have in front."""
    idle_card_behind(tmp_path, switch, card)
    assert look(tmp_path, monkeypatch) == {}


@pytest.mark.parametrize(
    ("switch", "card"), [(PEX, NVIDIA), (SWITCHTEC, NVIDIA), (PEX, AMD), (X570, AMD), (X570, NVIDIA)]
)
def test_a_servers_switch_is_not_excused_by_the_cards_in_it(
    switch: tuple[str, str], card: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver lowers the link of its own card. The cards share the link above the switch, which stays as it is."""
    idle_card_behind(tmp_path, switch, card)
    assert look(tmp_path, monkeypatch) == {("pcie.link_slow", CARD): CRITICAL}


def test_a_card_with_a_switch_of_its_own_is_excused_in_a_servers_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the two chips of AMD's Pro V340L behind a PM8533. The link above the PM8533 is judged."""
    slow: dict[str, Any] = {"current_link_speed": 2.5, "class": "0x060400"}
    device(tmp_path, PORT, ROOT_PORT)
    path = f"{PORT}/{CARD}"
    device(tmp_path, path, UPSTREAM, **slow, vendor=SWITCHTEC[0], device=SWITCHTEC[1])
    path += "/0000:02:00.0"
    device(tmp_path, path, DOWNSTREAM, vendor=SWITCHTEC[0], device=SWITCHTEC[1])
    path += "/0000:04:00.0"
    device(tmp_path, path, UPSTREAM, **slow, vendor=VEGA[0], device=VEGA[1])
    path += "/0000:05:00.0"
    device(tmp_path, path, DOWNSTREAM, vendor=VEGA[0], device=VEGA[1])
    device(tmp_path, f"{path}/0000:06:00.0", ENDPOINT, vendor=AMD[0], **{**slow, "class": "0x038000"})
    assert look(tmp_path, monkeypatch) == {("pcie.link_slow", CARD): CRITICAL}
