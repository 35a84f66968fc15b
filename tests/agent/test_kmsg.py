"""Lines as real kernels write them, and what they mean."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import judge
from agent.contract import codes, wire
from agent.counters.component_names import Names
from agent.counters.kernel.kmsg import Classifier, parse
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.log import KernelLog
from agent.counters.kernel.rules import READERS
from agent.counters.kernel.rules.pattern import Pattern
from tests.agent.kernel_reports import LOGGED_BY_FIRMWARE
from tests.agent_stages.contexts import context

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING

RECORDED = Path(__file__).parents[1] / "recorded" / "kmsg"
SAYS = [line.split("\t") for line in (RECORDED / "says.tsv").read_text().splitlines() if not line.startswith("#")]
SAYS_NOTHING = (RECORDED / "says_nothing.txt").read_text().splitlines()


LATER_US = 60_000_000


def record(text: str, seq: int = 1, time_us: int = LATER_US) -> Record:
    return Record(seq, time_us, 4, text)


def hits(*lines: str | tuple[int, str]) -> list[Hit]:
    """What becomes of these lines, in their order; a time in front is microseconds after the first."""
    classify = Classifier()
    found = []
    for line in lines:
        at, text = line if isinstance(line, tuple) else (0, line)
        found += classify.look(record(text, time_us=LATER_US + at))
    return found + classify.flush()


def told(*lines: str | tuple[int, str]) -> list[tuple[str, str, str]]:
    return [(hit.code, str(hit.severity), hit.name) for hit in hits(*lines)]


def severities(*lines: str | tuple[int, str]) -> list[str]:
    return [severity for _, severity, _ in told(*lines)]


@pytest.mark.parametrize(("code", "severity", "name", "text"), SAYS, ids=[line[3][:40] for line in SAYS])
def test_it_knows_what_the_kernel_means(code: str, severity: str, name: str, text: str) -> None:
    assert told(text) == [(code, severity, name)]


@pytest.mark.parametrize(("code", "severity", "name", "text"), SAYS, ids=[line[3][:40] for line in SAYS])
def test_a_stage_during_which_the_kernel_says_it_has_the_finding(
    code: str, severity: str, name: str, text: str, tmp_path: Path
) -> None:
    said = judge.judge(context("CPUStress", tmp_path), "kmsg", f"4,1,{LATER_US},-;{text}\n")["findings"]
    assert [finding["code"] for finding in said] == [code]


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_what_healthy_machines_say_is_nothing(text: str) -> None:
    assert hits(text) == []


def test_every_reader_has_a_sample_of_its_own() -> None:
    first = [next((reader for reader in READERS if reader.read(record(text))), None) for *_, text in SAYS]
    unseen = [reader for reader in READERS if reader not in first]
    assert unseen == []


def test_every_code_is_registered() -> None:
    said = {reader.code for reader in READERS if isinstance(reader, Pattern)}
    assert said | {code for code, *_ in SAYS} <= codes.CODES.keys()


def test_a_link_that_the_kernel_reset_is_as_grave_in_the_log_as_in_the_table_of_codes() -> None:
    patterns = [reader for reader in READERS if isinstance(reader, Pattern)]
    said = {pattern.severity for pattern in patterns if pattern.code == "disk.link_error"}
    assert said == {codes.CODES["disk.link_error"].severity}


NVME_LOCKED = "nvme0n1: Read(0x2) @ LBA 2048, 8 blocks, Access Denied (sct 0x2 / sc 0x86) DNR"
NVME_ERROR = "critical medium error, dev nvme0n1, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"
NVME_BUFFER = "Buffer I/O error on dev nvme0n1, logical block 256, async page read"
SAS_LOCKED = "sd 0:0:1:0: [sdb] tag#12 Add. Sense: Access denied - no access rights"
SAS_ERROR = "critical target error, dev sdb, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"


def test_a_locked_drive_is_locked_and_not_broken() -> None:
    locked = ("disk.locked", "warning")
    assert told(NVME_LOCKED, NVME_ERROR, NVME_BUFFER) == [(*locked, "nvme0n1"), (*locked, "nvme0n1")]
    assert told("sd 0:0:1:0: [sdb] tag#12 Sense Key : Data Protect [current]", SAS_LOCKED, SAS_ERROR) == [
        (*locked, "sdb")
    ]


def test_a_namespace_that_its_owner_has_write_protected_is_locked_and_not_broken() -> None:
    """The drive itself would set its critical warning (read only), and answer with another status."""
    protected = "nvme0n1: Write(0x1) @ LBA 0, 8 blocks, Namespace is Write Protected (sct 0x0 / sc 0x20) DNR"
    error = "I/O error, dev nvme0n1, sector 0 op 0x1:(WRITE) flags 0x8800 phys_seg 1 prio class 2"
    assert told(protected, error) == [("disk.locked", "warning", "nvme0n1")]
    assert ("disk.io_error", "critical", "nvme0n1") in told(protected.replace("sc 0x20", "sc 0x82"), error)


def test_a_read_of_what_was_never_written_is_no_fault_of_the_medium() -> None:
    unwritten = NVME_LOCKED.replace("Access Denied (sct 0x2 / sc 0x86)", "Unwritten Block (sct 0x2 / sc 0x87)")
    assert told(unwritten, NVME_ERROR) == [("disk.unwritten", "warning", "nvme0n1")]


RESERVED_BEFORE_6_4 = "blk_update_request: critical nexus error, dev sdb, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1"
RESERVED = "reservation conflict error, dev sdb, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"
SAS_BUFFER = "Buffer I/O error on dev sdb, logical block 0, async page read"


@pytest.mark.parametrize("line", [RESERVED_BEFORE_6_4, RESERVED])
def test_a_drive_that_another_host_has_reserved_is_reserved_and_not_broken(line: str) -> None:
    """The kernel tries again while it looks for partitions, and the buffer cache names each of its blocks."""
    reserved = ("disk.reserved", "warning")
    said = told("sd 1:0:62:0: reservation conflict", line, SAS_BUFFER, SAS_BUFFER.replace("block 0", "block 1"))
    assert said == [(*reserved, "sdb")] * 3
    assert told(line, SAS_BUFFER.replace("sdb", "sdb1"))[1] == (*reserved, "sdb1")


def test_an_nvme_drive_tells_the_reservation_by_its_status() -> None:
    conflict = NVME_LOCKED.replace("Access Denied (sct 0x2 / sc 0x86)", "Reservation Conflict (sct 0x0 / sc 0x83)")
    error = NVME_ERROR.replace("critical medium", "reservation conflict")
    assert told(conflict, error, NVME_BUFFER) == [("disk.reserved", "warning", "nvme0n1")] * 2


@pytest.mark.parametrize(
    "lines",
    [
        [NVME_ERROR],
        [NVME_LOCKED, NVME_ERROR, NVME_ERROR],
        [NVME_LOCKED, NVME_ERROR.replace("nvme0n1", "nvme1n1")],
        [NVME_LOCKED, (2_000_000, NVME_ERROR)],
        [NVME_LOCKED.replace("sc 0x86", "sc 0x81"), NVME_ERROR],
        ["sd 0:0:1:0: [sdb] tag#12 Sense Key : Data Protect [current]", SAS_ERROR],
        [SAS_LOCKED, "sd 0:0:1:0: [sdb] tag#13 Sense Key : Medium Error [current]"],
        [SAS_BUFFER],
        [RESERVED, SAS_BUFFER.replace("sdb", "sdc")],
        [RESERVED, (2_000_000, SAS_BUFFER)],
        [RESERVED, SAS_ERROR],
        [RESERVED, "critical medium error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1", SAS_BUFFER],
        [RESERVED, "md/raid1:md0: Disk failure on sdb, disabling device."],
    ],
)
def test_a_refusal_excuses_nothing_else(lines: list[str | tuple[int, str]]) -> None:
    assert any(severity == "critical" for _, severity, _ in told(*lines))


def test_what_the_buffer_cache_repeats_of_a_real_error_is_no_refusal() -> None:
    medium = "critical medium error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1"
    assert [severity for _, severity, _ in told(RESERVED, SAS_BUFFER, medium, SAS_BUFFER)] == [
        "warning", "warning", "critical", "critical"
    ]  # fmt: skip


NO_FIRMWARE = "amdgpu 0000:03:00.0: Direct firmware load for amdgpu/polaris12_mc.bin failed with error -2"
NO_FIRMWARE_IN_DEBIAN = "amdgpu 0000:03:00.0: firmware: failed to load amdgpu/polaris12_mc.bin (-2)"
GPU_GIVEN_UP = "amdgpu 0000:03:00.0: amdgpu: Fatal error during GPU init"
NO_SUCH_MODULE = "ixgbe 0000:02:00.0: failed to load because an unsupported SFP+ or QSFP module type was detected."
PORT_GIVEN_UP = "ixgbe: probe of 0000:02:00.0 failed with error -95"
BNX2 = "bnx2 0000:04:00.0: Direct firmware load for bnx2/bnx2-mips-09-6.2.1b.fw failed with error -2"


@pytest.mark.parametrize(
    "lines",
    [
        (NO_FIRMWARE, GPU_GIVEN_UP),
        (NO_FIRMWARE_IN_DEBIAN, GPU_GIVEN_UP),
        (NO_SUCH_MODULE, PORT_GIVEN_UP),
        (NO_SUCH_MODULE, "ixgbe 0000:02:00.0: probe with driver ixgbe failed with error -95"),
        (BNX2, "bnx2: probe of 0000:04:00.0 failed with error -2"),
    ],
)
def test_a_card_whose_driver_lacks_something_is_not_broken(lines: tuple[str, ...]) -> None:
    assert set(severities(*lines)) == {"warning"}


@pytest.mark.parametrize(
    "lines",
    [
        (GPU_GIVEN_UP,),
        (PORT_GIVEN_UP,),
        # Another card, another error, another time; a chip that does not start with its firmware.
        (NO_FIRMWARE.replace("03:00", "04:00"), GPU_GIVEN_UP),
        (NO_SUCH_MODULE, PORT_GIVEN_UP.replace("-95", "-5")),
        (BNX2, "bnx2: probe of 0000:04:00.0 failed with error -5"),
        (NO_FIRMWARE, (100_000_000, GPU_GIVEN_UP)),
        (NO_FIRMWARE, "[drm:amdgpu_device_init [amdgpu]] *ERROR* hw_init of IP block <psp> failed -22", GPU_GIVEN_UP),
        (NO_FIRMWARE, "amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=1, emitted seq=3"),
        (NO_FIRMWARE.replace("error -2", "error -12"), GPU_GIVEN_UP),
    ],
)
def test_a_card_that_its_driver_gives_up_otherwise_is_broken(lines: tuple[str | tuple[int, str], ...]) -> None:
    assert "critical" in severities(*lines)


# A port gets a message about latency (LTR) that it has not enabled. All machines of some kinds log this.
PORT = "pcieport 0000:00:1d.0"
NOT_ACCEPTED = (
    f"{PORT}: AER: Uncorrectable (Non-Fatal) error message received from 0000:00:1d.0",
    f"{PORT}: PCIe Bus Error: severity=Uncorrectable (Non-Fatal), type=Transaction Layer, (Requester ID)",
    f"{PORT}:   device [8086:7ab0] error status/mask=00100000/00004000",
    f"{PORT}:    [20] UnsupReq               (First)",
    f"{PORT}: AER:   TLP Header: 34000000 08000052 00000000 00000000",
    "thunderbolt 0000:0a:00.0: AER: can't recover (no error_detected callback)",
    f"{PORT}: AER: device recovery failed",
)
LOST_ANSWER = tuple(line.replace("=00100000/", "=00104000/").replace("/00004000", "/00000000") for line in NOT_ACCEPTED)


def test_a_pcie_request_that_was_not_accepted_condemns_nobody() -> None:
    warned = ("pcie.uncorrected", "warning", "0000:00:1d.0")
    assert told(*NOT_ACCEPTED) == [warned] * 3
    refused_by_acs = (line.replace("=00100000/", "=00200000/") for line in NOT_ACCEPTED)
    assert told(*refused_by_acs) == [warned] * 3
    by_firmware = f"{PORT}: aer_status: 0x00100000, aer_mask: 0x00000000"
    assert told(by_firmware, f"{PORT}: AER: device recovery failed") == [warned]


@pytest.mark.parametrize(
    "lines",
    [
        LOST_ANSWER,
        (*NOT_ACCEPTED, *LOST_ANSWER),
        (*LOST_ANSWER, *NOT_ACCEPTED),
        [line.replace("Non-Fatal", "Fatal") for line in NOT_ACCEPTED],
        NOT_ACCEPTED[:2],
        # The kind of an error is not that of one long before it.
        [*NOT_ACCEPTED[:2], *((2_000_000, line) for line in NOT_ACCEPTED[2:])],
        [*NOT_ACCEPTED[:6], (2_000_000, NOT_ACCEPTED[6])],
        # All bits that are set are masked.
        [line.replace("/00004000", "/00100000") for line in NOT_ACCEPTED],
    ],
)
def test_any_other_uncorrected_pcie_error_condemns(lines: list[str | tuple[int, str]]) -> None:
    assert "critical" in severities(*lines)


def test_an_error_of_one_card_is_not_excused_by_a_refusal_of_another() -> None:
    other = [line.replace("00:1d.0", "00:1c.0") for line in LOST_ANSWER]
    assert {(name, severity) for _, severity, name in told(*NOT_ACCEPTED, *other)} == {
        ("0000:00:1d.0", "warning"), ("0000:00:1c.0", "critical")
    }  # fmt: skip
    mixed = (line for both in zip(NOT_ACCEPTED, other, strict=True) for line in both)
    assert ("critical", "0000:00:1c.0") in {(severity, name) for _, severity, name in told(*mixed)}


def test_a_refusal_belongs_to_the_device_that_the_port_names() -> None:
    """The port above says first that it got a message; older kernels name the sender by a number."""
    card = [line.replace(PORT, "ixgbe 0000:0a:00.1") for line in NOT_ACCEPTED[1:3]]
    for sender in ("0000:0a:00.1", "id=0a01"):
        first = f"{PORT}: AER: Uncorrected (Non-Fatal) error received: {sender}"
        assert severities(first, *card) == ["warning", "warning"]
    assert "critical" in severities(f"{PORT}: AER: Uncorrected (Non-Fatal) error received: id=0a02", *card)


CARD = "virtio-pci 0000:02:00.0"
LOST = (
    f"{PORT}: AER: Uncorrectable (Non-Fatal) error message received from 0000:02:00.0",
    f"{CARD}: PCIe Bus Error: severity=Uncorrectable (Non-Fatal), type=Transaction Layer, (Requester ID)",
    f"{CARD}:   device [1af4:1041] error status/mask=00004000/00000000",
    f"{CARD}: AER: can't recover (no error_detected callback)",
)
FAILED_RECOVERY = f"{PORT}: AER: device recovery failed"


def test_a_recovery_that_failed_is_of_the_device_that_sent_the_error() -> None:
    assert told(*LOST, FAILED_RECOVERY) == [("pcie.uncorrected", "critical", "0000:02:00.0")] * 3


@pytest.mark.parametrize(
    "lines",
    [
        (FAILED_RECOVERY,),
        (*LOST, (61_000_000, FAILED_RECOVERY)),
        (*LOST, LOST[0].replace("0000:02:00.0", "0000:00:1d.0"), FAILED_RECOVERY),
    ],
    ids=["nothing before", "long before", "the port's own error"],
)
def test_a_recovery_that_failed_without_such_an_error_is_of_its_port(lines: tuple[str | tuple[int, str], ...]) -> None:
    assert told(*lines)[-1] == ("pcie.uncorrected", "critical", "0000:00:1d.0")


REFUSAL_BY_FIRMWARE = (
    "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1",
    "{1}[Hardware Error]: event severity: recoverable",
    "{1}[Hardware Error]:  Error 0, type: recoverable",
    "{1}[Hardware Error]:   section_type: PCIe error",
    "{1}[Hardware Error]:   device_id: 0000:5e:00.0",
    "{1}[Hardware Error]:   aer_uncor_status: 0x00100000, aer_uncor_mask: 0x00000000",
)


def test_a_refused_request_that_the_firmware_reports_is_a_warning_and_a_lost_answer_is_not() -> None:
    assert told(*REFUSAL_BY_FIRMWARE) == [("pcie.uncorrected", "warning", "0000:5e:00.0")]
    lost = [line.replace("status: 0x00100000", "status: 0x00004000") for line in REFUSAL_BY_FIRMWARE]
    assert told(*lost) == [("pcie.uncorrected", "critical", "0000:5e:00.0")]
    assert severities(*REFUSAL_BY_FIRMWARE[:-1]) == ["critical"]


CORRECTED_BY_FIRMWARE = (
    "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1",
    "{1}[Hardware Error]: It has been corrected by h/w and requires no further action",
    "{1}[Hardware Error]: event severity: corrected",
    "{1}[Hardware Error]:  Error 0, type: corrected",
    "{1}[Hardware Error]:   section_type: memory error",
    "{1}[Hardware Error]:   DIMM location: CPU0 DIMM_A1",
)


def test_a_corrected_error_of_the_firmware_is_one_warning_about_its_module() -> None:
    assert told(*CORRECTED_BY_FIRMWARE) == [("memory.corrected", "warning", "CPU0 DIMM_A1")]


def test_two_reports_that_follow_at_once_are_two() -> None:
    fatal = (
        "{2}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1",
        "{2}[Hardware Error]: event severity: fatal",
        "{2}[Hardware Error]:   section_type: PCIe error",
        "{2}[Hardware Error]:   device_id: 0000:03:00.0",
    )
    assert told(*CORRECTED_BY_FIRMWARE, *fatal) == [
        ("memory.corrected", "warning", "CPU0 DIMM_A1"),
        ("pcie.uncorrected", "critical", "0000:03:00.0"),
    ]


def test_one_corrected_machine_check_is_one_warning_however_many_lines_it_takes() -> None:
    assert told(
        "mce: [Hardware Error]: Machine check events logged",
        "mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 4: 8c00000000000151",
        "mce: [Hardware Error]: TSC 0 ADDR 12345000 MISC 8c",
        "mce: [Hardware Error]: PROCESSOR 2:a0f10 TIME 1795461230 SOCKET 0 APIC 0 microcode 1000065",
    ) == [("cpu.corrected_machine_check", "warning", "0")]  # the socket, which the last line names


def test_a_machine_check_that_the_firmware_logged_is_blamed_on_the_cpu_of_its_first_line() -> None:
    assert told(*LOGGED_BY_FIRMWARE.splitlines()) == [("cpu.machine_check", "critical", "3")]


def test_a_corrected_error_of_an_amd_processor_is_a_warning() -> None:
    assert told(
        "[Hardware Error]: Corrected error, no action required.",
        "[Hardware Error]: CPU:2 (19:21:0) MC0_STATUS[-|CE|MiscV|AddrV|-|-|SyndV|-|-|-]: 0x9c20400000000135",
        "[Hardware Error]: Error Addr: 0x0000000012345000",
        "[Hardware Error]: cache level: L1, tx: DATA, mem-tx: DRD",
    ) == [("cpu.corrected_machine_check", "warning", "2")]


def test_a_grave_report_a_minute_later_is_not_excused_by_the_one_before() -> None:
    assert told(
        "mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 4: 8c00000000000151",
        (60_000_000, "mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 4: bc00000000000151"),
    ) == [("cpu.corrected_machine_check", "warning", "1"), ("cpu.machine_check", "critical", "1")]


def test_a_report_that_turns_grave_after_it_was_told_is_told_again() -> None:
    classify = Classifier()
    classify.look(record("{1}[Hardware Error]: event severity: corrected"))
    assert [hit.severity for hit in classify.flush()] == [WARNING]
    classify.look(record("{1}[Hardware Error]:   section_type: memory error"))
    assert classify.flush() == []
    classify.look(record("[Hardware Error]: System Fatal error."))
    assert [hit.severity for hit in classify.flush()] == [CRITICAL]


def test_a_report_whose_gravity_was_not_read_counts_as_grave() -> None:
    assert told("{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 1") == [
        ("system.hardware_error", "critical", "")
    ]


def test_what_the_firmware_kept_from_before_this_boot_condemns_nobody() -> None:
    classify = Classifier()
    lines = ("BERT: Error records from previous boot:", "[Hardware Error]: event severity: fatal")
    for text in lines:
        assert classify.look(record(text)) == []
    assert [(hit.code, hit.severity) for hit in classify.flush()] == [("system.error_before_boot", WARNING)]


def test_what_a_bank_still_held_at_boot_condemns_nobody_and_an_exception_does() -> None:
    left_over = Classifier()
    left_over.look(record("mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400", time_us=900_000))
    assert [hit.code for hit in left_over.flush()] == ["system.error_before_boot"]
    now = Classifier()
    now.look(record("mce: [Hardware Error]: CPU 0: Machine Check Exception: 4 Bank 5: be00000000800400", time_us=9))
    assert [hit.code for hit in now.flush()] == ["cpu.machine_check"]


LEFT_OVER = "mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400"
BOOT = "Linux version 6.12.9-amd64 (debian-kernel@lists.debian.org)"
BEGIN = (-LATER_US, BOOT)


def test_a_large_host_that_boots_for_long_is_not_condemned_by_what_a_bank_held() -> None:
    """LATER_US is a minute after the boot began."""
    assert told(BEGIN, LEFT_OVER) == [("system.error_before_boot", "warning", "")]
    logged = "mce: [Hardware Error]: Machine check events logged"
    assert told(BEGIN, logged) == [("system.error_before_boot", "warning", "")]


# The kernel's clock may run while it tests the memory: here for ten minutes, most of them after the last line.
MEMORY_TEST = (
    BEGIN,
    (-LATER_US + 1_000_000, "early_memtest: # of tests: 8"),
    (200_000_000, "  0x0000000100000000 - 0x0000004000000000 pattern 4c494e5558726c7a"),
    (600_000_000, "Zone ranges:"),
)


def test_the_kernels_own_memory_test_makes_no_left_over_error_a_new_one() -> None:
    assert told(*MEMORY_TEST, (602_000_000, LEFT_OVER)) == [("system.error_before_boot", "warning", "")]


@pytest.mark.parametrize(
    "lines",
    [
        (*MEMORY_TEST, (601_000_000, "Run /init as init process"), (602_000_000, LEFT_OVER)),
        (*MEMORY_TEST, (901_000_000, LEFT_OVER)),  # the end of the boot is missing in the log
        (BEGIN, "Run /init as init process", LEFT_OVER),
        (BEGIN, "Freeing unused kernel memory: 1480K", LEFT_OVER),  # kernel 4.4
        (BEGIN, "systemd[1]: Inserted module 'autofs4'", LEFT_OVER),
        (BEGIN, (300_000_000, LEFT_OVER)),  # the end of the boot is missing in the log
        (BOOT, LEFT_OVER),  # a log without times
        (BEGIN, LEFT_OVER.replace("Check: 0", "Check Exception: 5")),
        ("Run /init as init process", LEFT_OVER),
        (LEFT_OVER,),
    ],
)
def test_an_error_after_the_boot_condemns(lines: tuple[str, ...]) -> None:
    assert ("cpu.machine_check", "critical") in {(code, severity) for code, severity, _ in told(*lines)}


def test_what_a_program_writes_into_the_kernels_log_says_nothing() -> None:
    assert Classifier().look(parse("12,7,1000,-;systemd: I/O error, dev sda, sector 0")) == []
    assert Classifier().look(parse("3,7,1000,-;I/O error, dev sda, sector 0")) != []


def test_a_record_is_read_with_its_device() -> None:
    line = "3,1042,98765432,-;sd 0:0:0:0: [sda] rejecting I/O\n SUBSYSTEM=scsi\n DEVICE=+scsi:0:0:0:0"
    assert parse(line) == Record(1042, 98765432, 3, "sd 0:0:0:0: [sda] rejecting I/O", "+scsi:0:0:0:0")
    assert parse("no record at all") is None
    assert parse("a,b,c,-;text") is None


# --- reading ---------------------------------------------------------------------------------------------------------


class Kernel:
    """Writes records as /dev/kmsg gives them: one per read."""

    def __init__(self) -> None:
        self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.fd = there.detach()
        self.path = f"/proc/self/fd/{self.fd}"

    def say(self, seq: int, text: str, level: int = 3) -> None:
        self.here.send(f"{level},{seq},{seq * 1000},-;{text}\n".encode())


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """A socket can't be opened by its path, so os.open gives a copy of the descriptor for it."""
    kernel, real = Kernel(), os.open

    def opened(path: object, *args: object, **more: object) -> int:
        if path != kernel.path:
            return real(path, *args, **more)
        copy = os.dup(kernel.fd)
        os.set_blocking(copy, False)
        return copy

    monkeypatch.setattr(os, "open", opened)
    yield kernel
    kernel.here.close()
    os.close(kernel.fd)


INVENTORY = wire.Inventory(
    disks=[
        wire.Disk("sda", "SATA-0001", "", "sata", 1000),
        wire.Disk("sdb", "STICK-1", "", "usb", 1000),
    ],
    memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 8192), wire.Dimm("DIMM_A10", 8192)]),
    nics=[wire.Nic("eth0", "52:54:00:AB:CD:EF")],
)


def log_of(kernel: Kernel, tmp_path: Path, said: list[str] | None = None) -> KernelLog:
    lines = [] if said is None else said
    return KernelLog(tmp_path / "position", lambda level, text: lines.append(text), kernel.path)


def test_a_message_is_blamed_on_the_component_behind_the_kernels_name(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "I/O error, dev sda, sector 8 op 0x0:(READ)")
    kernel.say(1, "I/O error, dev sda, sector 16 op 0x0:(READ)")
    kernel.say(2, "EDAC MC0: 1 CE memory read error on DIMM_A10 (channel:1)")
    kernel.say(3, "NETDEV WATCHDOG: eth0 (igb): transmit queue 0 timed out")
    found = {f.code: f for f in log.take(Names(tmp_path, INVENTORY))}
    disk = found["disk.io_error"]
    assert (disk.component_kind, disk.component, disk.value) == ("disk", "SATA-0001", 2.0)
    assert disk.message == "SATA-0001: the kernel said: I/O error, dev sda, sector 8 op 0x0:(READ) (2 times)"
    assert found["memory.corrected"].component == "DIMM_A10"
    assert found["nic.transmit_timeout"].component == "52:54:00:ab:cd:ef"


def test_a_message_belongs_to_the_stage_it_came_in(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "I/O error, dev sda, sector 8")
    assert len(log.take(Names(tmp_path, INVENTORY))) == 1
    assert log.take(Names(tmp_path, INVENTORY)) == []
    kernel.say(1, "ata3: hard resetting link")
    assert [f.code for f in log.take(Names(tmp_path, INVENTORY))] == ["disk.link_error"]


def test_a_usb_stick_condemns_nobody(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "I/O error, dev sdb, sector 8")
    assert [(f.component, f.severity) for f in log.take(Names(tmp_path, INVENTORY))] == [("STICK-1", WARNING)]


def test_a_usb_disk_that_came_after_the_inventory_condemns_nobody(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "scsi host9: usb-storage 1-4:1.0", level=6)
    kernel.say(1, "sd 9:0:0:0: [sdc] 2880 512-byte logical blocks: (1.47 MB/1.41 MiB)", level=5)
    kernel.say(2, "sd 9:0:0:0: [sdc] Write Protect is on", level=5)
    log.take(Names(tmp_path, INVENTORY))
    kernel.say(3, "sdc: detected capacity change from 2880 to 0", level=6)
    kernel.say(4, "I/O error, dev sdc, sector 0 op 0x0:(READ)")
    found = {(f.code, f.component, f.severity) for f in log.take(Names(tmp_path, INVENTORY))}
    assert found == {("system.part_gone", "sdc", WARNING), ("disk.io_error", "sdc", WARNING)}


def test_a_disk_that_takes_the_name_of_a_stick_is_a_disk(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "scsi host9: uas", level=6)
    kernel.say(1, "sd 9:0:0:0: [sdc] Attached SCSI removable disk", level=5)
    kernel.say(2, "sd 3:0:0:0: [sdc] Attached SCSI disk", level=5)
    kernel.say(3, "I/O error, dev sdc, sector 0 op 0x0:(READ)")
    assert [f.severity for f in log.take(Names(tmp_path, INVENTORY))] == [CRITICAL]


def test_messages_that_were_overwritten_are_missed_aloud(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "booting", level=6)
    kernel.say(41, "still there", level=6)
    gap = log.take(Names(tmp_path, INVENTORY))[0]
    assert (gap.code, gap.value, gap.severity) == ("system.kernel_log_gap", 40.0, WARNING)


def test_a_restarted_agent_takes_up_where_the_one_before_left(kernel: Kernel, tmp_path: Path) -> None:
    kernel.say(0, "I/O error, dev sda, sector 8")
    first = log_of(kernel, tmp_path)
    first.take(Names(tmp_path, INVENTORY))
    first.commit()
    again = log_of(kernel, tmp_path)
    kernel.say(0, "I/O error, dev sda, sector 8")
    kernel.say(1, "ata3: hard resetting link")
    assert [f.code for f in again.take(Names(tmp_path, INVENTORY))] == ["disk.link_error"]


def test_what_the_kernel_calls_an_error_is_in_the_runs_log_and_a_flood_is_not(kernel: Kernel, tmp_path: Path) -> None:
    said: list[str] = []
    log = log_of(kernel, tmp_path, said)
    kernel.say(0, "something is wrong", level=3)
    kernel.say(1, "all is well", level=6)
    for seq in range(2, 1000):
        kernel.say(seq, "I/O error, dev sda, sector 8")
        if seq % 50 == 0:
            log._read_available()
    log.take(Names(tmp_path, INVENTORY))
    assert said[0] == "kernel: something is wrong"
    assert "kernel: all is well" not in said
    assert len(said) == 501


def test_the_lines_of_a_corrected_error_are_in_the_runs_log(kernel: Kernel, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "position").write_text("59999")  # a minute after the boot
    log = log_of(kernel, tmp_path, said)
    for seq, text in enumerate(CORRECTED_BY_FIRMWARE, 60_000):
        kernel.say(seq, text, level=4)
    (found,) = log.take(Names(tmp_path, None))
    assert (found.code, found.component, found.severity) == ("memory.corrected", "CPU0 DIMM_A1", WARNING)
    assert said == [f"kernel: {text}" for text in CORRECTED_BY_FIRMWARE]


def test_a_mild_word_about_a_part_does_not_hide_a_grave_one(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    kernel.say(0, "I/O error, dev sda, sector 8 op 0x3:(DISCARD) flags 0x800")
    kernel.say(1, "I/O error, dev sda, sector 8 op 0x0:(READ) flags 0x0")
    assert {f.severity for f in log.take(Names(tmp_path, INVENTORY))} == {WARNING, CRITICAL}


def test_it_listens_in_a_thread_that_ends_when_told(kernel: Kernel, tmp_path: Path) -> None:
    log = log_of(kernel, tmp_path)
    log.start()
    kernel.say(0, "I/O error, dev sda, sector 8")
    log.finish()
    assert [f.code for f in log.take(Names(tmp_path, INVENTORY))] == ["disk.io_error"]


def test_without_a_kernels_log_nothing_is_claimed(tmp_path: Path) -> None:
    log = KernelLog(tmp_path / "position", lambda level, text: None, str(tmp_path / "none"))
    log.start()
    assert not log.available and log.take(Names(tmp_path, None)) == []
    log.finish()
