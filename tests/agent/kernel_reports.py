"""Reports of several lines, as the kernel logs them, and the findings that they must become."""

from __future__ import annotations

from pathlib import Path

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.kernel import kmsg_recording

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
NOTHING = Names(Path("/nonexistent"))


def told(text: str, names: Names = NOTHING) -> list[tuple[str, wire.Severity, str]]:
    """What becomes of a recorded log: code, severity and component of each finding."""
    return [(one.code, one.severity, one.component) for one in kmsg_recording.findings(text, names) or []]


# A card's corrected error; the line about machine checks is of another report, which told of the same.
INTERLEAVED = """\
{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1
{1}[Hardware Error]: It has been corrected by h/w and requires no further action
{1}[Hardware Error]: event severity: corrected
{1}[Hardware Error]:  Error 0, type: corrected
{1}[Hardware Error]:   section_type: PCIe error
{1}[Hardware Error]:   port_type: 0, PCIe end point
{1}[Hardware Error]:   device_id: 0000:5e:00.0
mce: [Hardware Error]: Machine check events logged
{1}[Hardware Error]:   vendor_id: 0x144d, device_id: 0xa808
{1}[Hardware Error]:   class_code: 010802
"""
TWO_REPORTS_AT_ONCE = """\
{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1
{1}[Hardware Error]: event severity: recoverable
{2}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 3
{2}[Hardware Error]: It has been corrected by h/w and requires no further action
{1}[Hardware Error]:  Error 0, type: recoverable
{2}[Hardware Error]: event severity: corrected
{2}[Hardware Error]:  Error 0, type: corrected
{1}[Hardware Error]:   section_type: memory error
{2}[Hardware Error]:   section_type: PCIe error
{2}[Hardware Error]:   device_id: 10000:e1:00.0
{1}[Hardware Error]:   DIMM location: CPU1 A1
"""
TWO_SECTIONS = """\
{5}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 4
{5}[Hardware Error]: event severity: recoverable
{5}[Hardware Error]:  Error 0, type: corrected
{5}[Hardware Error]:   section_type: memory error
{5}[Hardware Error]:   DIMM location: CPU1 A1
{5}[Hardware Error]:  Error 1, type: recoverable
{5}[Hardware Error]:   section_type: memory error
{5}[Hardware Error]:   DIMM location: CPU1 B7
"""
# Kernels before 3.16.
OLD_WORDS = """\
{3}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1
{3}[Hardware Error]: APEI generic hardware error status
{3}[Hardware Error]: severity: 2, corrected
{3}[Hardware Error]: section: 0, severity: 2, corrected
{3}[Hardware Error]: flags: 0x01
{3}[Hardware Error]: primary
{3}[Hardware Error]: section_type: PCIe error
{3}[Hardware Error]: port_type: 4, root port
{3}[Hardware Error]: device_id: 0000:80:02.0
"""
SLOT_IN_FRU_TEXT = """\
{35}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 4
{35}[Hardware Error]: It has been corrected by h/w and requires no further action
{35}[Hardware Error]: event severity: corrected
{35}[Hardware Error]:  Error 0, type: corrected
{35}[Hardware Error]:  fru_text: D2
{35}[Hardware Error]:   section_type: memory error
{35}[Hardware Error]:   node:6 card:1 module:0 rank:1 bank:2 device:11 row:1 column:5
{35}[Hardware Error]:   error_type: 2, single-bit ECC
"""
NO_SLOT_IN_FRU_TEXT = SLOT_IN_FRU_TEXT.replace("fru_text: D2", "fru_text: MemoryError")
HANDLE_UNKNOWN = SLOT_IN_FRU_TEXT + "{35}[Hardware Error]:   DIMM location: not present. DMI handle: 0x0051\n"
OF_THE_MAKER = """\
{2}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 5
{2}[Hardware Error]: event severity: fatal
{2}[Hardware Error]:  Error 0, type: fatal
{2}[Hardware Error]:  fru_text: SystemBoard
{2}[Hardware Error]:   section type: unknown, 330f1140-72a5-11df-9690-0002a5d5c51b
{2}[Hardware Error]:   section length: 0x110
{2}[Hardware Error]:   00000000: 00000000 00000000 00000000 00000000  ................
"""
# Platform memory error section 2, which the kernel prints as bytes.
MEMORY_OF_THE_SECOND_FORM = OF_THE_MAKER.replace(
    "330f1140-72a5-11df-9690-0002a5d5c51b", "61ec04fc-48e6-d813-25c9-8daa44750b12"
)
SECTION_LOST = """\
{2}[Hardware Error]: event severity: fatal
{2}[Hardware Error]:  Error 0, type: corrected
{2}[Hardware Error]:   section_type: memory error
{2}[Hardware Error]:   DIMM location: CPU1 A1
{2}[Hardware Error]:  Error 1, type: corrected
{2}[Hardware Error]:   section_type: PCIe error
{2}[Hardware Error]:   device_id: 0000:5e:00.0
"""
LAST_BOOT = """\
[    1.204511] BERT: Error records from previous boot:
[    1.204514] [Hardware Error]: event severity: fatal
[    1.204515] [Hardware Error]:  Error 0, type: fatal
[    1.204517] [Hardware Error]:   section_type: IA32/X64 processor error
[    1.204518] BERT: Total records found: 1
"""
LAST_BOOT_WITHOUT_TIME = "".join(f"{line[15:]}\n" for line in LAST_BOOT.splitlines())
LEFT_OVER = "[    0.900000] mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400\n"
WITHOUT_TIME = LEFT_OVER[15:]
ON_THE_SECOND_SOCKET = """\
[  912.100000] mce: [Hardware Error]: Machine check events logged
[  912.100003] mce: [Hardware Error]: CPU 40: Machine Check: 0 Bank 1: be00000000800400
[  912.100005] mce: [Hardware Error]: TSC 0 ADDR 12345000 MISC 8c
[  912.100007] mce: [Hardware Error]: PROCESSOR 0:50657 TIME 1795461230 SOCKET 1 APIC 40 microcode 5003604
"""
# AMD: the bank's kind stands in its identity, 0x96 is a memory controller.
MEMORY_BY_ITS_BANK = """\
mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 17: dc2040000000011b
mce: [Hardware Error]: TSC 0 ADDR 12345000 SYND 5d01240a800000 IPID 9600150f00
mce: [Hardware Error]: PROCESSOR 2:a00f11 TIME 1795461230 SOCKET 0 APIC 0 microcode a0011d1
"""
AMD_MEMORY = """\
mce: [Hardware Error]: Machine check events logged
[Hardware Error]: Corrected error, no action required.
[Hardware Error]: CPU:1 (17:31:0) MC17_STATUS[Over|CE|MiscV|AddrV|-|-|SyndV|CECC|-|-|-]: 0xdc2040000000011b
[Hardware Error]: Error Addr: 0x0000000012345000
[Hardware Error]: IPID: 0x0000009600150f00, Syndrome: 0x005d01240a800000
[Hardware Error]: Unified Memory Controller Ext. Error Code: 0, DRAM ECC error.
[Hardware Error]: cache level: L3/GEN, tx: GEN, mem-tx: RD
EDAC MC0: 1 CE on mc#0csrow#1channel#2 (csrow:1 channel:2 page:0x12345 offset:0x0 grain:64 syndrome:0x5d01)
"""
# As the kernel decodes a memory error that firmware reported to it (ACPI): bank 255, code 9Fh.
AMD_MEMORY_BY_FIRMWARE = """\
[Hardware Error]: Corrected error, no action required.
[Hardware Error]: CPU:0 (19:1:1) MC255_STATUS[-|CE|-|-|AddrV|-|-|-|-|-|-]: 0x940000000000009f
[Hardware Error]: Error Addr: 0x0000000012345000
"""
AMD_CACHE = AMD_MEMORY_BY_FIRMWARE.replace("MC255", "MC2").replace("0x940000000000009f", "0x9c20000000000166")
# A core read data that memory could not correct.
BAD_DATA_READ = """\
[  912.100003] mce: [Hardware Error]: CPU 40: Machine Check Exception: 7 Bank 1: bd80000000100134
[  912.100005] mce: [Hardware Error]: TSC 0 ADDR 12345000 MISC 86
[  912.100007] mce: [Hardware Error]: PROCESSOR 0:50657 TIME 1795461230 SOCKET 1 APIC 40 microcode 5003604
"""
# The same code where the core can't go on (PCC): its own cache.
OWN_CACHE = BAD_DATA_READ.replace("bd80000000100134", "bf80000000100134")
# AMD: a core read what a card, or memory, gave as bad data.
BAD_DATA_READ_BY_AMD = """\
[  912.100003] mce: [Hardware Error]: CPU 17: Machine Check: 0 Bank 0: bc00080001010135
[  912.100005] mce: [Hardware Error]: TSC 0 ADDR fca000f0 MISC d012000000000000 IPID 1000b000000000
[  912.100007] mce: [Hardware Error]: PROCESSOR 2:a20f10 TIME 1795461230 SOCKET 0 APIC b microcode a20102b
"""
THE_SAME_DECODED = """\
[Hardware Error]: Uncorrected, software restartable error.
[Hardware Error]: CPU:17 (19:21:0) MC0_STATUS[-|UE|MiscV|AddrV|-|-|-|-|-|Poison|-]: 0xbc00080001010135
"""
OF_ITS_OWN = BAD_DATA_READ_BY_AMD.replace("bc00080001010135", "bc00000001010135")
# As acpi_extlog prints what the firmware logged of a machine check (drivers/acpi/acpi_extlog.c): a number, and no
# `[Hardware Error]`. mce then prints nothing more.
LOGGED_BY_FIRMWARE = """\
mce: [Hardware Error]: Machine check events logged
{1}Hardware error detected on CPU3
{1}event severity: recoverable
{1} Error 0, type: recoverable
{1}  section_type: IA32/X64 processor error
{1}  Local APIC_ID: 0x6
{1}  CPUID Info:
{1}  00000000: 000606a6 00000000 00400800 00000000
"""
MEMORY_LOGGED_BY_FIRMWARE = """\
{4}Hardware error detected on CPU40
{4}It has been corrected by h/w and requires no further action
{4}event severity: corrected
{4} Error 0, type: corrected
{4} fru_text: CPU1 A2
{4}  section_type: memory error
{4}  DIMM location: not present. DMI handle: 0x0051
"""
# Both drivers number their reports from 1.
THE_SAME_NUMBER = """\
{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1
{1}[Hardware Error]: event severity: corrected
{1}Hardware error detected on CPU3
{1}event severity: recoverable
{1}[Hardware Error]:  Error 0, type: corrected
{1} Error 0, type: recoverable
{1}  section_type: IA32/X64 processor error
{1}[Hardware Error]:   section_type: PCIe error
{1}[Hardware Error]:   device_id: 0000:5e:00.0
"""
MANY_WORDS = """\
NVRM: Xid (PCI:0000:02:00): 31, pid=812, name=burn, MMU Fault
NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus.
NVRM: Xid (PCI:0000:02:00): 63, pid='<unknown>', Row Remapper: New row marked for remapping.
"""
SAYS = {
    "interleaved": (INTERLEAVED, [("pcie.corrected", WARNING, "0000:5e:00.0")]),
    "two at once": (
        TWO_REPORTS_AT_ONCE,
        [("memory.uncorrected", CRITICAL, "CPU1 A1"), ("pcie.corrected", WARNING, "10000:e1:00.0")],
    ),
    "two sections": (
        TWO_SECTIONS,
        [("memory.corrected", WARNING, "CPU1 A1"), ("memory.uncorrected", CRITICAL, "CPU1 B7")],
    ),
    "old words": (OLD_WORDS, [("pcie.corrected", WARNING, "0000:80:02.0")]),
    "slot in fru_text": (SLOT_IN_FRU_TEXT, [("memory.corrected", WARNING, "D2")]),
    "no slot in fru_text": (NO_SLOT_IN_FRU_TEXT, [("memory.corrected", WARNING, "system")]),
    "handle unknown": (HANDLE_UNKNOWN, [("memory.corrected", WARNING, "D2")]),
    "of the maker": (OF_THE_MAKER, [("system.hardware_error", CRITICAL, "system")]),
    "memory, second form": (MEMORY_OF_THE_SECOND_FORM, [("memory.uncorrected", CRITICAL, "system")]),
    "section lost": (
        SECTION_LOST,
        [
            ("memory.corrected", WARNING, "CPU1 A1"),
            ("pcie.corrected", WARNING, "0000:5e:00.0"),
            ("system.hardware_error", CRITICAL, "system"),
        ],
    ),
    "last boot": (LAST_BOOT, [("system.error_before_boot", WARNING, "system")]),
    "last boot without time": (LAST_BOOT_WITHOUT_TIME, [("system.error_before_boot", WARNING, "system")]),
    "last boot, then a bank": (
        LAST_BOOT_WITHOUT_TIME + WITHOUT_TIME,
        [("system.error_before_boot", WARNING, "system"), ("cpu.machine_check", CRITICAL, "CPU0")],
    ),
    "left over": (LEFT_OVER, [("system.error_before_boot", WARNING, "system")]),
    "without time": (WITHOUT_TIME, [("cpu.machine_check", CRITICAL, "CPU0")]),
    "second socket": (ON_THE_SECOND_SOCKET, [("cpu.machine_check", CRITICAL, "CPU1")]),
    "memory by its bank": (MEMORY_BY_ITS_BANK, [("memory.corrected", WARNING, "system")]),
    "AMD memory by firmware": (AMD_MEMORY_BY_FIRMWARE, [("memory.corrected", WARNING, "system")]),
    "AMD cache": (AMD_CACHE, [("cpu.corrected_machine_check", WARNING, "CPU0")]),
    "bad data was read": (BAD_DATA_READ, [("memory.uncorrected", CRITICAL, "system")]),
    "a cache of its own": (OWN_CACHE, [("cpu.machine_check", CRITICAL, "CPU1")]),
    "bad data was read by AMD": (BAD_DATA_READ_BY_AMD, [("system.hardware_error", CRITICAL, "system")]),
    "bad data was read, decoded": (THE_SAME_DECODED, [("system.hardware_error", CRITICAL, "system")]),
    "AMD's own": (OF_ITS_OWN, [("cpu.machine_check", CRITICAL, "CPU0")]),
    "AMD memory": (
        AMD_MEMORY,
        [("memory.corrected", WARNING, "mc#0csrow#1channel#2"), ("memory.corrected", WARNING, "system")],
    ),
    "logged by firmware": (LOGGED_BY_FIRMWARE, [("cpu.machine_check", CRITICAL, "CPU0")]),
    "corrected, logged by firmware": (
        LOGGED_BY_FIRMWARE.replace("recoverable", "corrected"),
        [("cpu.corrected_machine_check", WARNING, "CPU0")],
    ),
    "memory, logged by firmware": (MEMORY_LOGGED_BY_FIRMWARE, [("memory.corrected", WARNING, "CPU1 A2")]),
    "two reports of one number": (
        THE_SAME_NUMBER,
        [("cpu.machine_check", CRITICAL, "CPU0"), ("pcie.corrected", WARNING, "0000:5e:00.0")],
    ),
    "Xids": (
        MANY_WORDS,
        [
            ("gpu.xid", WARNING, "0000:02:00.0"),
            ("gpu.xid", CRITICAL, "0000:02:00.0"),
            ("gpu.remap_pending", WARNING, "0000:02:00.0"),
        ],
    ),
}
