"""What a drive reports about itself beside its counters: its verdict, attributes at their threshold, its error log. No
I/O here: a reading in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agent import findings
from agent.contract import wire
from agent.probes.drives import safe_mode
from agent.probes.smart import smart_counts, smart_meanings, smart_scsi, smart_statistics, smartctl
from agent.probes.smart.smart_attributes import NOW, PAST, Attribute
from agent.probes.smart.smart_error_log import OF_THE_MEDIUM, Logged
from agent.reports.checks import Limit

_CRITICAL, _WARNING, _INFO = wire.Severity.CRITICAL, wire.Severity.WARNING, wire.Severity.INFO
# Errors of the host: an unknown or aborted command, and a place that does not exist.
_HARMLESS = frozenset({"ABRT", "no error bit"})


def judge(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    yield from _verdict(smart, device, serial)
    yield from _without_firmware(smart, device, serial)
    yield from _locked(smart, device, serial)
    yield from _write_protected(smart, device, serial)
    yield from _at_threshold(smart, device, serial)
    yield from _statistics(smart, device, serial)
    yield from _starts(smart, device, serial)
    yield from _scan(smart, device, serial)
    yield from _medium(smart, device, serial, limit)
    yield from _log(smart, device, serial, limit)


def _verdict(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """The drive's own verdict. Temperature is only a warning here: it comes and goes, and has a limit of its own."""
    said = f": {smart.exception.words}" if smart.exception else ""
    if smart.says_failing:
        who = "smartctl says by its attributes" if smart.is_by_attributes else "the drive says"
        yield findings.make("smart.failing", "disk", serial, f"{device}: {who} that it is failing{said}")
    elif smart.exception and smart.exception.code != smart_scsi.FAILING:
        words = {
            smart_scsi.WARM: "the drive is out of its temperature range",
            smart_scsi.ENCLOSURE: "the enclosure that it is in is degraded",
        }
        told = words.get(smart.exception.code, "the drive warns")
        yield findings.make(smart.exception.code, "disk", serial, f"{device}: {told}{said}", severity=_WARNING)


def _without_firmware(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    if sign := safe_mode.sign(smart.model, smart.serial, smart.firmware):
        message = f"{device}: the drive could not load its firmware: it calls itself {sign}"
        yield findings.make("smart.failing", "disk", serial, message)


def _locked(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    if smart.locked:
        message = f"{device}: the drive is locked with a password (ATA security)"
        yield findings.make("disk.locked", "disk", serial, message)


def _write_protected(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """A SATA flash drive that has made itself read only still reports "PASSED"."""
    if (one := smart_counts.write_protection(smart)) is not None:
        message = f"{device}: {one.name} is {one.count}: the drive has made itself read only"
        yield findings.make("smart.write_protected", "disk", serial, message, value=_number(one.count), limit=0.0)


def _at_threshold(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """An attribute of age or heat at its threshold is a warning, unless it means lost data or a failed drive."""
    failing = [one for one in smart.attributes.values() if one.failed == NOW]
    for one in failing:
        message = f"{device}: {one.name} is {one.value}, at its threshold of {one.threshold}"
        yield findings.make(
            "smart.prefail", "disk", serial, message, value=_number(one.value), limit=_number(one.threshold),
            severity=_CRITICAL if one.prefailure or one.meaning.is_grave else _WARNING,
        )  # fmt: skip
    if smart.exit_status & smartctl.PREFAIL and not any(one.prefailure for one in failing):
        yield findings.make("smart.prefail", "disk", serial, f"{device}: a pre-failure attribute is at its threshold")
    past = [one for one in smart.attributes.values() if one.failed == PAST]
    yield from (_past(one, device, serial) for one in past)
    if smart.exit_status & smartctl.PAST_PREFAIL and not past and not failing:
        yield findings.make("smart.past_prefail", "disk", serial, f"{device}: an attribute was at its threshold before")


def _past(one: Attribute, device: str, serial: str) -> wire.Finding:
    message = f"{device}: {one.name} was at its threshold of {one.threshold} before, and is {one.value} now"
    return findings.make(
        "smart.past_prefail", "disk", serial, message, value=_number(one.value), limit=_number(one.threshold)
    )


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


def _statistics(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    for place, one in smart.statistics.items():
        if one.at_limit:
            message = f"{device}: {one.name or 'a device statistic'} has met the condition that is set for it"
            yield findings.make("smart.drive_warns", "disk", serial, message)
        if place == smart_statistics.ELEMENTS and one.value:
            message = (
                f"{device}: a physical element, such as a head, has changed its state: {one.value} by its statistics"
            )
            yield findings.make("smart.drive_warns", "disk", serial, message, value=float(one.value))


def _starts(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    if count := smart_counts.starts(smart):
        message = f"{device}: {count} failed starts by its device statistics, none by attribute 10: check its power"
        yield findings.make("smart.spin_retries", "disk", serial, message, value=float(count), severity=_WARNING)


def _scan(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    if smart.scan is None:
        return
    if smart.scan.weak:
        message = f"{device}: {smart.scan.weak} weak places in the drive's own scan, not yet written again"
        yield findings.make("smart.background_scan", "disk", serial, message, severity=_WARNING)
    if smart.scan.halted:
        message = f"{device}: the drive's own scan is {smart.scan.halted}"
        yield findings.make("smart.background_scan", "disk", serial, message, severity=_WARNING)


def _medium(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """Failed reads in the drive's error log: critical if they are of this week, else reported."""
    ages = [error.age_h(smart.power_on_hours) for error in smart.errors.errors if error.is_of_the_medium]
    known, recent_h = [age for age in ages if age is not None], limit("recent_errors_h")
    recent, most = sum(age <= recent_h for age in known), limit("recent_read_errors_max")
    if not ages:
        return
    when = f", {recent} of them in the last {recent_h:.0f} h" if recent else f", the last {min(known, default=0)} h ago"
    message = f"{device}: {len(ages)} reads that failed are in the drive's error log{when if known else ''}"
    yield findings.make(
        "smart.recent_read_errors", "disk", serial, message, value=float(recent or len(ages)), limit=most,
        unit="errors", severity=_CRITICAL if recent > most else _WARNING,
    )  # fmt: skip


def _log(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """How many errors of which kinds. Errors of the medium are judged separately."""
    if not smart.errors.count:
        if smart.exit_status & smartctl.ERROR_LOG and smart.protocol == "ATA":
            message = f"{device}: smartctl found errors in the drive's log, and printed none"
            yield findings.make("smart.error_log", "disk", serial, message)
        return
    kinds = Counter(kind for error in smart.errors.errors for kind in error.kinds)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6))
    message = f"{device}: {smart.errors.count} errors in the drive's log" + (
        f" (the newest: {listed})" if listed else ""
    )
    is_told = any(_matters(error, smart.power_on_hours, limit("recent_errors_h")) for error in smart.errors.errors)
    yield findings.make(
        "smart.error_log", "disk", serial, message, value=float(smart.errors.count),
        severity=_WARNING if is_told else _INFO,
    )  # fmt: skip


def _matters(error: Logged, now_h: int | None, recent_h: float) -> bool:
    """Whether an error is recent and concerns the transfer, a place that was not found, or the device itself."""
    age_h = error.age_h(now_h)
    return bool(set(error.kinds) - _HARMLESS - OF_THE_MEDIUM) and age_h is not None and age_h <= recent_h


def unsteady(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """Pending sectors that change between 0 and 1 on this model are ignored. More are reported."""
    for one in smart.attributes.values():
        if one.meaning.what == smart_meanings.FLIPS and one.count is not None and one.count > 1:
            message = f"{device}: {one.name} is {one.count}; on this model 1 comes and goes"
            yield findings.make(
                "smart.pending_sectors", "disk", serial, message, value=float(one.count), severity=_WARNING
            )
