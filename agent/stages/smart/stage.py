"""SMART: each drive's own health report, its counters against the profile's limits, and its self-test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import drive_self_tests, drives
from agent.exercises.drive_self_tests import Drive
from agent.probes.drives import disks as kernel_disks
from agent.probes.drives import emmc, sataport
from agent.probes.smart import smart_counts, smart_wear, smartctl
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.smart import emmc_health, smart_evidence, smart_limits
from agent.stages.smart.spec import Limits, Params

TOPIC = smart_evidence.TOPIC


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    disks = checks.fixed_disks(ctx.inventory)
    board, found = ProgressBoard(ctx), drives.of(disks)
    with ThreadPoolExecutor(max_workers=max(1, len(found.drives)), thread_name_prefix="smart") as pool:
        examined = pool.map(lambda drive: examine(ctx, drive, board), found.drives)
        whole = joined([*examined, *_cards(ctx, disks, found)])
    lost = [findings.make("smart.raid_drive_gone", "disk", name, words) for name, words in found.broken.items()]
    states = [checks.failed("volume_state", one.component, reason=one.message) for one in lost]
    return checks.report(
        ctx,
        [*_absent(ctx, disks), *_without_capacity(), *checks.on_usb(ctx), *found.volumes, *states, *whole.checks],
        findings=[*lost, *whole.findings],
        # A self-test that was started must also have ended.
        also_required=[check.name for check in whole.checks if check.name == drive_self_tests.CHECK][:1],
        numbers=found.numbers | whole.numbers,
        evidence=whole.evidence,
    )


def examine(ctx: StageContext, drive: Drive, board: ProgressBoard) -> PartialReport:
    """Health and counters, self-test, then health and counters again. The later reading counts, with what the earlier
    one has condemned."""
    report = PartialReport()
    board.tell(drive.name, 0, "health")
    first = drives.ask(drive, report)
    if first is None:
        board.tell(drive.name, 100, "no SMART")
        return report
    tested = not first.is_silent and _self_test(ctx, drive, first, report, board)
    last = drives.ask(drive, report) if tested else first
    if last is None or last.is_silent:
        # If it answered before its test and no longer answers, the findings of the earlier reading stay, and its health
        # is not tested.
        report.findings += _found(ctx, drive, first)
    if last is not None:
        _judge(ctx, drive, last, [] if last.is_silent else _condemned(_found(ctx, drive, first)), report)
    board.tell(drive.name, 100, "done")
    return report


def _cards(ctx: StageContext, disks: list[wire.Disk], found: drives.Drives) -> list[PartialReport]:
    """eMMCs and SD cards: they report their health to the kernel."""
    cards = [disk for disk in disks if emmc.is_card(disk.name)]
    told = ctx.params(Params).is_self_tested and not drive_self_tests.in_background(ctx.claim)
    health = [emmc_health.judge(disk, emmc.health(disk.name), _limits(ctx)) for disk in cards]
    return [*health, PartialReport(found.cards if told else [])]


def _absent(ctx: StageContext, disks: list[wire.Disk]) -> list[wire.Check]:
    """Checks for expected disks that are not there. SpecValidate blames them; here they are not tested."""
    there = {disk.serial for disk in [*disks, *(ctx.inventory.disks if ctx.inventory else [])]}
    wanted = [str(disk.get("serial") or "") for disk in ctx.claim.expected.get("disks") or []]
    made = [
        checks.not_tested("health", serial, reason="the disk is not there")
        for serial in wanted
        if serial and serial not in there
    ]
    if not made and not disks:
        made = [checks.not_tested("health", reason="no disk was found", topic=TOPIC)]
    return made


def _without_capacity(root: Path = Path("/")) -> list[wire.Check]:
    """Checks that name drives which the inventory can't have. Nothing of them can be tested."""
    return [
        checks.not_tested("health", name, reason=f"{name}: {words}", topic=TOPIC)
        for name, words in kernel_disks.without_capacity(root)
    ]


def _found(ctx: StageContext, drive: Drive, smart: smartctl.Smart) -> list[wire.Finding]:
    """Findings of a reading. If Storage waits for a test that may clear the log, Storage judges the log."""
    found = smart_limits.judge(smart, drive.label, drive.name, _limits(ctx))
    later = bool(drive_self_tests.in_background(ctx.claim))
    return [one for one in found if not (later and one.code == "smart.self_test_failed")]


def _condemned(found: list[wire.Finding]) -> list[wire.Finding]:
    """Critical findings of the reading before the self-test: a drive that resets may have forgotten what it counted.
    Whether an older self-test failed is the newer test's to say."""
    return [one for one in found if one.severity is wire.Severity.CRITICAL and one.code != "smart.self_test_failed"]


def _limits(ctx: StageContext) -> checks.Limit:
    return ctx.limits(Limits).named


def _judge(
    ctx: StageContext, drive: Drive, smart: smartctl.Smart, condemned: list[wire.Finding], report: PartialReport
) -> None:
    found = _found(ctx, drive, smart)
    found += [one for one in condemned if one.code not in {now.code for now in found if now.severity is one.severity}]
    known = {(one.code, one.component) for one in report.findings}
    report.findings += [one for one in found if (one.code, one.component) not in known]
    report.checks.append(smart_evidence.health(smart, found, drive.label, drive.name, _limits(ctx)))
    _link(ctx, drive, smart, report)
    counts = {code.partition(".")[2]: float(count) for code, count in smart_counts.of(smart).items()}
    ages = {
        "power_on_h": smart.power_on_hours,
        "temp_c": smart.temperature_c,
        "used_percent": smart_wear.used_percent(smart),
    }
    told = counts | {name: float(value) for name, value in ages.items() if value is not None}
    report.numbers |= {f"{name}.{drive.name}": value for name, value in told.items()}


def _link(ctx: StageContext, drive: Drive, smart: smartctl.Smart, report: PartialReport) -> None:
    """Judges a SATA link that runs below what drive and port support. No check if one of the speeds is unknown. If only
    some ports of the controller are as fast as it says, a slower link is a warning."""
    port = sataport.of(drive.label)
    if smart.link_gbit is None or smart.link_most_gbit is None or port is None:
        return
    least, now = ctx.limits(Limits).sata_speed_min_percent / 100, smart.link_gbit
    most, surely = min(smart.link_most_gbit, port.most), min(smart.link_most_gbit, port.surely)
    words = f"{drive.label}: link at {now:g} Gbit/s, drive and port support {most:g}"
    if least * surely <= now < least * most:
        words += f", or the port only {surely:g}: this chipset has ports of both speeds"
        report.findings.append(_slow(drive, words, now, most, wire.Severity.WARNING))
        report.checks.append(checks.not_tested("link", drive.name, reason=words))
        return
    found = [_slow(drive, words, now, most, wire.Severity.CRITICAL)] if now < least * most else []
    report.findings += found
    report.checks.append(checks.judged("link", found, drive.name, reason=words))


def _slow(drive: Drive, words: str, now: float, most: float, severity: wire.Severity) -> wire.Finding:
    return findings.make(
        "disk.link_slow", "disk", drive.name, words, value=now, limit=most, unit="Gbit/s", severity=severity
    )


def _self_test(
    ctx: StageContext, drive: Drive, smart: smartctl.Smart, report: PartialReport, board: ProgressBoard
) -> bool:
    """Start the drive's own test, and wait for its end unless Storage does that. False if there was no test to wait
    for."""
    kind = ctx.params(Params).self_test
    if kind == "none":
        return False
    try:
        begun = drive_self_tests.begin(ctx, drive, smart, kind)
    except drive_self_tests.NotStarted as error:
        if not drive_self_tests.in_background(ctx.claim):
            report.checks.append(error.check)
        return False
    if drive_self_tests.in_background(ctx.claim):
        ctx.log("info", f"{drive.label}: {begun.kind} self-test started; Storage waits for its end")
        return False
    check, found = drive_self_tests.follow(ctx, drive, smart.protocol, begun, board)
    report.checks.append(check)
    report.findings += found
    return True
