"""SMART: what each drive says of its own health, its counters against the profile's limits, and its self-test."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from agent import wire
from agent.probes import nvme, smartctl
from agent.probes.parsing import ParseError
from agent.stage import StageContext, StageReport
from agent.stages import checks, smart_limits
from agent.stages.board import Board
from agent.stages.part import Part

TOPIC = "smart"
_NEXT_LOOK_S = 5.0


def run(ctx: StageContext) -> StageReport:
    disks = checks.fixed_disks(ctx.inventory)
    board = Board(ctx)
    with ThreadPoolExecutor(max_workers=max(1, len(disks)), thread_name_prefix="smart") as pool:
        drives = list(pool.map(lambda disk: examine(ctx, disk, board), disks))
    absent = _absent(ctx, disks)
    return checks.report(
        ctx,
        [*absent, *(check for drive in drives for check in drive.checks)],
        findings=[finding for drive in drives for finding in drive.findings],
        numbers={name: value for drive in drives for name, value in drive.numbers.items()},
        evidence={name: text for drive in drives for name, text in drive.evidence.items()},
    )


def examine(ctx: StageContext, disk: wire.Disk, board: Board) -> Part:
    """Health and counters before, self-test, health and counters after: what counts is the later one."""
    drive, name = Part(), checks.disk_name(disk)
    board.tell(name, 0, "health")
    first = _ask(disk, drive)
    if first is None:
        board.tell(name, 100, "no SMART")
        return drive
    tested = _self_test(ctx, disk, first, drive, board)
    last = _ask(disk, drive) if tested else first
    if last is not None:
        _judge(ctx, disk, last, drive)
    board.tell(name, 100, "done")
    return drive


def _absent(ctx: StageContext, disks: list[wire.Disk]) -> list[wire.Check]:
    """Expected disks that are not there: SpecValidate blames them, here they are what was not tested."""
    there = {disk.serial for disk in disks}
    wanted = [str(disk.get("serial") or "") for disk in ctx.claim.expected.get("disks") or []]
    made = [
        checks.not_tested("health", serial, reason="the disk is not there")
        for serial in wanted
        if serial and serial not in there
    ]
    if not made and not disks:
        made = [checks.not_tested("health", reason="no disk was found", topic=TOPIC)]
    return made


def _ask(disk: wire.Disk, drive: Part) -> smartctl.Smart | None:
    """One reading. A drive that can't be asked leaves a check that says why, replaced by a later reading."""
    name = checks.disk_name(disk)
    drive.checks = [check for check in drive.checks if check.name != "health"]
    done = smartctl.run(disk.name)
    drive.evidence[f"smartctl.{name}"] = done.stdout
    try:
        smart = smartctl.parse(done.stdout)
        trouble = smart.trouble
    except ParseError as error:
        smart, trouble = None, done.trouble or str(error)
    if trouble:
        drive.checks.append(checks.not_tested("health", name, reason=f"{disk.name}: {trouble}", topic=TOPIC))
        return None
    return smart


def _judge(ctx: StageContext, disk: wire.Disk, smart: smartctl.Smart, drive: Part) -> None:
    name = checks.disk_name(disk)
    found = smart_limits.judge(smart, disk.name, name, lambda word: checks.limit(ctx, word))
    drive.findings += found
    note = "smartctl: an optional command failed (exit bit 2)" if smart.exit_status & smartctl.COMMAND_FAILED else ""
    drive.checks.append(checks.judged("health", found, name, topic=TOPIC, reason=note))
    if smart.power_on_hours is not None:
        drive.numbers[f"power_on_h.{name}"] = float(smart.power_on_hours)
    if smart.temperature_c is not None:
        drive.numbers[f"temp_c.{name}"] = float(smart.temperature_c)


def _self_test(ctx: StageContext, disk: wire.Disk, smart: smartctl.Smart, drive: Part, board: Board) -> bool:
    """Start the drive's own test and follow it to its end; False when it can't do one."""
    name, kind = checks.disk_name(disk), str(checks.param(ctx, "self_test"))
    if kind == "none":
        return False
    why_not = _cannot(disk, smart)
    if why_not:
        drive.checks.append(checks.not_tested("self_test", name, reason=why_not, topic=TOPIC))
        return False
    if not smart.self_test.running:
        started = smartctl.start_self_test(disk.name, kind)
        if started.status is None or started.status & (smartctl.COMMAND_LINE | smartctl.OPEN_FAILED):
            drive.checks.append(checks.not_tested("self_test", name, reason=started.trouble, topic=TOPIC))
            return False
    drive.checks.append(_follow(ctx, disk, smart, drive, board, kind))
    return True


def _cannot(disk: wire.Disk, smart: smartctl.Smart) -> str:
    if smart.protocol == "NVMe":
        done = nvme.run(disk.name)
        try:
            can = nvme.parse(done.stdout).self_test
        except ParseError as error:
            return done.trouble or str(error)
        return "" if can else f"{disk.name}: the controller has no self-test (OACS bit 4)"
    return "" if smart.self_test.can else f"{disk.name}: the drive says that it can't test itself"


def _follow(
    ctx: StageContext, disk: wire.Disk, before: smartctl.Smart, drive: Part, board: Board, kind: str
) -> wire.Check:
    """Look at the log until the test has ended. Its end is an entry that was not there before."""
    name, began = checks.disk_name(disk), time.monotonic()
    minutes = before.self_test.short_minutes if kind == "short" else before.self_test.extended_minutes
    limit_s = float(checks.param(ctx, f"self_test_{kind}_max_s"))
    expected_s = min(limit_s, (minutes or 2) * 60.0)
    seen_running = False
    while time.monotonic() - began < limit_s:
        done = smartctl.run(disk.name)
        try:
            now = smartctl.parse(done.stdout).self_test
        except ParseError as error:
            return checks.not_tested("self_test", name, reason=done.trouble or str(error), topic=TOPIC)
        seen_running = seen_running or now.running
        is_new = (now.newest, now.finished) != (before.self_test.newest, before.self_test.finished)
        if not now.running and (seen_running or is_new):
            return _ended(disk, now, drive)
        elapsed_s = time.monotonic() - began
        board.tell(name, _percent(now, elapsed_s, expected_s), f"{kind} self-test", max(0.0, expected_s - elapsed_s))
        if ctx.stop.wait(_NEXT_LOOK_S):
            return checks.not_tested("self_test", name, reason=f"stopped: {ctx.stop.reason}", topic=TOPIC)
    return checks.not_tested("self_test", name, reason=f"{disk.name}: not over after {limit_s:.0f} s", topic=TOPIC)


def _ended(disk: wire.Disk, test: smartctl.SelfTest, drive: Part) -> wire.Check:
    name = checks.disk_name(disk)
    if test.passed is None:
        return checks.not_tested(
            "self_test", name, reason=f"{disk.name}: it left no result ({test.words})", topic=TOPIC
        )
    found = smart_limits.self_test_failed(test, disk.name, name)
    drive.findings += found
    return checks.judged("self_test", found, name, topic=TOPIC, reason=test.words)


def _percent(test: smartctl.SelfTest, elapsed_s: float, expected_s: float) -> float:
    if test.remaining_percent is not None:
        return 100.0 - test.remaining_percent
    return min(99.0, 100.0 * elapsed_s / expected_s)
