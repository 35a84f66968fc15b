"""Counters on a tree of files as sysfs has them, and what their moving means."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.counters import command_counters, counter_checks, counting, sources, sysfs_counters
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook, Counts
from agent.counters.port_states import PortStates
from agent.host import shell
from tests.agent.hardware import Hardware, book_of, put
from tests.agent_stages.healthy import sas

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
INVENTORY = wire.Inventory(memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 8192), wire.Dimm("DIMM_B1", 8192)]))


def names(root: Path) -> Names:
    return Names(root, INVENTORY)


def test_sources_are_read_at_once_and_one_that_fails_hides_no_other(tmp_path: Path) -> None:
    at_once, said = threading.Barrier(3, timeout=10), []

    def counts(name: str) -> Counts:
        at_once.wait()
        if name == "gpu.ecc":
            raise OSError("no answer")
        return {(name, "system", "system"): 1}

    sources = [lambda name=name: counts(name) for name in ("edac.ce", "gpu.ecc", "edac.ue")]
    book = CounterBook(sources, tmp_path / "counters.json", lambda level, text: said.append(text))
    book.open_stage()
    assert book.has("edac.ce") and book.has("edac.ue") and not book.has("gpu.ecc")
    assert said == ["error counters could not be read: OSError: no answer"]


def test_memory_errors_are_counted_per_dimm(tmp_path: Path) -> None:
    mc = "sys/devices/system/edac/mc/mc0"
    for number, (label, ce, ue) in enumerate((("CPU0_DIMM_A1", 3, 0), ("CPU0_DIMM_B1", 0, 1))):
        put(tmp_path, f"{mc}/dimm{number}/dimm_label", label)
        put(tmp_path, f"{mc}/dimm{number}/dimm_ce_count", ce)
        put(tmp_path, f"{mc}/dimm{number}/dimm_ue_count", ue)
    put(tmp_path, f"{mc}/ce_noinfo_count", 0)
    put(tmp_path, f"{mc}/ue_noinfo_count", 2)
    assert sysfs_counters.edac(names(tmp_path)) == {
        ("edac.ce", "dimm", "DIMM_A1"): 3,
        ("edac.ue", "dimm", "DIMM_A1"): 0,
        ("edac.ce", "dimm", "DIMM_B1"): 0,
        ("edac.ue", "dimm", "DIMM_B1"): 1,
        ("edac.ce", "system", "system"): 0,
        ("edac.ue", "system", "system"): 2,
    }


def test_older_drivers_count_per_row_and_channel(tmp_path: Path) -> None:
    row = "sys/devices/system/edac/mc/mc0/csrow0"
    put(tmp_path, f"{row}/ch0_ce_count", 4)
    put(tmp_path, f"{row}/ch0_dimm_label", "DIMM_A1")
    put(tmp_path, f"{row}/ue_count", 1)
    found = sysfs_counters.edac(names(tmp_path))
    assert found == {("edac.ce", "dimm", "DIMM_A1"): 4, ("edac.ue", "dimm", "DIMM_A1"): 1}


def test_modules_of_two_controllers_with_one_name_are_counted_together(tmp_path: Path) -> None:
    for controller, count in (("mc0", "7"), ("mc1", "0")):
        module = f"sys/devices/system/edac/mc/{controller}/dimm0"
        put(tmp_path, f"{module}/dimm_label", "DIMM_A1")
        put(tmp_path, f"{module}/dimm_ce_count", count)
    assert sysfs_counters.edac(names(tmp_path)) == {("edac.ce", "dimm", "DIMM_A1"): 7}


def test_without_a_memory_controller_there_is_no_count_not_zero(tmp_path: Path) -> None:
    assert sysfs_counters.edac(names(tmp_path)) == {}


def test_pcie_errors_are_counted_by_kind_for_their_device(tmp_path: Path) -> None:
    device = "sys/bus/pci/devices/0000:04:00.0"
    put(tmp_path, f"{device}/aer_dev_correctable", "RxErr 2\nBadTLP 7\nBadDLLP 1\nRollover 0\nTOTAL_ERR_COR 9")
    put(tmp_path, f"{device}/aer_dev_nonfatal", "CmpltTO 1\nUnsupReq 4\nACSViol 1\nTOTAL_ERR_NONFATAL 5")
    put(tmp_path, f"{device}/aer_dev_fatal", "Undefined 0\nTOTAL_ERR_FATAL 0")
    put(tmp_path, f"{device}/net/eth0/x", "")
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:aa:bb:cc")
    port = ("nic", "52:54:00:aa:bb:cc")
    assert sysfs_counters.aer(names(tmp_path)) == {
        ("aer.damaged.0000:04:00.0", *port): 8,
        ("aer.correctable.0000:04:00.0", *port): 2,
        ("aer.refused.0000:04:00.0", *port): 5,
        ("aer.nonfatal.0000:04:00.0", *port): 1,
        ("aer.fatal.0000:04:00.0", *port): 0,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("UnsupReq 3\nTOTAL_ERR_NONFATAL 3", {"aer.refused": 3, "aer.nonfatal": 0}),
        ("UnsupReq 1\nCmpltTO 1\nTOTAL_ERR_NONFATAL 1", {"aer.refused": 1, "aer.nonfatal": 1}),
        # Rows of another kernel: nothing is lost.
        ("Unsupported Request 3\nTOTAL_ERR_NONFATAL 3", {"aer.refused": 0, "aer.nonfatal": 3}),
        ("TOTAL_ERR_NONFATAL 3", {"aer.refused": 0, "aer.nonfatal": 3}),
        ("UnsupReq 3", {}),
        ("", {}),
    ],
)
def test_an_uncorrected_pcie_error_is_excused_by_its_kind_only(text: str, found: dict[str, int]) -> None:
    assert sysfs_counters.parse_aer("nonfatal", text) == found


def test_throttling_is_per_package(tmp_path: Path) -> None:
    for cpu, package in ((0, 0), (1, 0), (2, 1)):
        base = f"sys/devices/system/cpu/cpu{cpu}"
        put(tmp_path, f"{base}/topology/physical_package_id", package)
        put(tmp_path, f"{base}/thermal_throttle/core_throttle_count", cpu + 1)
        put(tmp_path, f"{base}/thermal_throttle/package_throttle_count", 10)
    assert sysfs_counters.throttling(names(tmp_path)) == {
        ("throttle.core", "cpu", "CPU0"): 3,
        ("throttle.package", "cpu", "CPU0"): 10,
        ("throttle.core", "cpu", "CPU1"): 3,
        ("throttle.package", "cpu", "CPU1"): 10,
    }


def test_machine_checks_are_read_from_the_interrupts(tmp_path: Path) -> None:
    text = "     CPU0 CPU1\n LOC: 10 20 Local timer interrupts\n MCE: 1 2 Machine check exceptions\n MCP: 3 3 polls"
    put(tmp_path, "proc/interrupts", text)
    assert sysfs_counters.machine_checks(names(tmp_path)) == {("mce.exceptions", "cpu", "CPU0"): 3}


def test_a_machine_check_is_told_of_the_cpu_over_its_column_where_one_is_offline(tmp_path: Path) -> None:
    for cpu, package in ((0, 0), (2, 0), (3, 1)):
        put(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", package)
    text = "     CPU0 CPU2 CPU3\n MCE:   0   5   0   Machine check exceptions"
    put(tmp_path, "proc/interrupts", text)
    counted = sysfs_counters.machine_checks(names(tmp_path))
    assert {key: value for key, value in counted.items() if value} == {("mce.exceptions", "cpu", "CPU0"): 5}


def test_pending_machine_checks_are_collected_by_a_value_that_differs(tmp_path: Path) -> None:
    path = "sys/devices/system/machinecheck/machinecheck0/check_interval"
    put(tmp_path, path, 300)
    seen = []
    for _ in range(3):
        sysfs_counters.poll_machine_checks_often(tmp_path)
        seen.append((tmp_path / path).read_text())
    assert seen == ["10", "9", "10"]


def test_a_part_that_disappears_after_its_own_stage_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "sys/block/sda/size", 1)
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:aa:bb:cc")
    put(tmp_path, "sys/class/net/eth0/device/vendor", "0x8086")
    put(tmp_path, "sys/bus/pci/devices/0000:41:00.0/vendor", "0x10de")
    inventory = wire.Inventory(
        disks=[wire.Disk("sda", "SATA-0001", "", "sata", 1), wire.Disk("sdb", "STICK-1", "", "usb", 1)],
        nics=[wire.Nic("eth0", "52:54:00:AA:BB:CC")],
        gpus=[wire.Gpu("", pci="0000:41:00.0")],
    )
    there = Names(tmp_path, inventory)
    parts = [("disk", "SATA-0001"), ("nic", "52:54:00:aa:bb:cc"), ("gpu", "0000:41:00.0")]
    assert sysfs_counters.gone(there) == {("gone", *part): 0 for part in parts}
    for path in ("sys/block/sda", "sys/class/net/eth0", "sys/bus/pci/devices/0000:41:00.0"):
        (tmp_path / path).rename(tmp_path / path.replace("/", "-"))
    assert sysfs_counters.gone(there) == {("gone", *part): 1 for part in parts}
    found = counting.judged([wire.CounterDelta("gone", "disk", "SATA-0001", 0, 1)], {}, 60)
    assert [(one.code, one.severity, one.component) for one in found] == [("system.part_gone", CRITICAL, "SATA-0001")]


@pytest.mark.parametrize(
    ("serial", "wwid", "is_gone"),
    [
        ("SATA-0001", "naa.5000c500aaaaaaaa", 0),
        # Read from another place this time, and the same drive by its WWN.
        ("5000c500aaaaaaaa", "naa.5000c500aaaaaaaa", 0),
        ("", "", 0),
        ("SATA-0002", "naa.5000c500bbbbbbbb", 1),
        ("SATA-0002", "", 1),
    ],
)
def test_a_drive_whose_name_another_one_has_now_is_gone(serial: str, wwid: str, is_gone: int, tmp_path: Path) -> None:
    """Both dropped out, and came back in another order."""
    put(tmp_path, "sys/block/sda/size", 1)
    put(tmp_path, "sys/block/sda/device/wwid", wwid)
    (tmp_path / "sys/block/sda/device/vpd_pg80").write_bytes(b"\0\x80\0\x10" + serial.encode())
    inventory = wire.Inventory(disks=[wire.Disk("sda", "SATA-0001", "0x5000c500aaaaaaaa", "sata", 1)])
    assert sysfs_counters.gone(Names(tmp_path, inventory)) == {("gone", "disk", "SATA-0001"): is_gone}


def put_port(root: Path, name: str, mac: str, carrier: str, device: str, errors: int = 0) -> Path:
    port = root / "sys/class/net" / name
    put(root, f"sys/class/net/{name}/address", mac)
    put(root, f"sys/class/net/{name}/statistics/rx_crc_errors", errors)
    put(root, f"sys/class/net/{name}/carrier", carrier)
    (root / device).mkdir(parents=True, exist_ok=True)
    (port / "device").symlink_to(root / device)
    return port


def test_a_port_tells_whether_it_has_a_link_and_is_on_usb_and_neither_is_an_error(tmp_path: Path) -> None:
    port = put_port(tmp_path, "eno1", "3c:ec:ef:00:00:01", "0", "sys/devices/pci0000:00/0000:00:1f.6")
    bmcs = put_port(tmp_path, "usb0", "d2:e7:15:9b:43:1e", "1", "sys/devices/pci0000:00/0000:00:14.0/usb1/1-14:1.0")
    book = counting.CounterBook([lambda: sysfs_counters.ports(names(tmp_path))], tmp_path / "counters.json")
    book.open_stage()
    (port / "carrier").write_text("1")
    bmcs.rename(tmp_path / "gone")
    assert book.close_stage() == [] and book.lost == frozenset()
    assert book.ports == PortStates(
        on_usb=frozenset({"d2:e7:15:9b:43:1e"}), came_up=frozenset({"3c:ec:ef:00:00:01"}), without_link=frozenset()
    )
    (port / "carrier").write_text("0")
    (port / "statistics/rx_crc_errors").write_text("11")
    assert [(one.counter, one.after) for one in book.close_stage()] == [("nic.rx_crc_errors", 11)]
    assert book.ports.without_link == {"3c:ec:ef:00:00:01"} and "d2:e7:15:9b:43:1e" in book.ports.on_usb


def test_a_card_of_the_host_whose_counters_vanish_is_still_missed(tmp_path: Path) -> None:
    put_port(tmp_path, "usb0", "d2:e7:15:9b:43:1e", "1", "sys/devices/pci0000:00/0000:00:14.0/usb1/1-14:1.0")
    port = put_port(tmp_path, "eno1", "3c:ec:ef:00:00:01", "1", "sys/devices/pci0000:00/0000:00:1f.6")
    book = counting.CounterBook([lambda: sysfs_counters.ports(names(tmp_path))], tmp_path / "counters.json")
    book.open_stage()
    book.close_stage()
    port.rename(tmp_path / "gone")
    book.close_stage()
    assert "nic.rx_crc_errors" in book.lost


def test_only_physical_ports_count(tmp_path: Path) -> None:
    for port, mac in (("eth0", "52:54:00:aa:bb:cc"), ("br0", "52:54:00:aa:bb:dd")):
        put(tmp_path, f"sys/class/net/{port}/address", mac)
        put(tmp_path, f"sys/class/net/{port}/statistics/rx_crc_errors", 5)
    put(tmp_path, "sys/class/net/eth0/device/vendor", "0x8086")
    put(tmp_path, "sys/class/net/eth0/carrier_down_count", 2)
    assert sysfs_counters.ports(names(tmp_path)) == {
        ("nic.rx_crc_errors", "nic", "52:54:00:aa:bb:cc"): 5,
        ("nic.link_down", "nic", "52:54:00:aa:bb:cc"): 2,
    }


def test_of_ethtools_statistics_only_lost_bits_count() -> None:
    text = """NIC statistics:
     rx_packets: 1000
     rx_crc_errors: 1
     rx_crc_errors_phy: 2
     rx_symbol_err_phy: 3
     rx_dropped: 400
     tx_queue_0_packets: 7
     align_errors: 0
"""
    assert sysfs_counters.parse_driver_errors(text) == {
        "rx_crc_errors_phy": 2,
        "rx_symbol_err_phy": 3,
        "align_errors": 0,
    }
    assert sysfs_counters.parse_driver_errors("no stats available\n") == {}


def test_symbols_that_were_corrected_are_not_lost() -> None:
    text = """NIC statistics:
     fec_corrected_symbols_lane0: 123456
     fec_uncorrected_errors: 2
     rx_corrected_bits_phy: 9
     fec_uncorrect_errs: 1
"""
    assert sysfs_counters.parse_driver_errors(text) == {"fec_uncorrected_errors": 2, "fec_uncorrect_errs": 1}


@pytest.mark.parametrize(
    ("line", "is_lost"),
    [
        ("port.illegal_bytes", True),
        ("mac_local_faults.nic", True),
        ("mac.rx_frame_check_sequence_errors", True),
        ("mac_rx_CheckSequenceErrors", True),
        ("rx_jbr_frames", True),
        ("rsfec_uncorrectable_err", True),
        ("roce_drops_crc", False),
        ("fcoe_bad_fccrc", False),
        ("rx_icrc_encapsulated", False),
        ("rx_stomped_crc", False),
        ("rx_match_crc_frames", False),
        ("rx_csum_offload_errors", False),
        ("rx_dropped_tcp_length", False),
    ],
)
def test_each_drivers_name_for_a_lost_frame_is_known(line: str, is_lost: bool) -> None:
    assert bool(sysfs_counters.parse_driver_errors(f"     {line}: 7\n")) is is_lost


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        # ice, be2net and bnx2x count damaged frames by themselves, and put other things into the sum.
        ("rx_crc_errors.nic: 0\n     rx_csum_bad.nic: 55", {"nic.rx_crc_errors.nic": 0}),
        ("rx_crc_errors: 0\n     rx_dropped_tcp_length: 55", {}),
        ("rx_errors: 55\n     rx_crc_errors: 0", {}),
        (
            "align_errors: 0\n     rx_errors: 3",
            {"nic.align_errors": 0, "nic.rx_errors_of_card": 3, "nic.rx_errors": 55},
        ),
        ("rx_queue_0_packets: 1", {"nic.rx_errors": 55}),
        ("", {"nic.rx_errors": 55}),
    ],
    ids=["ice", "be2net", "bnx2x", "r8169", "virtio", "no answer"],
)
def test_the_sum_of_all_errors_counts_only_if_nothing_else_tells_damaged_frames(
    text: str, counted: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:aa:bb:cc")
    put(tmp_path, "sys/class/net/eth0/device/vendor", "0x8086")
    put(tmp_path, "sys/class/net/eth0/statistics/rx_errors", 55)
    page = f"NIC statistics:\n     {text}\n"
    monkeypatch.setattr(shell, "run", lambda argv, timeout_s: shell.Completed(argv, 0, page))
    there = sysfs_counters.driver_errors(names(tmp_path)) | sysfs_counters.ports(names(tmp_path))
    assert {counter: value for (counter, _, _), value in there.items()} == counted


# --- the book --------------------------------------------------------------------------------------------------------

CE, CRC = ("edac.ce", "dimm", "DIMM_A1"), ("nic.rx_crc_errors", "nic", "52:54:00:aa:bb:cc")


def test_what_moved_in_a_stage_is_its_delta(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CE: 0, CRC: 5}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    hardware.counts = {CE: 3, CRC: 5}
    assert book.close_stage() == [wire.CounterDelta(*CE, before=0, after=3)]
    book.open_stage()
    assert book.close_stage() == []


def test_errors_before_the_first_stage_count_where_the_counter_began_with_the_boot(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CE: 2, CRC: 5}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert book.close_stage() == [wire.CounterDelta(*CE, before=0, after=2)]


def test_errors_between_two_stages_are_the_later_ones(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CRC: 0}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    book.close_stage()
    hardware.counts = {CRC: 1}
    book.open_stage()
    assert book.close_stage() == [wire.CounterDelta(*CRC, before=0, after=1)]


def test_a_restarted_agent_still_knows_what_was_before_the_stage(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CRC: 5}
    book_of(hardware, tmp_path).open_stage()
    hardware.counts = {CRC: 9}
    again = book_of(hardware, tmp_path)
    again.open_stage()
    assert again.close_stage() == [wire.CounterDelta(*CRC, before=5, after=9)]


def test_a_delta_is_found_again_until_it_is_safe(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CRC: 5}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    hardware.counts = {CRC: 9}
    delta = wire.CounterDelta(*CRC, before=5, after=9)
    assert book.close_stage() == [delta]
    assert book_of(hardware, tmp_path).close_stage() == [delta]
    book.commit()
    assert book_of(hardware, tmp_path).close_stage() == []


def test_what_was_counted_in_a_hold_is_nobodys_error(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CE: 0}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    book.close_stage()
    hardware.counts = {CE: 4}
    book.forget()
    book.open_stage()
    assert book.close_stage() == []


def test_a_counter_that_could_not_be_read_again_is_lost_until_it_is_read(tmp_path: Path) -> None:
    drives = [("smart.media_errors", "disk", "S1"), ("smart.media_errors", "disk", "S2")]
    readings = iter([dict.fromkeys(drives, 0), {drives[0]: 0}, dict.fromkeys(drives, 0), {}, {}])
    book = CounterBook([lambda: next(readings)], tmp_path / "counters.json")
    book.open_stage()
    lost = []
    for _ in range(4):
        book.close_stage()
        lost.append(sorted(book.lost))
    assert lost == [["smart.media_errors"], [], ["smart.media_errors"], ["smart.media_errors"]]
    assert not book.has("smart.")


def test_a_drive_that_stays_silent_is_lost_though_another_came_or_the_agent_was_restarted(tmp_path: Path) -> None:
    first, second, third = ((("smart.media_errors", "disk", name), 0) for name in ("S1", "S2", "S3"))
    now: Counts = dict([first, second])
    book = CounterBook([lambda: now], tmp_path / "counters.json")
    book.open_stage()
    book.close_stage()
    book.commit()
    for now in (dict([first, third]), dict([first])):
        again = CounterBook([lambda: now], tmp_path / "counters.json")  # noqa: B023
        again.close_stage()
        assert again.lost == {"smart.media_errors"}


def test_what_was_stored_by_nobody_is_read_anew(tmp_path: Path) -> None:
    for stored in ("[]", "{}", '{"counts": 3}', "nothing"):
        (tmp_path / "counters.json").write_text(stored)
        book = CounterBook([lambda: {CRC: 5}], tmp_path / "counters.json")
        book.open_stage()
        assert book.close_stage() == [] and not book.lost


def test_a_part_that_got_its_name_meanwhile_is_not_lost(tmp_path: Path) -> None:
    readings: Iterator[Counts] = iter([{("smart.crc_errors", "disk", name): 0} for name in ("vda", "VIRT-1")])
    book = CounterBook([lambda: next(readings)], tmp_path / "counters.json")
    book.open_stage()
    book.close_stage()
    assert not book.lost


def test_a_counter_that_fell_or_came_back_is_no_error(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = {CRC: 5}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    hardware.counts = {CRC: 0, ("nic.rx_errors", "nic", "new"): 12}
    assert book.close_stage() == []


def test_every_source_reads_an_empty_machine_without_a_word(tmp_path: Path) -> None:
    for source in (*sources.KERNEL, *sources.COMMANDS):
        assert source(Names(tmp_path, None)) == {}


def test_a_source_that_stumbles_costs_no_stage(tmp_path: Path) -> None:
    def stumbling() -> Counts:
        raise ValueError("a new format")

    said: list[str] = []
    book = CounterBook((stumbling, lambda: {CRC: 1}), tmp_path / "c.json", lambda level, text: said.append(text))
    book.open_stage()
    assert book.close_stage() == []
    assert book.has("nic.") and "a new format" in said[0]


ATA = """{"smartctl": {"exit_status": 0}, "smart_status": {"passed": true}, "device": {"protocol": "ATA"},
"ata_smart_attributes": {"table": [{"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"value": 304}},
{"id": 188, "name": "Command_Timeout", "raw": {"value": 4295032833}}, {"id": 9, "raw": {"value": 1}}]},
"ata_smart_error_log": {"extended": {"count": 2}}}"""
NVME = """{"smartctl": {"exit_status": 4}, "smart_status": {"passed": true}, "device": {"protocol": "NVMe"},
"nvme_smart_health_information_log": {"critical_warning": 0, "media_errors": 7, "num_err_log_entries": 99}}"""


def sas_link(*invalid_dwords: int) -> dict[str, Any]:
    """A drive with these counts at its two ports."""
    phys = [{"invalid_dword_count": count, "phy_reset_problem_count": 0} for count in invalid_dwords]
    return {f"scsi_sas_port_{number}": {"number_of_phys": 1, "phy_0": phy} for number, phy in enumerate(phys)}


def test_a_drive_is_asked_for_what_only_ever_counts_errors() -> None:
    assert command_counters.of_drive(ATA, "SATA-0001") == {
        ("smart.reallocated_sectors", "disk", "SATA-0001"): 304,
        ("smart.command_timeouts", "disk", "SATA-0001"): 1,
        ("smart.error_log", "disk", "SATA-0001"): 2,
        ("smart.failing", "disk", "SATA-0001"): 0,
        ("smart.prefail", "disk", "SATA-0001"): 0,
    }
    assert command_counters.of_drive(NVME, "N1") == {
        ("smart.media_errors", "disk", "N1"): 7,
        ("smart.failing", "disk", "N1"): 0,
        ("smart.prefail", "disk", "N1"): 0,
        ("smart.critical_warning", "disk", "N1"): 0,
    }


@pytest.mark.parametrize("value", [0, 1])
def test_a_drive_that_can_make_itself_read_only_is_watched_for_it(value: int) -> None:
    text = ATA.replace('"id": 188, "name": "Command_Timeout"', '"id": 167, "name": "Write_Protect_Mode"')
    counts = command_counters.of_drive(text.replace("4295032833", str(value)), "SATA-0001")
    assert counts["smart.write_protected", "disk", "SATA-0001"] == value


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"power_cycle_count": 40}, {"power_cycle_count": 41}, "disk.link_unsteady"),
        ({"power_cycle_count": 40}, {"power_cycle_count": 40}, ""),
        (sas_link(3, 9), sas_link(3, 12), "disk.link_unsteady"),
        (sas_link(3, 9), sas_link(3, 9), ""),
    ],
)
def test_a_drive_that_lost_power_or_bits_while_the_host_ran_is_a_warning(
    before: dict[str, Any], after: dict[str, Any], code: str, tmp_path: Path
) -> None:
    """The kernel logs nothing where a RAID controller hides the drive. Old counts are of plugging and mean nothing."""
    texts = iter([json.dumps(sas(**before)), json.dumps(sas(**after))])
    book = CounterBook((lambda: command_counters.of_drive(next(texts), "S1"),), tmp_path / "c.json")
    book.open_stage()
    found = counting.judged(book.close_stage(), {}, 60)
    expected = [(code, wire.Severity.WARNING, "S1")] if code else []
    assert [(one.code, one.severity, one.component) for one in found] == expected


def test_a_drive_that_counts_nothing_but_its_power_cycles_passes_no_check(tmp_path: Path) -> None:
    text = '{"smartctl": {"exit_status": 4}, "device": {"protocol": "SCSI"}, "power_cycle_count": 7}'
    book = CounterBook((lambda: command_counters.of_drive(text, "S1"),), tmp_path / "c.json")
    book.open_stage()
    (check,) = (one for one in counter_checks.made([], book, True, ()) if one.name == "counters.disks")
    assert (check.outcome, check.reason) == (wire.Outcome.NOT_TESTED, "no disk here counts its errors")


def test_a_drive_with_ata_security_is_watched_for_its_lock() -> None:
    text = ATA.replace('"ata_smart_error_log"', '"ata_security": {"state": 7, "locked": true}, "ata_smart_error_log"')
    assert command_counters.of_drive(text, "SATA-0001")["smart.locked", "disk", "SATA-0001"] == 1


@pytest.mark.parametrize(
    ("later", "codes"),
    [
        (NVME.replace('"critical_warning": 0', '"critical_warning": 4'), {"smart.failing", "smart.critical_warning"}),
        (NVME.replace('"critical_warning": 0', '"critical_warning": 2'), set()),
        (NVME.replace('"exit_status": 4', '"exit_status": 16'), {"smart.prefail"}),
    ],
)
def test_a_drive_that_gives_up_after_its_health_was_looked_at_fails_the_stage_it_did_so_in(
    later: str, codes: set[str], tmp_path: Path
) -> None:
    texts = iter([NVME, later])
    book = CounterBook((lambda: command_counters.of_drive(next(texts), "N1"),), tmp_path / "c.json")
    book.open_stage()
    found = counting.judged(book.close_stage(), {}, 60)
    assert {one.code for one in found} == codes
    assert all(one.severity is wire.Severity.CRITICAL and one.component == "N1" for one in found)


def test_a_sas_drive_that_gets_too_warm_does_not_count_as_failing() -> None:
    said = {"passed": False, "scsi": {"asc": 0x0B, "ascq": 1}}
    warm, dying = sas(smart_status=said), sas(smart_status={"passed": False, "scsi": {"asc": 0x5D, "ascq": 0x10}})
    counts = [command_counters.of_drive(json.dumps(drive), "S1") for drive in (sas(), warm, dying)]
    assert [one["smart.failing", "disk", "S1"] for one in counts] == [0, 0, 1]


@pytest.mark.parametrize("text", ["", "no json", "{}"])
def test_a_drive_that_says_nothing_has_no_counts(text: str) -> None:
    assert command_counters.of_drive(text, "SATA-0001") == {}


def test_the_bmcs_sensors_become_measurements() -> None:
    text = (
        "Inlet Temp       | 04h | ok  |  7.1 | 23 degrees C\n"
        "Fan1             | 30h | ok  |  7.1 | 3480 RPM\n"
        "Pwr Consumption  | 77h | ok  |  7.1 | 126 Watts\n"
        "Fan2             | 31h | ns  |  7.1 | No Reading\n"
    )
    found = [(m.component_kind, m.component, m.name, m.value, m.unit) for m in command_counters.of_sdr(text, 1.0)]
    assert found == [
        ("system", "Inlet Temp", "temp", 23.0, "C"),
        ("fan", "Fan1", "fan", 3480.0, "rpm"),
        ("psu", "Pwr Consumption", "power", 126.0, "W"),
    ]
    assert command_counters.of_sdr("Unable to open SDR for reading", 1.0) == []
