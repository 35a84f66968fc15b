"""A drive's own report about its health, and its self-tests (smartmontools 7.4, JSON)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.host import shell
from agent.parsing import ParseError, clean, identifier, integer, mapping, parse_json, sequence
from agent.probes.drives import raid_models, turns
from agent.probes.smart import (
    smart_attributes,
    smart_error_log,
    smart_meanings,
    smart_nvme,
    smart_scsi,
    smart_self_test,
    smart_statistics,
)
from agent.probes.smart.gaps import Gaps, whole
from agent.probes.smart.smart_attributes import Attribute
from agent.probes.smart.smart_error_log import ErrorLog
from agent.probes.smart.smart_nvme import TEMPERATURE_BIT, NvmeHealth
from agent.probes.smart.smart_scsi import Exception_, Scan
from agent.probes.smart.smart_self_test import SelfTest
from agent.probes.smart.smart_statistics import Place, Statistic

# Bits of the exit status, smartctl(8).
COMMAND_LINE, OPEN_FAILED, COMMAND_FAILED, FAILING, PREFAIL, PAST_PREFAIL, ERROR_LOG, SELF_TEST_LOG = (
    1 << bit for bit in range(8)
)
_ASKS_FOR_STATE, _SHORT_WORDS = ("--xall", "--all", "--capabilities"), re.compile(r"-j?[axc]j?")
# smartctl's messages about the command that asks for the drive's health. There are others about its logs.
_OF_HEALTH = re.compile(
    r"SMART (Status|Disabled|support)|overall-health|Read SMART (Data|Thresholds)|\bIE\b|SMART/Health|Request Sense",
    re.I,
)
# A physical sector has 4096 bytes at most; a flash drive may give the size of a page.
_PHYSICAL_MOST = 1 << 16


@dataclass(frozen=True)
class Device:
    """A device for smartctl to open: a path, and smartctl's device type if smartctl can't guess it (`megaraid,3`)."""

    path: str
    device_type: str = ""

    @property
    def words(self) -> list[str]:
        return [*(("-d", self.device_type) if self.device_type else ()), self.path]

    @property
    def is_by_number(self) -> bool:
        """Whether the drive has a number behind a controller instead of a disk of the kernel. When a drive drops out,
        the numbers behind it may become those of other drives."""
        return bool(self.device_type) or self.path.startswith("/dev/sg")


@dataclass(frozen=True)
class Smart:
    """The content of one `smartctl -j -x`. `passed` is the drive's own verdict, None if it gave none. `trouble` says
    why its health is unknown. `locked`: it waits for a password (ATA security). `gaps` are what was not read or could
    not be parsed."""

    exit_status: int
    protocol: str
    passed: bool | None
    model: str = ""
    serial: str = ""
    firmware: str = ""
    rotation_rpm: int | None = None
    messages: list[str] = field(default_factory=list)
    attributes: dict[int, Attribute] = field(default_factory=dict)
    statistics: dict[Place, Statistic] = field(default_factory=dict)
    nvme: NvmeHealth | None = None
    exception: Exception_ | None = None
    grown_defects: int | None = None
    uncorrected: dict[str, int] = field(default_factory=dict)
    scan: Scan | None = None
    errors: ErrorLog = field(default_factory=ErrorLog)
    endurance_used_percent: int | None = None
    spare_percent: int | None = None
    spare_threshold_percent: int | None = None
    pending_defects: int | None = None
    available: bool = True
    locked: bool | None = None
    enabled: bool | None = True
    logical_per_physical: int = 1
    link_gbit: float | None = None
    link_most_gbit: float | None = None
    temperature_c: int | None = None
    power_on_hours: int | None = None
    power_cycles: int | None = None
    sas_link_errors: int | None = None
    self_test: SelfTest = field(default_factory=SelfTest)
    was_asked_for_all: bool = True
    gaps: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether the drive could not be asked, or did not answer the health command."""
        return bool(self.exit_status & (COMMAND_LINE | OPEN_FAILED)) or self.passed is None

    @property
    def trouble(self) -> str:
        if self.exit_status & (COMMAND_LINE | OPEN_FAILED):
            return "; ".join(self.messages) or f"smartctl exited with {self.exit_status}"
        if volume := raid_models.no_health(self.model):
            return f"no health status: {volume}"
        if not self.available:
            return "the drive gives no health status: it has no SMART"
        if self.enabled is False:
            return "SMART is switched off in the drive: smartctl -s on switches it on"
        if self.passed is None:
            said = [text for text in self.messages if _OF_HEALTH.search(text)]
            return "; ".join(["the drive gives no health status", *said])
        return ""

    @property
    def says_failing(self) -> bool:
        """Whether the drive itself reports a failure. A mere warning of heat or surroundings is none."""
        if self.passed is not False and not self.exit_status & FAILING:
            return False
        if self.nvme is not None and self.nvme.bits:
            return self.nvme.bits != TEMPERATURE_BIT
        return self.exception is None or self.exception.code == smart_scsi.FAILING

    @property
    def is_by_attributes(self) -> bool:
        """Whether the verdict is smartctl's own: it judges by attributes if a bridge or an adapter does not pass on the
        drive's verdict (ataprint.cpp)."""
        return any("based on an Attribute check" in text for text in self.messages)

    @property
    def is_flash(self) -> bool:
        """Whether the drive says that it is flash, or gives no rotation rate and reports wear. Any other may be a hard
        disk."""
        if self.nvme is not None or self.rotation_rpm is not None:
            return self.nvme is not None or self.rotation_rpm == 0
        worn = {smart_meanings.LIFE_LEFT, smart_meanings.LIFE_USED}
        by_attribute = any(one.meaning.what in worn for one in self.attributes.values())
        return by_attribute or self.endurance_used_percent is not None or smart_statistics.ENDURANCE in self.statistics


def run(device: Device, timeout_s: float = 60.0) -> shell.Completed:
    with turns.of(device.path, device.device_type):
        return shell.run(["smartctl", "-j", "-x", *device.words], timeout_s)


def start_self_test(device: Device, kind: str, timeout_s: float = 60.0) -> shell.Completed:
    """`kind` is short or long."""
    with turns.of(device.path, device.device_type):
        return shell.run(["smartctl", "-j", "-t", kind, *device.words], timeout_s)


def stop_self_test(device: Device, timeout_s: float = 60.0) -> shell.Completed:
    with turns.of(device.path, device.device_type):
        return shell.run(["smartctl", "-j", "-X", *device.words], timeout_s)


def refusal(done: shell.Completed) -> str:
    """Why a self-test did not start, '' if it did. Bit 2 is the drive's own refusal."""
    if done.status is not None and not done.status & (COMMAND_LINE | OPEN_FAILED | COMMAND_FAILED):
        return ""
    try:
        said = _messages(mapping(parse_json(done.stdout, "smartctl").get("smartctl")))
    except ParseError:
        said = []
    return "; ".join(said) or done.trouble


def look(device: Device, protocol: str, timeout_s: float = 60.0) -> shell.Completed:
    """Read only the self-test log, while a test runs: `-x` reads far more each time."""
    what = ("-c", "-l", "xselftest,selftest") if protocol == "ATA" else ("-l", "selftest")
    with turns.of(device.path, device.device_type):
        return shell.run(["smartctl", "-j", *what, *device.words], timeout_s)


def is_of_another(smart: Smart, device: Device, serial: str) -> bool:
    """Whether the answer is another drive's than the one that had this number when it gave its `serial`."""
    now = identifier(smart.serial)
    return device.is_by_number and bool(now) and now != serial


def of_disk(name: str, root: Path = Path("/")) -> Device:
    """An NVMe drive is asked through its controller. Logs and self-tests belong to the controller, and some drives
    refuse them through a namespace."""
    return Device(f"/dev/{smart_nvme.node(name, root)}")


def parse(text: str) -> Smart:
    """Raises ParseError for anything but smartctl's JSON. A drive that can't be asked is no error: see `trouble`."""
    if "{" not in text and "smartmontools" in text:
        raise ParseError("this is smartctl's text, not its JSON: record with smartctl -j -x")
    data = parse_json(text, "smartctl")
    head, gaps = mapping(data.get("smartctl")), Gaps()
    if (status := whole(head.get("exit_status"), 255)) is None:
        raise ParseError("smartctl's JSON has no exit_status")
    if smart_attributes.contradicted(data) is not None:
        # smartctl compares values and thresholds of a garbled table, too.
        status &= ~(PREFAIL | PAST_PREFAIL)
    passed, hours = mapping(data.get("smart_status")).get("passed"), mapping(data.get("power_on_time"))
    spare = mapping(smart_attributes.derived(data).get("spare_available"))
    return Smart(
        exit_status=status,
        protocol=clean(mapping(data.get("device")).get("protocol")),
        passed=passed if isinstance(passed, bool) else None,
        model=clean(data.get("model_name") or data.get("scsi_model_name")),
        serial=clean(data.get("serial_number")),
        firmware=clean(data.get("firmware_version") or data.get("scsi_revision")),
        rotation_rpm=gaps.given(data, "rotation_rate", "the rotation rate"),
        messages=_messages(head),
        attributes=smart_attributes.of(data, gaps),
        statistics=smart_statistics.of(data, gaps),
        nvme=smart_nvme.of(data, gaps),
        exception=smart_scsi.exception(data),
        grown_defects=smart_scsi.grown_defects(data, gaps),
        uncorrected=smart_scsi.uncorrected(data, gaps),
        scan=smart_scsi.scan(data, gaps),
        errors=smart_error_log.of(data, gaps),
        endurance_used_percent=_endurance(data, gaps),
        spare_percent=gaps.given(spare, "current_percent", "the available spare", 100),
        spare_threshold_percent=gaps.given(spare, "threshold_percent", "the threshold of the spare", 100),
        pending_defects=_pending(data, gaps),
        available=mapping(data.get("smart_support")).get("available") is not False,
        enabled=_is_enabled(data, head),
        locked=_is_locked(data),
        logical_per_physical=_logical_per_physical(data),
        link_gbit=_gbit(data, "current"),
        link_most_gbit=_gbit(data, "max"),
        temperature_c=integer(mapping(data.get("temperature")).get("current")),
        power_on_hours=gaps.given(hours, "hours", "the power-on hours"),
        power_cycles=whole(data.get("power_cycle_count")),
        sas_link_errors=smart_scsi.link_errors(data),
        self_test=smart_self_test.of(data, gaps),
        was_asked_for_all=_was_asked_for_all(head),
        gaps=tuple(gaps.sentences),
    )


def _messages(head: dict[str, Any]) -> list[str]:
    return [clean(mapping(entry).get("string")) for entry in sequence(head.get("messages"))]


def _was_asked_for_all(head: dict[str, Any]) -> bool:
    """Whether smartctl was also asked for the drive's state, as `run` does. Recordings of others may lack it."""
    words = [word for word in sequence(head.get("argv")) if isinstance(word, str)]
    return not words or any(word in _ASKS_FOR_STATE or _SHORT_WORDS.fullmatch(word) for word in words)


def _is_enabled(data: dict[str, Any], head: dict[str, Any]) -> bool | None:
    """Whether SMART is enabled. smartctl reports it since 7.3 for ATA and SAS, and always yes for NVMe. None if it was
    not read."""
    version = [whole(part) or 0 for part in sequence(head.get("version"))]
    said_nothing = "smart_support" not in data and bool(version) and version < [7, 3]
    is_nvme = mapping(data.get("device")).get("protocol") == "NVMe"
    told = True if said_nothing or is_nvme else mapping(data.get("smart_support")).get("enabled")
    return told if isinstance(told, bool) else None


def _is_locked(data: dict[str, Any]) -> bool | None:
    """Whether the drive waits for its password. smartctl names it only where a password is set. None if the drive has
    no such feature."""
    told = mapping(data.get("ata_security"))
    return told.get("locked") is True if told else None


def _endurance(data: dict[str, Any], gaps: Gaps) -> int | None:
    """Percent of the rated writes: log page 11h of a SAS drive, or the number that smartctl 7.5 and newer derive."""
    newer = gaps.branch(smart_attributes.derived(data), "endurance_used", "the endurance used")
    used = gaps.given(data, "scsi_percentage_used_endurance_indicator", "the endurance used", 255)
    guessed = gaps.given(newer, "current_percent", "the endurance used", 255)
    return guessed if used is None else used


def _logical_per_physical(data: dict[str, Any]) -> int:
    """How many logical sectors are one physical sector: 8 of 512 bytes in one of 4096."""
    logical, physical = whole(data.get("logical_block_size")), whole(data.get("physical_block_size"))
    return physical // logical if logical and physical and logical <= physical <= _PHYSICAL_MOST else 1


def _gbit(data: dict[str, Any], which: str) -> float | None:
    """The speed of a SATA drive's link, from its IDENTIFY words 76 and 77."""
    speed = mapping(mapping(data.get("interface_speed")).get(which))
    units, bits = integer(speed.get("units_per_second")), integer(speed.get("bits_per_unit"))
    return units * bits / 1e9 if units and bits and units * bits < 1e15 else None


def _pending(data: dict[str, Any], gaps: Gaps) -> int | None:
    """Sectors that wait for reallocation, from the standard's log: GP log 0Ch (ACS-4 9.26), log page 15h, subpage 1
    (SBC-4)."""
    for log in ("ata_pending_defects_log", "scsi_pending_defects"):
        if log in data:
            pending = gaps.branch(data, log, "the log of pending defects")
            count = gaps.needed(pending, "count", "the number of pending defects")
            listed = sum(row is not None for row in sequence(pending.get("table")))
            return listed or None if count is None else max(count, listed)
    return None
