"""Whole pieces of kernel logs, read from text as `manage.py judge --kind kmsg` reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.kernel import kmsg_recording
from tests.agent.kernel_reports import MANY_WORDS, NOTHING, SAYS, TWO_SECTIONS, told

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


@pytest.mark.parametrize("name", SAYS)
def test_a_report_of_several_lines_is_told_once_about_its_part(name: str) -> None:
    text, right = SAYS[name]
    assert sorted(told(text)) == sorted(right)


@pytest.mark.parametrize("name", SAYS)
def test_it_is_told_alike_however_the_lines_were_recorded(name: str) -> None:
    text, _ = SAYS[name]
    lines = [line.partition("] ")[2] if line.startswith("[  ") else line for line in text.splitlines()]
    told_by = [
        told("".join(f"{before}{line}\n" for line in lines))
        for before in (
            "[  812.345678] ",
            "<3>[  812.345678] ",
            "kern  :err   : [  812.345678] ",
            "[  812.345678] [ T1234] ",
            "[Mon Nov 27 12:00:00 2023] ",
            "[  +0.000004] ",
            "2023-11-27T12:00:00,123456+01:00 ",
            "Nov 27 12:00:00 node1 kernel: ",
            "déc. 27 12:00:00 node1 kernel: ",
            "Nov 27 12:00:00 node1 kernel: [  812.345678] ",
            "Nov 27 12:00:00 node1 kern.err kernel: [  812.345678] ",
            "2023-11-27T12:00:00.123456+0100 node1 kernel: ",
            "[  812.345678] node1 kernel: ",
            "Mon 2023-11-27 12:00:00 CET node1 kernel: ",
            "1701082800.123456 node1 kernel: ",
            "2023 Nov 27 12:00:00 node1 kernel: ",
            "Nov 27 2023 12:00:00 node1 kernel: ",
            "<3>1 2023-11-27T12:00:00.123456+01:00 node1 kernel - - - ",
            "3,1042,812345678,-;",
            "",
        )
    ]
    assert told_by == told_by[:1] * len(told_by)


@pytest.mark.parametrize(
    "line",
    [
        "Nov 27 12:00:00 node1 smartd[812]: I/O error, dev sda, sector 0",
        "Nov 27 12:00:00 node1 python3: I/O error, dev sda, sector 0",
        "Mon 2023-11-27 12:00:00 CET node1 smartd[812]: I/O error, dev sda, sector 0",
        "1701082800.123456 node1 smartd[812]: I/O error, dev sda, sector 0",
        "2023 Nov 27 12:00:00 node1 smartd[812]: I/O error, dev sda, sector 0",
        "<3>1 2023-11-27T12:00:00.123456+01:00 node1 smartd 812 - - : I/O error, dev sda, sector 0",
        "[   12.000000] node1 smartd[812]: I/O error, dev sda, sector 0",
        "[   12.000000] systemd[1]: I/O error, dev sda, sector 0",
        "daemon:info  : [   12.000000] I/O error, dev sda, sector 0",
        "<30>[   12.000000] I/O error, dev sda, sector 0",
        "12,7,1000,-;I/O error, dev sda, sector 0",
    ],
)
def test_a_line_of_a_program_says_nothing_of_the_hardware(line: str) -> None:
    assert kmsg_recording.findings(f"{line}\nLinux version 6.12.9-amd64\n", NOTHING) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only the recorder's words\n",
        "\n \n",
        "dmesg: read kernel buffer failed: Operation not permitted\n",
        "cat: /dev/kmsg: Operation not permitted\n",
        "-- No entries --\n",
        "Nov 27 12:00:00 node1 sshd[812]: Accepted publickey\n",
        "Lorem ipsum dolor sit amet, consetetur sadipscing elitr\n",
        '{\n  "smartctl": {\n    "version": [7, 4]\n  }\n}\n',
        '{\n   "dmesg": [\n      {\n         "pri": 4,\n         "time": 812.345678,\n'
        '         "msg": "EDAC MC0: 1 CE memory read error on DIMM_A1 (channel:0 slot:0)"\n      }\n   ]\n}\n',
    ],
)
def test_a_recording_without_a_line_of_the_kernel_is_none(text: str) -> None:
    assert kmsg_recording.findings(text, NOTHING) is None


@pytest.mark.parametrize(
    "line",
    [
        "critical target error, dev nvme0n1, sector 0 op 0x9:(WRITE_ZEROES) flags 0x800 phys_seg 0 prio class 2",
        "Buffer I/O error on dev sr0, logical block 0, async page read",
        " nvme0n1: p1 p2 p3",
        "device eno1 entered promiscuous mode",
        "Run /init as init process",
        "Call Trace:",
    ],
)
def test_a_line_without_a_time_is_the_kernels_although_it_says_nothing_of_hardware(line: str) -> None:
    assert kmsg_recording.findings(f"{line}\n", NOTHING) == []


def test_a_flood_of_a_controllers_log_info_is_a_warning_and_one_is_not() -> None:
    line = "mpt3sas_cm0: log_info(0x31110610): originator(PL), code(0x11), sub_code(0x0610)\n"
    assert told(line) == [("disk.link_unsteady", wire.Severity.INFO, "mpt3sas_cm0")]
    assert told(line * 200) == [("disk.link_unsteady", WARNING, "mpt3sas_cm0")]


def test_a_cxl_device_is_named_by_its_address() -> None:
    text = """\
{5}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 2
{5}[Hardware Error]: event severity: fatal
{5}[Hardware Error]:  Error 0, type: fatal
{5}[Hardware Error]:   section_type: CXL Protocol Error
{5}[Hardware Error]:   agent_type: 1, CXL Device
{5}[Hardware Error]:   agent_address: 0000:35:00.0
{5}[Hardware Error]:   vendor_id: 0x1e98, device_id: 0xc000
"""
    assert told(text) == [("pcie.uncorrected", CRITICAL, "0000:35:00.0")]
    assert told(text.replace("fatal", "corrected")) == [("pcie.corrected", WARNING, "0000:35:00.0")]


def test_an_error_that_an_amd_processor_deferred_is_a_lost_one_and_the_bit_means_nothing_on_intels() -> None:
    text = """\
mce: [Hardware Error]: CPU 2: Machine Check: 0 Bank 18: 8c2030000000011b
mce: [Hardware Error]: TSC 0 ADDR 16b70a100 SYND 9fec08000a800a01 IPID 9600150f00
mce: [Hardware Error]: PROCESSOR 2:830f10 TIME 1620000000 SOCKET 0 APIC 4 microcode 8301038
"""
    assert told(text) == [("memory.uncorrected", CRITICAL, "system")]
    assert told(text.replace("PROCESSOR 2:830f10", "PROCESSOR 9:900f12")) == told(text)
    intel = text.replace("PROCESSOR 2:830f10", "PROCESSOR 0:50654").replace("IPID 9600150f00", "MISC 86")
    assert [severity for _, severity, _ in told(intel)] == [WARNING]


def test_a_hot_cpu_that_an_old_kernel_logged_as_a_machine_check_is_hot_and_has_no_bad_memory() -> None:
    text = """\
mce: [Hardware Error]: CPU 5: Machine Check: 0 Bank 128: 0000000088010082
mce: [Hardware Error]: TSC 9c4ad0b3d2b4
mce: [Hardware Error]: PROCESSOR 0:306f2 TIME 1480591921 SOCKET 1 APIC 5 microcode 39
"""
    assert told(text) == [("thermal.throttled", WARNING, "CPU1")]
    assert told(text.replace("Bank 128", "Bank 7")) == [("memory.corrected", WARNING, "system")]


def test_a_stick_that_the_log_shows_on_usb_condemns_nobody() -> None:
    text = """\
usb-storage 1-1:1.0: USB Mass Storage device detected
scsi host6: usb-storage 1-1:1.0
sd 6:0:0:0: [sdb] 250069680 512-byte logical blocks: (128 GB/119 GiB)
sd 0:0:0:0: [sda] 250069680 512-byte logical blocks: (128 GB/119 GiB)
I/O error, dev sdb, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0
I/O error, dev sda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0
"""
    assert told(text) == [("disk.io_error", WARNING, "sdb"), ("disk.io_error", CRITICAL, "sda")]


OF_THE_LAST_BOOT = """\
BERT: Error records from previous boot:
[Hardware Error]: event severity: fatal
[Hardware Error]:  Error 0, type: fatal
[Hardware Error]:   section_type: Firmware Error Record Reference
[Hardware Error]:   Firmware Error Record Type: SOC Firmware
"""


@pytest.mark.parametrize("before", ["", "kernel: ", "2026-11-23 14:51:03 kernel: ", "Nov 23 14:51:03 kernel: "])
def test_a_report_of_the_last_boot_is_known_though_the_hosts_name_was_taken_out(before: str) -> None:
    text = "".join(f"{before}{line}\n" for line in OF_THE_LAST_BOOT.splitlines())
    assert told(text) == [("system.error_before_boot", WARNING, "system")]


def test_a_driver_before_its_colon_is_no_program_where_the_hosts_name_was_taken_out() -> None:
    text = "Nov  3 14:51:03 kernel: ata3: COMRESET failed (errno=-16)\nNov  3 14:51:04 kernel: EXT4-fs: mounted\n"
    assert told(text) == [("disk.link_error", CRITICAL, "ata3")]


FELL_OFF = """\
[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0
               NVRM: (PCI ID: 10de:26b5) installed in this system has
               NVRM: fallen off the bus and is not responding to commands.
[ 1843.439662] pcieport 0000:b0:01.0:    [12] Timeout
"""


def test_a_message_of_several_lines_is_one() -> None:
    assert told(FELL_OFF) == [("gpu.driver_error", CRITICAL, "0000:b3:00.0")]
    raw = "4,9,1843308145,-;" + FELL_OFF.splitlines()[0][15:] + r"\x0aNVRM: fallen off the bus" + "\n"
    assert told(raw) == told(FELL_OFF)


def test_a_line_after_a_programs_message_is_no_part_of_the_one_before() -> None:
    text = "[    5.308145] ata3: SATA link up\n[    6.308145] fio[812]: begin\n               hard resetting link\n"
    assert told(text) == []


def test_the_blanks_of_a_web_page_are_blanks() -> None:
    lines = OF_THE_LAST_BOOT.splitlines()[1:]
    text = "".join(f"Nov 23 12:12:03 pve1 kernel: [    1.21020{n}] {line}\n" for n, line in enumerate(lines))
    said = [("system.error_before_boot", WARNING, "system")]
    assert told(text) == told(text.replace("    ", "\xa0\xa0\xa0 ").replace(":  ", ":\xa0 ")) == said


def test_a_log_in_colour_is_read_as_one_without() -> None:
    stamp, source = "\x1b[32m[  812.345678] \x1b[0m", "\x1b[33msd 0:0:0:0: \x1b[0m"
    text = f"{stamp}{source}\x1b[31m[sda] Sense Key : Medium Error [current]\x1b[0m\n"
    assert told(text) == [("disk.medium_error", CRITICAL, "sda")]
    assert told("\x1b[32m[    0.000000] \x1b[0m\x1b[33mLinux version 6.12.9\x1b[0m\n") == []
    assert kmsg_recording.findings("\x1b[33mLinux version 6.12.9\x1b[0m\n", NOTHING) == []


def test_an_error_that_only_the_firmware_counted_counts_once() -> None:
    line = "EDAC MC0: 0 CE memory read error on DIMM_A1 (channel:1 slot:0 page:0x{n:x} err_code:0x0000:0x009f)\n"
    [found] = kmsg_recording.findings("".join(line.format(n=n) for n in range(600)), NOTHING) or []
    assert (found.code, found.component, found.value) == ("memory.corrected", "DIMM_A1", 600)


@pytest.mark.parametrize(
    ("flag", "right"),
    [("CE", ("cpu.corrected_machine_check", WARNING, "CPU0")), ("UE", ("system.hardware_error", CRITICAL, "system"))],
)
def test_poison_blames_no_cpu_unless_the_error_was_corrected(flag: str, right: tuple[str, wire.Severity, str]) -> None:
    """Processors before Zen set the bit in errors of their own cache, too."""
    text = (
        "[Hardware Error]: MC4 Error (node 2): L3 data cache ECC error.\n"
        f"[Hardware Error]: CPU:16 (15:2:0) MC4_STATUS[-|{flag}|MiscV|-|AddrV|-|Poison|CECC]: 0x9c0a4d20011c010b\n"
    )
    assert told(text) == [right]


def test_a_disk_that_is_write_protected_fails_and_a_stick_does_not() -> None:
    text = """\
scsi host6: usb-storage 1-1:1.0
sd 6:0:0:0: [sdb] Write Protect is on
sd 0:0:0:0: [sda] Write Protect is on
"""
    assert told(text) == [("smart.write_protected", WARNING, "sdb"), ("smart.write_protected", CRITICAL, "sda")]


def test_a_program_that_crashed_is_the_kernels_line() -> None:
    line = "[  812.3] stress-ng-cpu[812]: segfault at 7f00 ip 000055d0 sp 00007ffc error 4 in stress-ng[55d0+2f]\n"
    assert told(line) == [("system.program_crashed", WARNING, "system")]


def test_two_grave_lines_of_one_part_are_quoted_both() -> None:
    text = "ata3.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen\nata3: hard resetting link\n" * 2
    (found,) = kmsg_recording.findings(text, NOTHING) or []
    assert (found.component, found.value) == ("ata3", 4.0)
    assert "exception Emask" in found.message and "hard resetting link" in found.message


def test_a_xid_is_blamed_on_the_gpu_of_the_inventory() -> None:
    names = Names(Path("/nonexistent"), wire.Inventory(gpus=[wire.Gpu("GPU-1", pci="0000:02:00.0")]))
    assert {component for *_, component in told(MANY_WORDS, names)} == {"GPU-1"}


def test_the_modules_of_the_inventory_are_known_by_whole_words() -> None:
    dimms = [wire.Dimm(locator, 1) for locator in ("A1", "A10", "DIMM 0", "DIMM 0")]
    names = Names(Path("/nonexistent"), wire.Inventory(memory=wire.Memory(dimms=dimms)))
    assert told(TWO_SECTIONS.replace("CPU1 B7", "CPU1 A10"), names) == [
        ("memory.corrected", WARNING, "A1"),
        ("memory.uncorrected", CRITICAL, "A10"),
    ]
    line = "EDAC MC0: 1 CE single-bit ECC on P0 CHANNEL B DIMM 0 (node:0 card:0 module:0)"
    assert told(line, names) == [("memory.corrected", WARNING, "P0 CHANNEL B DIMM 0")]
