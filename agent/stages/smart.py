"""SMART: what each drive says of its own health, its counters against the profile's limits, and its self-test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agent import findings, wire
from agent.probes import sataport, smart_counts, smart_wear, smartctl
from agent.probes.parsing import ParseError
from agent.stage import StageContext, StageReport
from agent.stages import checks, drives, self_tests, smart_evidence, smart_limits
from agent.stages.board import Board
from agent.stages.part import Part
from agent.stages.self_tests import Drive

TOPIC = smart_evidence.TOPIC
LIMITS = ("sata_speed_min_percent", *smart_limits.LIMITS)


def run(ctx: StageContext) -> StageReport:
    checks.demand(ctx, LIMITS)
    disks = checks.fixed_disks(ctx.inventory)
    board, found = Board(ctx), drives.of(disks)
    with ThreadPoolExecutor(max_workers=max(1, len(found.drives)), thread_name_prefix="smart") as pool:
        parts = list(pool.map(lambda drive: examine(ctx, drive, board), found.drives))
    absent, made = _absent(ctx, disks), [check for part in parts for check in part.checks]
    return checks.report(
        ctx,
        [*absent, *checks.on_usb(ctx), *found.volumes, *made],
        findings=[finding for part in parts for finding in part.findings],
        # A test that was ordered, and that the drive can do, must have come to its end.
        also_required=[check.name for check in made if check.name == self_tests.CHECK][:1],
        numbers=found.numbers | {name: value for part in parts for name, value in part.numbers.items()},
        evidence={name: text for part in parts for name, text in part.evidence.items()},
    )


def examine(ctx: StageContext, drive: Drive, board: Board) -> Part:
    """Health and counters before, self-test, health and counters after: what counts is the later one."""
    part = Part()
    board.tell(drive.name, 0, "health")
    first = ask(drive, part)
    if first is None:
        board.tell(drive.name, 100, "no SMART")
        return part
    tested = not first.is_silent and _self_test(ctx, drive, first, part, board)
    last = ask(drive, part) if tested else first
    if last is None or last.is_silent:
        # If it answered before its test and does not any more, what it said then stands; its health is not tested.
        part.findings += _found(ctx, drive, first)
    if last is not None:
        _judge(ctx, drive, last, part)
    board.tell(drive.name, 100, "done")
    return part


def await_self_tests(ctx: StageContext, disks: list[wire.Disk], board: Board) -> list[Part]:
    """The end of the tests that SMART has left running, for Storage, which may not read a drive meanwhile: most
    abort or slow down their test then."""
    found = drives.of(disks).drives
    gone = sorted(self_tests.Ledger(ctx).begun_in_smart() - {drive.name for drive in found})
    with ThreadPoolExecutor(max_workers=max(1, len(found)), thread_name_prefix="self-test") as pool:
        parts = list(pool.map(lambda drive: _await_self_test(ctx, drive, board), found))
    return [*parts, Part([_unended(name) for name in gone])]


def _unended(name: str) -> wire.Check:
    """Of a drive behind a RAID controller: the kernel's own disks are in the inventory, and are asked."""
    why = f"{name}: SMART has started its self-test, and it does not answer any more"
    return checks.not_tested(self_tests.CHECK, name, reason=why, topic=TOPIC)


def _await_self_test(ctx: StageContext, drive: Drive, board: Board) -> Part:
    part = Part()
    smart = ask(drive, part)
    if smart is None or smart.is_silent:
        why = f"{drive.label}: {smart.trouble}" if smart else part.checks.pop().reason
        part.checks.append(checks.not_tested(self_tests.CHECK, drive.name, reason=why, topic=TOPIC))
        return part
    try:
        begun = self_tests.take_over(ctx, drive, smart, self_tests.in_background(ctx.claim))
        check, part.findings = self_tests.follow(ctx, drive, smart.protocol, begun, board)
    except self_tests.NotStarted as error:
        check = error.check
    now = ask(drive, part) or smart
    part.checks = [check]
    part.findings = part.findings or self_tests.failed(now.self_test.failure, drive.label, drive.name)
    return part


def _absent(ctx: StageContext, disks: list[wire.Disk]) -> list[wire.Check]:
    """Expected disks that are not there: SpecValidate blames them, here they are what was not tested."""
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


def ask(drive: Drive, part: Part) -> smartctl.Smart | None:
    """One reading, which may lack a health status. A drive that can't be asked leaves checks that say why, replaced by
    a later reading."""
    part.checks = [check for check in part.checks if check.name != "health"]
    done = smartctl.run(drive.device)
    part.evidence[f"smartctl.{drive.name}"] = done.stdout
    try:
        smart = smartctl.parse(done.stdout)
        trouble = "" if done.ended else done.trouble
    except ParseError as error:
        smart, trouble = None, done.trouble or str(error)
    if trouble:
        part.checks.append(checks.not_tested("health", drive.name, reason=f"{drive.label}: {trouble}", topic=TOPIC))
        return None
    return smart


def _found(ctx: StageContext, drive: Drive, smart: smartctl.Smart) -> list[wire.Finding]:
    """What a reading says against the drive. Where Storage sees the end of a test that may clear the log, the log is
    for Storage to judge."""
    found = smart_limits.judge(smart, drive.label, drive.name, _limits(ctx))
    later = bool(self_tests.in_background(ctx.claim))
    return [one for one in found if not (later and one.code == "smart.self_test_failed")]


def _limits(ctx: StageContext) -> checks.Limit:
    return lambda word: checks.limit(ctx, word)


def _judge(ctx: StageContext, drive: Drive, smart: smartctl.Smart, part: Part) -> None:
    found = _found(ctx, drive, smart)
    known = {(one.code, one.component) for one in part.findings}
    part.findings += [one for one in found if (one.code, one.component) not in known]
    part.checks.append(smart_evidence.health(smart, found, drive.label, drive.name, _limits(ctx)))
    _link(ctx, drive, smart, part)
    counts = {code.partition(".")[2]: float(count) for code, count in smart_counts.of(smart).items()}
    ages = {
        "power_on_h": smart.power_on_hours,
        "temp_c": smart.temperature_c,
        "used_percent": smart_wear.used_percent(smart),
    }
    told = counts | {name: float(value) for name, value in ages.items() if value is not None}
    part.numbers |= {f"{name}.{drive.name}": value for name, value in told.items()}


def _link(ctx: StageContext, drive: Drive, smart: smartctl.Smart, part: Part) -> None:
    """A SATA link that runs below what drive and port can. Nothing is said where one of them does not say."""
    port = sataport.most_gbit(drive.label)
    if smart.link_gbit is None or smart.link_most_gbit is None or port is None:
        return
    most, now = min(smart.link_most_gbit, port), smart.link_gbit
    words, found = f"{drive.label}: link at {now:g} Gbit/s, drive and port can {most:g}", []
    if 100 * now < most * checks.limit(ctx, "sata_speed_min_percent"):
        found = [findings.make("disk.link_slow", "disk", drive.name, words, value=now, limit=most, unit="Gbit/s")]
    part.findings += found
    part.checks.append(checks.judged("link", found, drive.name, reason=words))


def _self_test(ctx: StageContext, drive: Drive, smart: smartctl.Smart, part: Part, board: Board) -> bool:
    """Start the drive's own test, and follow it to its end where that is not left to Storage. False when there was no
    test to wait for."""
    kind = str(checks.param(ctx, "self_test"))
    if kind == "none":
        return False
    try:
        begun = self_tests.begin(ctx, drive, smart, kind)
    except self_tests.NotStarted as error:
        if not self_tests.in_background(ctx.claim):
            part.checks.append(error.check)
        return False
    if self_tests.in_background(ctx.claim):
        ctx.log("info", f"{drive.label}: {begun.kind} self-test started; Storage waits for its end")
        return False
    check, found = self_tests.follow(ctx, drive, smart.protocol, begun, board)
    part.checks.append(check)
    part.findings += found
    return True
