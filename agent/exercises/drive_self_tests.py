"""The drives' own self-tests: start them, follow them to their end, resume after a restart of the agent.

A test runs inside the drive. So SMART may start it and Storage, which needs the disk for itself, may wait for its end,
while CPU and memory are tested in between. Started tests are noted for the whole boot.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace

from agent import findings
from agent.contract import wire
from agent.contract.stage_values import read, read_what_is_there
from agent.host.shell import Completed
from agent.host.spool import write_whole
from agent.parsing import ParseError
from agent.probes.drives import nvme
from agent.probes.smart import smartctl
from agent.probes.smart.smart_self_test import LONG, SHORT, Entry, SelfTest
from agent.reports import checks
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext
from agent.stages.smart.spec import Params

CHECK = "self_test"
# A drive that reports that it can't test itself gets this check instead. No profile requires it.
OFFERED = "self_test_offered"
TOPIC = "smart"
_LOOK_S = {SHORT: 5.0, LONG: 30.0}
_MAX_LOOKS_WITHOUT_TEST = 3


@dataclass(frozen=True)
class Drive:
    """A drive to ask: how to reach it, its label in sentences (sda), and its name in findings (its serial number)."""

    device: smartctl.Device
    label: str
    name: str


@dataclass(frozen=True)
class Begun:
    """A test that was started: on which drive, which kind, when (seconds of this boot), the log before it, and for
    which attempt. `instead` says why it is not the kind that the profile asks for."""

    name: str
    kind: str
    at: float
    limit_s: float
    log: str
    asked_by: str
    instead: str = ""


_LEDGER = threading.Lock()
_BEGINNING: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class Ledger:
    """The tests that this boot has started, by smartctl's arguments for the drive. They survive the agent but not the
    boot: a reset aborts a test anyway."""

    def __init__(self, ctx: StageContext) -> None:
        self._path = ctx.memory.path.with_name("self-tests.json")

    def get(self, drive: Drive) -> Begun | None:
        return self._load().get(_device_words(drive))

    def elsewhere(self, drive: Drive, asked_by: str) -> Begun | None:
        """A test of this drive that was started through another device: a second path to it, or another namespace of
        its controller."""
        others = (begun for device, begun in self._load().items() if device != _device_words(drive))
        return next((one for one in others if (one.name, one.asked_by) == (drive.name, asked_by)), None)

    def begun_in_smart(self) -> set[str]:
        """The names of the drives whose test SMART has started and nobody has waited for yet."""
        return {begun.name for begun in self._load().values() if begun.asked_by.startswith("SMART ")}

    def keep(self, drive: Drive, begun: Begun) -> None:
        """Note a started test. If the disk is full the note is lost, and the test is started again."""
        with _LEDGER, contextlib.suppress(OSError):
            rows = {device: vars(one) for device, one in {**self._load(), _device_words(drive): begun}.items()}
            write_whole(self._path, json.dumps(rows).encode())

    def _load(self) -> dict[str, Begun]:
        try:
            return {device: Begun(**row) for device, row in json.loads(self._path.read_text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _device_words(drive: Drive) -> str:
    return " ".join(drive.device.words)


class NotStarted(Exception):
    """No self-test was started. `check` says why."""

    def __init__(self, check: wire.Check) -> None:
        super().__init__(check.reason)
        self.check = check


def in_background(claim: wire.ClaimAnswer) -> str:
    """The kind of test that SMART leaves to Storage to wait for. Empty if SMART waits itself."""
    orders = {order.name: order for order in claim.stages}
    smart = orders.get("SMART")
    if smart is None or "Storage" not in orders:
        return ""
    params = read_what_is_there(Params, smart.params)
    return params.self_test if params.self_test_in_background and params.is_self_tested else ""


def begin(ctx: StageContext, drive: Drive, smart: smartctl.Smart, wanted: str) -> Begun:
    """The test that runs for this attempt: one that was started before the agent was restarted, or through another
    device of the same drive, or a new one. Raises NotStarted."""
    ledger = Ledger(ctx)
    with _BEGINNING[drive.name]:
        begun = ledger.get(drive)
        if begun is None or begun.asked_by != _asker(ctx):
            begun = _new(ctx, drive, smart, wanted, ledger)
            ledger.keep(drive, begun)
        return begun


def _new(ctx: StageContext, drive: Drive, smart: smartctl.Smart, wanted: str, ledger: Ledger) -> Begun:
    minutes, limit_s = _minutes_or_refusal(drive, smart), _limit_s(ctx, wanted)
    other = ledger.elsewhere(drive, _asker(ctx))
    log = _log_before(ctx, drive, smart.protocol, leave_running=other is not None)
    if log is None and other is not None:
        return other
    kind, instead = wanted, ""
    if wanted == LONG and minutes[LONG] * 60 > limit_s:
        kind = SHORT
        instead = f"the long one takes {minutes[LONG]} min, the profile allows {limit_s / 60:.0f}"
    if refused := smartctl.refusal(smartctl.start_self_test(drive.device, kind)):
        # A SAS drive does not say in any other way that it has no self-test.
        never = smart.protocol == "SCSI" and "unsupported" in refused and not smart.self_test.entries
        raise NotStarted((not_offered if never else _not_tested)(drive, f"the drive refused the test: {refused}"))
    # A drive's own estimate may be too low or too high. After half as much again and 30 minutes no result will come.
    wait_s = min(limit_s, minutes[kind] * 90.0 + 1800.0) if minutes[kind] else limit_s
    return Begun(drive.name, kind, _clock_s(), wait_s, log or "", _asker(ctx), instead)


def take_over(ctx: StageContext, drive: Drive, smart: smartctl.Smart, kind: str) -> Begun:
    """In Storage: the test that SMART has started. If SMART could not start it, or if an earlier attempt of Storage has
    seen its end, start it here. Raises NotStarted."""
    ledger, begun = Ledger(ctx), Ledger(ctx).get(drive)
    if begun is None or not begun.asked_by.startswith("SMART "):
        return begin(ctx, drive, smart, kind)
    begun = replace(begun, asked_by=_asker(ctx))
    ledger.keep(drive, begun)
    return begun


def follow(
    ctx: StageContext, drive: Drive, protocol: str, begun: Begun, board: ProgressBoard
) -> tuple[wire.Check, list[wire.Finding]]:
    """Read the log until the test is over: until an entry of its kind appears that was not there before. A drive that
    keeps no log shows the result in its state, if the test was seen running."""
    looks_without_test, ran = 0, False
    while True:
        now = _look(drive, protocol)
        if isinstance(now, SelfTest) and not now.running and (entries := _new_entries(now, begun, ran)):
            return _ended(drive, begun, entries)
        ran = ran or (isinstance(now, SelfTest) and now.running)
        looks_without_test = 0 if isinstance(now, SelfTest) and now.running else looks_without_test + 1
        if looks_without_test > _MAX_LOOKS_WITHOUT_TEST:
            why = now if isinstance(now, str) else "the test left no result in the drive's log"
            return _not_tested(drive, why), []
        elapsed_s = max(0.0, _clock_s() - begun.at)
        if elapsed_s > begun.limit_s:
            return _not_tested(drive, f"the test was not over after {begun.limit_s:.0f} s"), []
        _tell(board, drive, begun, now, elapsed_s)
        if ctx.stop.wait(_LOOK_S[begun.kind]):
            return _not_tested(drive, f"stopped: {ctx.stop.reason}"), []


def _new_entries(now: SelfTest, begun: Begun, ran: bool) -> tuple[Entry, ...]:
    if now.has_more_than(begun.log):
        return now.entries
    return (now.without_log,) if ran and now.without_log else ()


def failed(entry: Entry | None, drive_label: str, name: str) -> list[wire.Finding]:
    if entry is None:
        return []
    message = f"{drive_label}: {entry.sentence}"
    return [findings.make("smart.self_test_failed", "disk", name, message, value=entry.words)]


def _clock_s() -> float:
    """Seconds of this boot. A restart of the agent or a change of the clock does not disturb them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _asker(ctx: StageContext) -> str:
    return f"{ctx.order.name} {ctx.order.attempt}"


def _ended(drive: Drive, begun: Begun, entries: tuple[Entry, ...]) -> tuple[wire.Check, list[wire.Finding]]:
    """The newest entry is the test's own. An aborted test proves nothing, and neither does one of another kind."""
    newest = entries[0] if entries else None
    if newest is None or newest.passed is None:
        return _not_tested(drive, f"it left no result ({newest.sentence if newest else 'the log is empty'})"), []
    if newest.passed and newest.kind in {SHORT, LONG} - {begun.kind}:
        return _not_tested(drive, f"another test ended instead of ours ({newest.sentence})"), []
    found = [] if newest.passed else failed(newest, drive.label, drive.name)
    words = f"{begun.kind}: {newest.words}" + (f"; {begun.instead}" if begun.instead else "")
    return checks.judged(CHECK, found, drive.name, reason=words), found


def _minutes_or_refusal(drive: Drive, smart: smartctl.Smart) -> dict[str, int]:
    """How long the drive says that its tests take, 0 if it does not say. Raises NotStarted if it says that it can't
    test itself."""
    if smart.protocol == "NVMe":
        return minutes_of_controller(drive, nvme.run(drive.device.path))
    if smart.self_test.can is None:
        raise NotStarted(_not_tested(drive, "whether the drive can test itself was not read"))
    if not smart.self_test.can:
        raise NotStarted(not_offered(drive, "the drive says that it can't test itself"))
    return {SHORT: smart.self_test.short_minutes or 0, LONG: smart.self_test.extended_minutes or 0}


def minutes_of_controller(drive: Drive, done: Completed) -> dict[str, int]:
    """How long the tests take, from the output of `nvme id-ctrl`."""
    try:
        controller = nvme.parse(done.stdout)
    except ParseError as error:
        raise NotStarted(_not_tested(drive, done.trouble_or(error))) from None
    if not done.ended:
        raise NotStarted(_not_tested(drive, done.trouble))
    if not controller.self_test:
        raise NotStarted(not_offered(drive, "the controller has no self-test (OACS bit 4)"))
    # NVM Express base specification 1.3: a short one takes no longer than two minutes.
    return {SHORT: 2, LONG: controller.extended_minutes}


def _log_before(ctx: StageContext, drive: Drive, protocol: str, *, leave_running: bool) -> str | None:
    """The log before our test. None if a test runs that may go on (`leave_running`). Any other running test is stopped,
    for example one of a cancelled run: it may be of another kind, and may take a day. Raises NotStarted."""
    for _ in range(_MAX_LOOKS_WITHOUT_TEST):
        now = _look(drive, protocol)
        if isinstance(now, str):
            raise NotStarted(_not_tested(drive, now))
        if not now.running:
            return now.log
        if leave_running:
            return None
        ctx.log("info", f"{drive.label}: stopping a self-test that nobody waits for")
        smartctl.stop_self_test(drive.device)
    raise NotStarted(_not_tested(drive, "an earlier self-test can't be stopped"))


def _look(drive: Drive, protocol: str) -> SelfTest | str:
    """The log, or why it can't be read."""
    done = smartctl.look(drive.device, protocol)
    try:
        smart = smartctl.parse(done.stdout)
    except ParseError as error:
        return done.trouble_or(error)
    if smart.exit_status & (smartctl.COMMAND_LINE | smartctl.OPEN_FAILED) or not done.ended:
        return smart.trouble or done.trouble
    return smart.self_test


def _limit_s(ctx: StageContext, kind: str) -> float:
    smart = next(order for order in (ctx.order, *ctx.claim.stages) if order.name == "SMART")
    params = read(Params, smart.params, "stages.SMART.params")
    return params.self_test_long_max_s if kind == LONG else params.self_test_short_max_s


def _tell(board: ProgressBoard, drive: Drive, begun: Begun, now: SelfTest | str, elapsed_s: float) -> None:
    percent = 100.0 * elapsed_s / begun.limit_s
    if isinstance(now, SelfTest) and now.remaining_percent is not None and now.running:
        percent = 100.0 - now.remaining_percent
    left_s = elapsed_s * (100.0 / percent - 1.0) if percent > 0 else begun.limit_s
    board.tell(drive.name, min(99.0, percent), f"{begun.kind} self-test", max(0.0, left_s))


def _not_tested(drive: Drive, why: str) -> wire.Check:
    return checks.not_tested(CHECK, drive.name, reason=f"{drive.label}: {why}", topic=TOPIC)


def not_offered(drive: Drive, why: str) -> wire.Check:
    return checks.not_tested(OFFERED, drive.name, reason=f"{drive.label}: {why}", topic=TOPIC)
