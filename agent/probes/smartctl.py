"""A drive's own view of its health, and its self-tests (smartmontools 7.4, JSON)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent import shell
from agent.probes import smart_self_test, turns
from agent.probes.parsing import ParseError, clean, integer, mapping, parse_json, sequence
from agent.probes.smart_self_test import SelfTest

# Bits of the exit status, smartctl(8).
COMMAND_LINE, OPEN_FAILED, COMMAND_FAILED, FAILING, PREFAIL, PAST_PREFAIL, ERROR_LOG, SELF_TEST_LOG = (
    1 << bit for bit in range(8)
)


@dataclass(frozen=True)
class Device:
    """What smartctl is to open: a path, and the way to it where smartctl can't guess it (`megaraid,3`)."""

    path: str
    way: str = ""

    @property
    def words(self) -> list[str]:
        return [*(("-d", self.way) if self.way else ()), self.path]


@dataclass(frozen=True)
class Attribute:
    """One ATA attribute; `raw` is the raw value, `failed` "", "now" or "past". Of a `prefailure` one the threshold
    means that the drive is about to fail, of any other that it is old, hot or much used."""

    number: int
    name: str
    value: int
    threshold: int
    raw: int
    failed: str = ""
    prefailure: bool = True


@dataclass(frozen=True)
class NvmeHealth:
    """The counters of NVMe's SMART log; None where the drive leaves one out."""

    critical_warning: int
    media_errors: int | None
    percentage_used: int | None
    spare_percent: int | None
    spare_threshold_percent: int | None


@dataclass(frozen=True)
class Smart:
    """What one `smartctl -j -x` says. `passed` is the drive's own verdict, None when it gave none; `trouble` in
    words why nothing can be said."""

    exit_status: int
    protocol: str
    passed: bool | None
    model: str = ""
    serial: str = ""
    firmware: str = ""
    messages: list[str] = field(default_factory=list)
    attributes: dict[int, Attribute] = field(default_factory=dict)
    nvme: NvmeHealth | None = None
    grown_defects: int | None = None
    uncorrected_errors: int | None = None
    error_log_count: int | None = None
    endurance_used_percent: int | None = None
    pending_defects: int | None = None
    disabled: bool = False
    link_gbit: float | None = None
    link_most_gbit: float | None = None
    temperature_c: int | None = None
    power_on_hours: int | None = None
    self_test: SelfTest = field(default_factory=SelfTest)

    @property
    def trouble(self) -> str:
        if self.exit_status & (COMMAND_LINE | OPEN_FAILED):
            return "; ".join(self.messages) or f"smartctl exited with {self.exit_status}"
        if self.passed is None and self.disabled:
            return "SMART is switched off in the drive: smartctl -s on switches it on"
        if self.passed is None:
            return "; ".join(self.messages) or "the drive gives no health status"
        return ""


def run(device: Device, timeout_s: float = 60.0) -> shell.Completed:
    with turns.of(device.path, device.way):
        return shell.run(["smartctl", "-j", "-x", *device.words], timeout_s)


def start_self_test(device: Device, kind: str, timeout_s: float = 60.0) -> shell.Completed:
    """`kind` is short or long."""
    with turns.of(device.path, device.way):
        return shell.run(["smartctl", "-j", "-t", kind, *device.words], timeout_s)


def stop_self_test(device: Device, timeout_s: float = 60.0) -> shell.Completed:
    with turns.of(device.path, device.way):
        return shell.run(["smartctl", "-j", "-X", *device.words], timeout_s)


def refusal(done: shell.Completed) -> str:
    """Why a self-test did not start; '' when it did. Bit 2 is the drive's own refusal."""
    if done.status is not None and not done.status & (COMMAND_LINE | OPEN_FAILED | COMMAND_FAILED):
        return ""
    try:
        said = _messages(mapping(parse_json(done.stdout, "smartctl").get("smartctl")))
    except ParseError:
        said = []
    return "; ".join(said) or done.trouble


def look(device: Device, protocol: str, timeout_s: float = 60.0) -> shell.Completed:
    """The self-test log and nothing else, for a drive that is at its test: `-x` reads far more, every time."""
    what = ("-c", "-l", "xselftest,selftest") if protocol == "ATA" else ("-l", "selftest")
    with turns.of(device.path, device.way):
        return shell.run(["smartctl", "-j", *what, *device.words], timeout_s)


def of_disk(name: str) -> Device:
    return Device(f"/dev/{name}")


def parse(text: str) -> Smart:
    """Raises ParseError when it is not smartctl's JSON. A drive that can't be asked is no error: see `trouble`."""
    data = parse_json(text, "smartctl")
    head = mapping(data.get("smartctl"))
    status = integer(head.get("exit_status"))
    if status is None:
        raise ParseError("smartctl's JSON has no exit_status")
    passed = mapping(data.get("smart_status")).get("passed")
    return Smart(
        exit_status=status,
        protocol=clean(mapping(data.get("device")).get("protocol")),
        passed=passed if isinstance(passed, bool) else None,
        model=clean(data.get("model_name") or data.get("scsi_model_name")),
        serial=clean(data.get("serial_number")),
        firmware=clean(data.get("firmware_version") or data.get("scsi_revision")),
        messages=_messages(head),
        attributes=_attributes(data),
        nvme=_nvme(data),
        grown_defects=integer(data.get("scsi_grown_defect_list")),
        uncorrected_errors=_uncorrected(data),
        error_log_count=_error_log(data),
        endurance_used_percent=_endurance(data),
        pending_defects=_pending(data),
        disabled=mapping(data.get("smart_support")).get("enabled") is False,
        link_gbit=_gbit(data, "current"),
        link_most_gbit=_gbit(data, "max"),
        temperature_c=integer(mapping(data.get("temperature")).get("current")),
        power_on_hours=integer(mapping(data.get("power_on_time")).get("hours")),
        self_test=smart_self_test.of(data),
    )


def _messages(head: dict[str, Any]) -> list[str]:
    return [clean(mapping(entry).get("string")) for entry in sequence(head.get("messages"))]


def _attributes(data: dict[str, Any]) -> dict[int, Attribute]:
    found = {}
    for row in map(mapping, sequence(mapping(data.get("ata_smart_attributes")).get("table"))):
        number = integer(row.get("id"))
        if number is not None:
            found[number] = Attribute(
                number,
                clean(row.get("name")),
                integer(row.get("value")) or 0,
                integer(row.get("thresh")) or 0,
                integer(mapping(row.get("raw")).get("value")) or 0,
                clean(row.get("when_failed")),
                mapping(row.get("flags")).get("prefailure") is not False,
            )
    return found


def _nvme(data: dict[str, Any]) -> NvmeHealth | None:
    log = mapping(data.get("nvme_smart_health_information_log"))
    warning = integer(log.get("critical_warning"))
    if warning is None:
        return None
    return NvmeHealth(
        critical_warning=warning,
        media_errors=integer(log.get("media_errors")),
        percentage_used=integer(log.get("percentage_used")),
        spare_percent=integer(log.get("available_spare")),
        spare_threshold_percent=integer(log.get("available_spare_threshold")),
    )


def _uncorrected(data: dict[str, Any]) -> int | None:
    """SCSI: total uncorrected errors of reads, writes and verifies."""
    counters = mapping(data.get("scsi_error_counter_log"))
    totals = [integer(mapping(row).get("total_uncorrected_errors")) for row in counters.values()]
    known = [total for total in totals if total is not None]
    return sum(known) if known else None


def _error_log(data: dict[str, Any]) -> int | None:
    log = mapping(data.get("ata_smart_error_log"))
    for kind in ("extended", "summary"):
        if (count := integer(mapping(log.get(kind)).get("count"))) is not None:
            return count
    return None


def _endurance(data: dict[str, Any]) -> int | None:
    """Percent of the rated writes: ACS-4's device statistics page 7 for ATA, log page 0x11 for SAS."""
    pages = [mapping(page) for page in sequence(mapping(data.get("ata_device_statistics")).get("pages"))]
    rows = [mapping(row) for page in pages if page.get("number") == 7 for row in sequence(page.get("table"))]
    valid = [row for row in rows if row.get("offset") == 8 and mapping(row.get("flags")).get("valid") is True]
    told = valid[0].get("value") if valid else data.get("scsi_percentage_used_endurance_indicator")
    return integer(told)


def _gbit(data: dict[str, Any], which: str) -> float | None:
    """A SATA drive's link, from its IDENTIFY words 76 and 77."""
    speed = mapping(mapping(data.get("interface_speed")).get(which))
    units, bits = integer(speed.get("units_per_second")), integer(speed.get("bits_per_unit"))
    return units * bits / 1e9 if units and bits and units * bits < 1e15 else None


def _pending(data: dict[str, Any]) -> int | None:
    """Places that wait for reallocation, from the log that newer drives keep besides the attribute, or instead."""
    for log in ("ata_pending_defects_log", "scsi_pending_defects"):
        if (count := integer(mapping(data.get(log)).get("count"))) is not None:
            return count
    return None
