"""What the absence of errors proves about a link: bits that were carried, and the rate that they exclude."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import findings
from agent.contract import wire
from agent.counters import counter_checks, counting, error_bounds, pcie_ends
from agent.counters.component_names import Names
from agent.counters.error_bounds import Bound
from agent.sensors.chip import Part
from tests.agent.hardware import Hardware, book_of, put

MAC, SERIAL = "52:54:00:00:00:01", "S1"
INVENTORY = wire.Inventory(disks=[wire.Disk("nvme0n1", SERIAL, "", "nvme", 1000)])
NIC, DISK = ("nic", MAC), ("disk", SERIAL)
COUNTS = {("nic.rx_crc_errors", *NIC): 0, ("aer.damaged.0000:5e:00.0", *DISK): 0}


def delta(counter: str, part: tuple[str, str], rise: int) -> wire.CounterDelta:
    return wire.CounterDelta(counter, *part, before=5, after=5 + rise)


def test_the_bytes_that_links_carried_are_read(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/net/eno1/address", MAC)
    put(tmp_path, "sys/class/net/eno1/device/vendor", "0x8086")
    put(tmp_path, "sys/class/net/eno1/statistics/rx_bytes", 1000)
    put(tmp_path, "sys/block/nvme0n1/stat", "8 0 100 5 9 0 28 7 0 0 0")
    found = error_bounds.carried(Names(tmp_path, INVENTORY))
    assert found == {NIC: 1000, DISK: 128 * 512}


def test_no_error_in_so_many_bits_excludes_a_rate_by_the_rule_of_three() -> None:
    (one,) = error_bounds.bounds({NIC: 10}, {NIC: 10 + 262_500_000_000}, COUNTS, [])
    assert one == Bound("nic", MAC, 2_100_000_000_000, 0)
    assert one.words() == "no error in 2.1e12 bits: below 1.4e-12 with 95 %"
    assert error_bounds.numbers([one]) == {
        f"link_gbit.{MAC}": 2100.0,
        f"link_error_rate_per_tbit.{MAC}": pytest.approx(1.43, abs=0.01),
    }


@pytest.mark.parametrize(("errors", "mean"), [(0, 3.0), (1, 4.744), (3, 7.754), (10, 16.96), (100, 118.08)])
def test_errors_raise_the_bound_as_poissons_table_says(errors: int, mean: float) -> None:
    assert error_bounds.most_expected(errors) == pytest.approx(mean, rel=0.002)


def test_damage_of_the_link_counts_and_nothing_else() -> None:
    moved = {NIC: 10**10, DISK: 10**10}
    deltas = [
        delta("nic.rx_crc_errors", NIC, 3),
        delta("nic.link_down", NIC, 1),
        delta("aer.damaged.0000:5e:00.0", DISK, 1),
        delta("aer.correctable.0000:5e:00.0", DISK, 9),
        delta("smart.media_errors", DISK, 4),
    ]
    found = error_bounds.bounds({NIC: 0, DISK: 0}, moved, COUNTS, deltas)
    assert [(one.component, one.errors) for one in found] == [(MAC, 3), (SERIAL, 1)]
    assert found[1].words() == "1 error in 8.0e10 bits: below 5.9e-11 with 95 %"


@pytest.mark.parametrize(
    ("before", "after", "counts", "errors"),
    [
        ({NIC: 0}, {NIC: 10**8}, COUNTS, 0),  # too little was carried
        ({}, {NIC: 10**10}, COUNTS, 0),  # what was there before is unknown
        ({NIC: 10**10}, {NIC: 5}, COUNTS, 0),  # the card was reset
        ({NIC: 0}, {NIC: 10**10}, {}, 0),  # nobody counts its damage
        ({NIC: 0}, {NIC: 10**10}, {("nic.link_down", *NIC): 0}, 0),
        ({NIC: 0}, {NIC: 10**10}, COUNTS, 5000),  # it is bad, whatever the bound
    ],
)
def test_without_a_measurement_there_is_no_bound(
    before: dict[tuple[str, str], int], after: dict[tuple[str, str], int], counts: counting.Counts, errors: int
) -> None:
    deltas = [delta("nic.rx_crc_errors", NIC, errors)] if errors else []
    assert error_bounds.bounds(before, after, counts, deltas) == []


def test_the_check_says_what_was_proved(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {("nic.rx_crc_errors", *NIC): 0}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    bounds = [Bound("nic", MAC, 2_100_000_000_000, 0), Bound("disk", SERIAL, 10**12, 0)]
    (check,) = [one for one in counter_checks.made([], book, True, (), bounds) if one.name == "counters.nics"]
    assert (check.outcome, check.reason) == (
        wire.Outcome.PASSED,
        f"{MAC}: no error in 2.1e12 bits: below 1.4e-12 with 95 %",
    )


# The configuration space of a device with a PCI Express capability at 0x40 of this kind: 0 endpoint, 4 root port.
def _config(kind: int) -> bytes:
    space = bytearray(256)
    space[0x34] = 0x40
    space[0x40:0x44] = bytes([0x10, 0, 2 | kind << 4, 0])
    return bytes(space)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    port = tmp_path / "sys/devices/pci0000:5d/0000:5d:00.0"
    card = port / "0000:5e:00.0"
    card.mkdir(parents=True)
    (port / "config").write_bytes(_config(4))
    (card / "config").write_bytes(_config(0))
    inside = tmp_path / "sys/devices/pci0000:00/0000:00:02.0"
    inside.mkdir(parents=True)
    (inside / "config").write_bytes(_config(0))
    devices = tmp_path / "sys/bus/pci/devices"
    devices.mkdir(parents=True)
    for device in (port, card, inside):
        (devices / device.name).symlink_to(device)
    return tmp_path


@pytest.mark.parametrize("slot", ["0000:5d:00.0", "0000:5e:00.0"])
def test_a_pcie_error_names_both_ends_of_its_link(linked: Path, slot: str) -> None:
    words = pcie_ends.words(delta(f"aer.damaged.{slot}", ("disk", SERIAL), 3), linked)
    assert words == "link 0000:5d:00.0 - 0000:5e:00.0"


def test_what_a_port_received_is_of_the_drive_that_is_plugged_into_it(linked: Path) -> None:
    (linked / "sys/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/nvme/nvme0").mkdir(parents=True)
    put(linked, "sys/class/nvme/nvme0/serial", SERIAL)
    names = Names(linked, INVENTORY)
    assert names.part("pci", "0000:5d:00.0") == names.part("pci", "0000:5e:00.0") == Part("disk", SERIAL)


def test_a_port_whose_device_is_no_known_part_keeps_its_own_name(linked: Path) -> None:
    for slot in ("0000:5d:00.0", "0000:00:02.0", "0000:99:00.0"):
        assert Names(linked, INVENTORY).part("pci", slot) == Part("system", slot)


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        ("pcie.uncorrected", "pcieport 0000:5d:00.0: AER: failed", "pcieport 0000:5d:00.0: AER: failed: {}"),
        ("pcie.corrected", "0000:5e:00.0 has 3: {}", "0000:5e:00.0 has 3: {}"),
        ("pcie.corrected", "0000:00:02.0 has 3", "0000:00:02.0 has 3"),
        ("system.part_gone", "0000:5e:00.0 is gone", "0000:5e:00.0 is gone"),
    ],
    ids=["of the log", "of a counter", "without a link", "no error of a link"],
)
def test_a_message_names_both_ends_once(linked: Path, code: str, said: str, message: str) -> None:
    link = "link 0000:5d:00.0 - 0000:5e:00.0"
    finding = findings.make(code, "disk", SERIAL, said.format(link))
    assert pcie_ends.named(finding, linked).message == message.format(link)


@pytest.mark.parametrize("counter", ["aer.damaged.0000:00:02.0", "aer.damaged.0000:99:00.0", "nic.rx_crc_errors"])
def test_a_counter_without_a_link_names_no_ends(linked: Path, counter: str) -> None:
    assert pcie_ends.words(delta(counter, NIC, 3), linked) == ""


def test_the_finding_has_both_ends(linked: Path) -> None:
    deltas = [delta("aer.damaged.0000:5e:00.0", ("disk", SERIAL), 3)]
    (found,) = counting.judged(deltas, {}, 60.0, lambda one: pcie_ends.words(one, linked))
    assert found.code == "pcie.corrected" and "link 0000:5d:00.0 - 0000:5e:00.0" in found.message
