"""Counters on a tree of files as sysfs has them, and what their moving means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import bmc_log, codes, command_counters, counters, excuses, sources, sysfs_counters, wire
from agent.counters import CounterBook, Counts
from agent.names import Names
from agent.probes import ipmitool
from agent.shell import Completed

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
INVENTORY = wire.Inventory(memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 8192), wire.Dimm("DIMM_B1", 8192)]))


def put(root: Path, path: str, text: object) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"{text}\n")


def names(root: Path) -> Names:
    return Names(root, INVENTORY)


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


def test_without_a_memory_controller_there_is_no_count_not_zero(tmp_path: Path) -> None:
    assert sysfs_counters.edac(names(tmp_path)) == {}


def test_pcie_errors_are_the_totals_of_the_device(tmp_path: Path) -> None:
    device = "sys/bus/pci/devices/0000:04:00.0"
    put(tmp_path, f"{device}/aer_dev_correctable", "RxErr 0\nBadTLP 7\nTOTAL_ERR_COR 7")
    put(tmp_path, f"{device}/aer_dev_fatal", "Undefined 0\nTOTAL_ERR_FATAL 0")
    put(tmp_path, f"{device}/net/eth0/x", "")
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:aa:bb:cc")
    assert sysfs_counters.aer(names(tmp_path)) == {
        ("aer.correctable.0000:04:00.0", "nic", "52:54:00:aa:bb:cc"): 7,
        ("aer.fatal.0000:04:00.0", "nic", "52:54:00:aa:bb:cc"): 0,
    }


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
    text = " LOC:  10  20   Local timer interrupts\n MCE:   1   2   Machine check exceptions\n MCP: 3 3 polls"
    put(tmp_path, "proc/interrupts", text)
    assert sysfs_counters.machine_checks(names(tmp_path)) == {("mce.exceptions", "cpu", "CPU0"): 3}


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
    found = counters.judged([wire.CounterDelta("gone", "disk", "SATA-0001", 0, 1)], {}, 60)
    assert [(one.code, one.severity, one.component) for one in found] == [("system.part_gone", CRITICAL, "SATA-0001")]


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
    assert sysfs_counters.wire_errors(text) == {"rx_crc_errors_phy": 2, "rx_symbol_err_phy": 3, "align_errors": 0}
    assert sysfs_counters.wire_errors("no stats available\n") == {}


# --- the book --------------------------------------------------------------------------------------------------------

CE, CRC = ("edac.ce", "dimm", "DIMM_A1"), ("nic.rx_crc_errors", "nic", "52:54:00:aa:bb:cc")


class Hardware:
    """Counters that a test turns."""

    def __init__(self, **counts: int) -> None:
        self.counts: Counts = {}

    def __call__(self) -> Counts:
        return dict(self.counts)


def book_of(hardware: Hardware, tmp_path: Path) -> CounterBook:
    return CounterBook((hardware,), tmp_path / "counters.json")


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
    readings = iter([dict.fromkeys(drives, 0), {drives[0]: 0}, dict.fromkeys(drives, 0), {}])
    book = CounterBook([lambda: next(readings)], tmp_path / "counters.json")
    book.open_stage()
    lost = []
    for _ in range(3):
        book.close_stage()
        lost.append(sorted(book.lost))
    assert lost == [["smart.media_errors"], [], ["smart.media_errors"]]


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


def judge(counter: str, grown: int, limits: dict | None = None, duration_s: float = 60) -> wire.Finding:
    delta = wire.CounterDelta(counter, "dimm", "DIMM_A1", 0, grown)
    return counters.judged([delta], limits or {}, duration_s)[0]


@pytest.mark.parametrize(
    ("grown", "limits", "duration_s", "severity"),
    [
        (1, {}, 60, WARNING),
        (10, {}, 60, WARNING),
        (11, {}, 60, CRITICAL),
        (11, {}, 2 * 3600, WARNING),
        (21, {}, 2 * 3600, CRITICAL),
        (1, {"ecc_corrected_per_hour": 0}, 60, CRITICAL),
        (500, {"ecc_corrected_per_hour": 1000}, 60, WARNING),
    ],
)
def test_corrected_memory_errors_condemn_above_the_hourly_limit(
    grown: int, limits: dict, duration_s: float, severity: wire.Severity
) -> None:
    assert judge("edac.ce", grown, limits, duration_s).severity is severity


@pytest.mark.parametrize(
    ("counter", "code", "severity"),
    [
        ("edac.ue", "memory.uncorrected", CRITICAL),
        ("mce.exceptions", "cpu.machine_check", CRITICAL),
        ("aer.correctable.0000:01:00.0", "pcie.corrected", WARNING),
        ("aer.fatal.0000:01:00.0", "pcie.uncorrected", CRITICAL),
        ("throttle.package", "thermal.throttled", WARNING),
        ("nic.rx_crc_errors", "nic.errors", WARNING),
        ("nic.link_down", "nic.link_flap", CRITICAL),
        ("smart.media_errors", "smart.media_errors", CRITICAL),
        ("smart.crc_errors", "smart.crc_errors", WARNING),
        ("smart.num_err_log_entries", "smart.error_log", WARNING),
        ("bmc.sel", "bmc.event", WARNING),
    ],
)
def test_each_counter_means_one_thing(counter: str, code: str, severity: wire.Severity) -> None:
    found = judge(counter, 2)
    assert (found.code, found.severity) == (code, severity)
    assert found.message.startswith("DIMM_A1: 2 ") and f"{counter} went from 0 to 2" in found.message


def test_every_meaning_has_a_registered_code() -> None:
    assert {meaning.code for meaning in counters.MEANINGS.values()} <= codes.CODES.keys()


def test_two_views_of_one_error_are_one_finding_the_graver() -> None:
    counted = wire.Finding("memory.corrected", WARNING, "dimm", "DIMM_A1", "3 counted")
    heard = wire.Finding("memory.corrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    other = wire.Finding("memory.corrected", WARNING, "dimm", "DIMM_B1", "1 counted")
    merged = counters.merged([counted, heard, other])
    assert [(f.component, f.severity, f.message) for f in merged] == [
        ("DIMM_A1", CRITICAL, "the kernel said it; 3 counted"),
        ("DIMM_B1", WARNING, "1 counted"),
    ]


def test_an_error_that_one_view_could_not_attribute_is_the_part_that_the_other_names() -> None:
    nobodys = wire.Finding("memory.uncorrected", CRITICAL, "system", "system", "1 counted")
    known = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    second = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_B1", "the kernel said it")
    assert [(f.component, f.message) for f in counters.merged([nobodys, known])] == [
        ("DIMM_A1", "the kernel said it; 1 counted")
    ]
    assert [f.component for f in counters.merged([nobodys, known, second])] == ["DIMM_A1", "DIMM_B1", "system"]


@pytest.mark.parametrize(
    ("counter", "grown", "limits", "severity"),
    [
        ("throttle.package", 1, {}, WARNING),
        ("throttle.package", 1, {"throttle_events_max": 0}, CRITICAL),
        ("throttle.core", 3, {"throttle_events_max": 3}, WARNING),
        ("nic.rx_crc_errors", 10, {}, WARNING),
        ("nic.rx_crc_errors", 11, {}, CRITICAL),
        ("nic.rx_symbol_err_phy", 1, {"nic_errors_max": 0}, CRITICAL),
        ("aer.correctable.0000:00:01.0", 100_000, {}, WARNING),
    ],
)
def test_a_counter_condemns_above_the_profiles_limit(
    counter: str, grown: int, limits: dict, severity: wire.Severity
) -> None:
    assert judge(counter, grown, limits).severity is severity


ERRORS = wire.Finding("nic.errors", CRITICAL, "nic", "52:54:00:aa:bb:cc", "20 errors")
FLAP = wire.Finding("nic.link_flap", CRITICAL, "nic", "52:54:00:aa:bb:cc", "1 loss of the link")


def severities(stage: str, expected: dict[str, object]) -> list[wire.Severity]:
    return [one.severity for one in excuses.excused(stage, expected, [ERRORS, FLAP])]


def test_a_port_is_not_blamed_for_what_it_counts_while_its_link_comes_up() -> None:
    assert severities("InventoryCheck", {}) == [wire.Severity.INFO, wire.Severity.INFO]
    assert severities("Network", {}) == [CRITICAL, CRITICAL]


def test_a_port_that_nobody_expects_condemns_nobody() -> None:
    assert severities("Burn", {"nics": [{"mac": "52:54:00:00:00:01"}]}) == [WARNING, WARNING]
    assert severities("Burn", {"nics": [{"mac": "52:54:00:AA:BB:CC"}]}) == [CRITICAL, CRITICAL]


def test_an_exception_whose_part_the_kernel_names_is_not_the_cpus_as_well() -> None:
    exceptions = [wire.Finding("cpu.machine_check", CRITICAL, "cpu", name, "1 counted") for name in ("CPU0", "CPU1")]
    named = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    of_cpu = wire.Finding("cpu.machine_check", CRITICAL, "cpu", "CPU1", "the kernel said it")

    def blamed(*said: wire.Finding) -> list[str]:
        merged = counters.merged([*excuses.without_echo(exceptions, said), *said])
        return sorted(one.component for one in merged if one.severity is CRITICAL)

    assert blamed() == ["CPU0", "CPU1"]
    assert blamed(named) == ["DIMM_A1"]
    assert blamed(of_cpu) == ["CPU1"]


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
    found = counters.judged(book.close_stage(), {}, 60)
    assert {one.code for one in found} == codes
    assert all(one.severity is wire.Severity.CRITICAL and one.component == "N1" for one in found)


@pytest.mark.parametrize("text", ["", "no json", "{}"])
def test_a_drive_that_says_nothing_has_no_counts(text: str) -> None:
    assert command_counters.of_drive(text, "SATA-0001") == {}


SEL_INFO = "SEL Information\nVersion : 1.5 (v1.5, v2 compliant)\nEntries : 12\nPercent Used : 40%\nOverflow : false\n"
SEL = """   1 | 11/23/2026 | 19:15:54 | Power Supply PS1 Status | Power Supply AC lost | Asserted
   2 | 11/23/2026 | 19:15:59 | Power Supply PS1 Status | Power Supply AC lost | Deasserted
   3 | 11/23/2026 | 19:16:00 | Power Unit PS Redundancy | Redundancy Lost | Asserted
   4 | 11/23/2026 | 19:16:01 | Fan FAN3 | Lower Critical going low  | Asserted | Reading 0 < Threshold 400 RPM
   5 | 11/23/2026 | 19:16:02 | Memory #0x87 | Correctable ECC | Asserted
   6 | 11/23/2026 | 19:16:03 | Memory #0x87 | Uncorrectable ECC | Asserted
   7 | 11/23/2026 | 19:16:04 | Processor CPU1 Status | IERR | Asserted
   8 | 11/23/2026 | 19:16:05 | Critical Interrupt #0x05 | PCI SERR | Asserted
   9 | 11/23/2026 | 19:16:06 | Voltage P12V | Lower Critical going low  | Asserted | Reading 10.9 < Threshold 11.2 Volts
   a | 11/23/2026 | 19:16:07 | System Event #0xff | Timestamp Clock Sync | Asserted
   b | 11/23/2026 | 19:16:08 | Drive Slot HDD3 | Drive Fault | Asserted
   c | 11/23/2026 | 19:16:09 | Temperature CPU1 Temp | Upper Critical going high | Asserted
   d | 11/23/2026 | 19:16:10 | Power Supply PS2 Status | Predictive failure | Asserted
"""


def test_the_bmcs_event_log_is_counted_by_what_it_means() -> None:
    assert bmc_log.counted(ipmitool.parse_sel(SEL)) == {
        ("bmc.sel", "bmc", "BMC"): 1,
        ("sel.psu.failed", "psu", "PS1"): 1,
        ("sel.psu.predicted_failure", "psu", "PS2"): 1,
        ("sel.psu.redundancy_lost", "system", "system"): 1,
        ("sel.fan.stopped", "fan", "FAN3"): 1,
        ("sel.memory.corrected", "system", "system"): 1,
        ("sel.memory.uncorrected", "system", "system"): 1,
        ("sel.cpu.machine_check", "system", "system"): 1,
        ("sel.pcie.uncorrected", "system", "system"): 1,
        ("sel.psu.voltage", "system", "system"): 1,
        ("sel.sensor.temp_high", "system", "system"): 1,
    }


def test_every_event_of_the_bmcs_log_has_a_registered_code() -> None:
    assert {event.code for event in bmc_log.EVENTS} <= codes.CODES.keys()


def test_an_entry_of_a_kind_that_comes_up_during_a_stage_is_that_stages(tmp_path: Path) -> None:
    hardware = Hardware()
    hardware.counts = bmc_log.counted(ipmitool.parse_sel(SEL.splitlines()[4]))
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert book.close_stage() == []
    hardware.counts = bmc_log.counted(ipmitool.parse_sel("\n".join(SEL.splitlines()[i] for i in (0, 4))))
    (found,) = counters.judged(book.close_stage(), {}, 60)
    assert (found.code, found.component, found.severity) == ("psu.failed", "PS1", CRITICAL)
    assert "new entries in the BMC's event log" in found.message


def test_the_bmcs_log_is_read_again_only_when_it_says_that_it_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    info = [SEL_INFO]

    def run(*words: str, timeout_s: float = 0) -> Completed:
        asked.append(words[1])
        return Completed(["ipmitool"], 0, stdout=info[0] if words[1] == "info" else SEL)

    monkeypatch.setattr(ipmitool, "run", run)
    put(tmp_path, "dev/ipmi0", "")
    log = bmc_log.EventLog()
    assert log(names(tmp_path)) == log(names(tmp_path)) != {}
    info[0] = SEL_INFO.replace("12", "13")
    log(names(tmp_path))
    assert asked == ["info", "elist", "info", "info", "elist"]
    info[0] = "Get SEL Info command failed\n"
    assert log(names(tmp_path)) == {}


def test_a_full_log_that_can_say_nothing_is_told(tmp_path: Path) -> None:
    full = SEL_INFO.replace("40%", "100%")
    assert (bmc_log.is_full(SEL_INFO), bmc_log.is_full(full)) == (False, True)
    hardware = Hardware()
    hardware.counts = {bmc_log.FULL: 1}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert [one.code for one in counters.judged(book.close_stage(), {}, 60)] == ["bmc.log_full"]


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
