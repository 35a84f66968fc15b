"""A drive's own view of its health, and its self-tests (smartmontools 7.4, JSON)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent import shell
from agent.probes.parsing import ParseError, clean, integer, mapping, parse_json, sequence

# Bits of the exit status, smartctl(8).
COMMAND_LINE, OPEN_FAILED, COMMAND_FAILED, FAILING, PREFAIL, PAST_PREFAIL, ERROR_LOG, SELF_TEST_LOG = (
    1 << bit for bit in range(8)
)


@dataclass(frozen=True)
class Attribute:
    """One ATA attribute; `raw` is the raw value, `failed` "", "now" or "past"."""

    number: int
    name: str
    value: int
    threshold: int
    raw: int
    failed: str = ""


@dataclass(frozen=True)
class NvmeHealth:
    """The counters of NVMe's SMART log; None where the drive leaves one out."""

    critical_warning: int
    media_errors: int | None
    percentage_used: int | None
    spare_percent: int | None
    spare_threshold_percent: int | None


@dataclass(frozen=True)
class SelfTest:
    """State of the self-test log. `running` with the percentage that remains; `passed` is the newest finished
    one's, None when none ever finished; `finished` how many the log holds, `can` whether the drive says it can."""

    can: bool
    running: bool
    remaining_percent: int | None
    passed: bool | None
    finished: int
    words: str = ""
    newest: str = ""
    short_minutes: int | None = None
    extended_minutes: int | None = None


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
    temperature_c: int | None = None
    power_on_hours: int | None = None
    self_test: SelfTest = field(default_factory=lambda: SelfTest(False, False, None, None, 0))

    @property
    def trouble(self) -> str:
        if self.exit_status & (COMMAND_LINE | OPEN_FAILED):
            return "; ".join(self.messages) or f"smartctl exited with {self.exit_status}"
        if self.passed is None:
            return "; ".join(self.messages) or "the drive gives no health status"
        return ""


def run(name: str, timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["smartctl", "-j", "-x", f"/dev/{name}"], timeout_s)


def start_self_test(name: str, kind: str, timeout_s: float = 60.0) -> shell.Completed:
    """`kind` is short or long. A drive that is testing already goes on with what it does."""
    return shell.run(["smartctl", "-j", "-t", kind, f"/dev/{name}"], timeout_s)


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
        messages=[clean(mapping(entry).get("string")) for entry in sequence(head.get("messages"))],
        attributes=_attributes(data),
        nvme=_nvme(data),
        grown_defects=integer(data.get("scsi_grown_defect_list")),
        uncorrected_errors=_uncorrected(data),
        error_log_count=_error_log(data),
        temperature_c=integer(mapping(data.get("temperature")).get("current")),
        power_on_hours=integer(mapping(data.get("power_on_time")).get("hours")),
        self_test=_self_test(data),
    )


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


def _self_test(data: dict[str, Any]) -> SelfTest:
    if "nvme_self_test_log" in data:
        return _nvme_self_test(mapping(data["nvme_self_test_log"]))
    if "ata_smart_data" in data:
        return _ata_self_test(data)
    return _scsi_self_test(data)


def _ata_self_test(data: dict[str, Any]) -> SelfTest:
    smart = mapping(data.get("ata_smart_data"))
    test = mapping(smart.get("self_test"))
    status, minutes = mapping(test.get("status")), mapping(test.get("polling_minutes"))
    log = mapping(data.get("ata_smart_self_test_log"))
    kind = mapping(log.get("extended")) or mapping(log.get("standard"))
    newest = mapping(next(iter(sequence(kind.get("table"))), {}))
    value = integer(status.get("value")) or 0
    passed = mapping(newest.get("status")).get("passed") if newest else None
    return SelfTest(
        can=mapping(smart.get("capabilities")).get("self_tests_supported") is True,
        # ACS-4 table 150: the high nibble is the state, 15 running; the low one tenths that remain.
        running=value >> 4 == 15,
        remaining_percent=integer(status.get("remaining_percent")),
        passed=passed if isinstance(passed, bool) else None,
        finished=integer(kind.get("count")) or 0,
        words=clean(mapping(newest.get("status")).get("string") or status.get("string")),
        newest=f"{clean(mapping(newest.get('type')).get('string'))} at {newest.get('lifetime_hours')} h"
        if newest
        else "",
        short_minutes=integer(minutes.get("short")),
        extended_minutes=integer(minutes.get("extended")),
    )


def _nvme_self_test(log: dict[str, Any]) -> SelfTest:
    current = mapping(log.get("current_self_test_operation"))
    table = [mapping(row) for row in sequence(log.get("table"))]
    newest = table[0] if table else {}
    result = mapping(newest.get("self_test_result"))
    done = integer(log.get("current_self_test_completion_percent"))
    value = integer(result.get("value"))
    return SelfTest(
        can=True,
        running=bool(integer(current.get("value"))),
        remaining_percent=None if done is None else 100 - done,
        passed=None if value is None else value == 0,
        finished=len(table),
        words=clean(result.get("string")),
        newest=f"at {newest.get('power_on_hours')} h" if newest else "",
    )


def _scsi_self_test(data: dict[str, Any]) -> SelfTest:
    """The log's rows are keys of their own, scsi_self_test_0 the newest; a result of 15 is one that runs."""
    rows = [mapping(data[key]) for key in sorted(data) if key.startswith("scsi_self_test_")]
    results = [integer(mapping(row.get("result")).get("value")) for row in rows]
    if not rows:
        return SelfTest(False, False, None, None, 0)
    finished = [value for value in results if value is not None and value != 15]
    return SelfTest(
        can=True,
        running=results[0] == 15,
        remaining_percent=None,
        passed=finished[0] == 0 if finished else None,
        finished=len(finished),
        words=clean(mapping(rows[0].get("result")).get("string")),
        newest=f"at {mapping(rows[0].get('power_on_time')).get('hours')} h",
    )
