"""Load on GPUs: NVIDIA's diagnostic and gpu_burn, if they are installed, and what the cards report meanwhile. Both
tools count cards as nvidia-smi does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from agent import findings
from agent.contract import wire
from agent.counters import gpu_faults
from agent.exercises import gpu_memory
from agent.exercises.gpu_links import BusyLinks
from agent.exercises.gpu_names import LOAD_TOPIC as TOPIC
from agent.exercises.gpu_names import REMEDY, name_of, topic
from agent.exercises.gpu_names import TOPIC as GPU_TOPIC
from agent.host.shell import Completed
from agent.loads import dcgm, gpu_burn
from agent.loads.dcgm import TestResult
from agent.loads.gpu_burn import Burned
from agent.parsing import ParseError
from agent.probes.gpu import nvidia_smi
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext
from agent.stages.burn import spec as burn
from agent.stages.gpu import spec as gpu_stage

R = TypeVar("R", TestResult, Burned)
CHECK = "load"
CHECK_IN_BURN = "gpu"
_LOOK_S = 5.0
# A card may slow down for a moment while it changes its power state (nvidia-smi(1), "HW Slowdown"), or until its fans
# have caught up. It is throttled if it is slowed in so many looks in a row.
_LOOKS_IN_A_ROW = 2


def run(ctx: StageContext, present: list[wire.Gpu], answer: Answer, watch: Watch) -> PartialReport:
    """Makes the check `load` for each card on the bus. `answer` is what nvidia-smi reported just before. `watch` sees
    the cards meanwhile."""
    here = topic(TOPIC, ctx.claim.not_expected)
    has_dcgm, burner = shutil.which("dcgmi"), tool()
    if why := cannot(answer, bool(has_dcgm or burner)):
        return PartialReport([checks.not_tested(CHECK, name_of(gpu), reason=why, topic=here) for gpu in present])
    report = PartialReport()
    report.checks += [_unreached(gpu, here) for gpu in present if gpu_memory.card_of(gpu, answer) is None]
    idle: frozenset[str] = frozenset()
    with watch.watching():
        if has_dcgm:
            idle = _diagnose(ctx, answer, report)
        if burner:
            _burn(ctx, burner, answer, report)
    report.checks = [replace(check, topic=here) for check in without_idle(report.checks, idle)]
    watch.judge(ctx, report)
    return report


def during_burn(ctx: StageContext, duration_s: float) -> PartialReport:
    """Burn's check `gpu` for each card: gpu_burn for as long as all other loads. It is not required. Without a driver
    or a tool, the check says that the card did not join."""
    present = ctx.inventory.gpus if ctx.inventory else []
    if not present:
        return PartialReport()
    answer, here = nvidia_smi.ask(), topic(TOPIC, ctx.claim.not_expected)
    if why := cannot(answer, bool(tool())):
        return PartialReport([_did_not_join(name_of(gpu), why, here) for gpu in present])
    report, watch = PartialReport(), Watch()
    with watch.watching():
        percent = ctx.params(burn.Params).gpu_memory_percent
        _run_burn(ctx, tool(), answer, report, percent, duration_s)
    report.checks = [replace(check, name=CHECK_IN_BURN, topic=here) for check in report.checks]
    unreached = [gpu for gpu in present if gpu_memory.card_of(gpu, answer) is None]
    report.checks += [_did_not_join(name_of(gpu), "no tool for it, or it did not answer", here) for gpu in unreached]
    watch.judge(ctx, report)
    return report


def _did_not_join(name: str, why: str, topic: str) -> wire.Check:
    return checks.not_tested(CHECK_IN_BURN, name, reason=f"GPU did not join: {why}", topic=topic)


def tool() -> str:
    """The name under which gpu_burn is installed, or empty."""
    return next((name for name in gpu_burn.NAMES if shutil.which(name)), "")


def cannot(answer: Answer, has_tool: bool) -> str:
    """Why no GPU can be loaded here. Empty if they can."""
    if answer.trouble or not answer.cards:
        return f"{answer.trouble or 'no driver here can load a GPU'}; {REMEDY}"
    return "" if has_tool else f"no load tool for GPUs is installed (dcgmi, gpu_burn); {REMEDY}"


def _unreached(gpu: wire.Gpu, topic: str) -> wire.Check:
    why = f"{gpu.pci}: no load tool for this maker's cards, or the card did not answer its driver"
    return checks.not_tested(CHECK, name_of(gpu), reason=why, topic=topic)


def _diagnose(ctx: StageContext, answer: Answer, report: PartialReport) -> frozenset[str]:
    """Adds the checks of DCGM. Returns the cards that it did not load."""
    params = ctx.params(gpu_stage.Params)
    level, most_s = params.dcgm_level, params.dcgm_max_s
    with ProgressBoard(ctx).timing("GPUs", f"DCGM diagnostic, level {level}", most_s):
        done = dcgm.run(level, most_s, ctx.stop)
    report.evidence["dcgmi.json"] = done.stdout or done.stderr
    results = each(answer, report, done, lambda: dcgm.parse(done.stdout), diagnosed)
    return frozenset() if results is None else idle_cards(answer, results)


def _burn(ctx: StageContext, name: str, answer: Answer, report: PartialReport) -> None:
    params = ctx.params(gpu_stage.Params)
    percent, seconds = params.burn_memory_percent, params.load_duration_s
    with ProgressBoard(ctx).timing("GPUs", "gpu_burn", seconds):
        _run_burn(ctx, name, answer, report, percent, seconds)


def _run_burn(
    ctx: StageContext, name: str, answer: Answer, report: PartialReport, percent: int, seconds: float
) -> None:
    done = gpu_burn.run(name, percent, seconds, ctx.stop)
    report.evidence["gpu_burn.txt"] = done.stdout[-20000:] or done.stderr
    each(answer, report, done, lambda: gpu_burn.parse(done.stdout), burned)


def each(
    answer: Answer,
    report: PartialReport,
    done: Completed,
    parse: Callable[[], list[R]],
    judge: Callable[[NvidiaGpu, int, list[R]], tuple[wire.Check, list[wire.Finding]]],
) -> list[R] | None:
    """Adds a check per card from the tool's output, and returns its results. A failure counts even if the tool did not
    finish; all else is not tested then, and None is returned."""
    results: list[R] = []
    try:
        results = parse()
    except ParseError as error:
        why = done.trouble_or(error)
    else:
        # Not the exit status: a tool that was cut short has tested only a part.
        why = "" if done.ended else done.trouble
    mixed = _not_told_apart(answer, results)
    report.findings += _unattributed(results) if mixed else []
    for index, card in enumerate(answer.cards):
        check, found = judge(card, index, [] if mixed else results)
        if (why or mixed) and check.outcome is not wire.Outcome.FAILED:
            check, found = checks.not_tested(CHECK, card.name, reason=why or mixed, topic=TOPIC), []
        report.checks.append(check)
        report.findings += found
    return None if why or mixed else results


def without_idle(made: list[wire.Check], idle: frozenset[str]) -> list[wire.Check]:
    """The checks, less those of DCGM for cards that it left `idle` and gpu_burn has loaded."""
    done = {check.component for check in made if check.outcome is wire.Outcome.PASSED} & idle
    return [check for check in made if check.component not in done or check.outcome is not wire.Outcome.NOT_TESTED]


def _not_told_apart(answer: Answer, results: list[R]) -> str:
    """The tools count cards from 0. If one card does not answer nvidia-smi, their numbers may mean other cards."""
    listed = len(answer.cards)
    silent = any(one.is_gone for one in answer.silent) or (answer.attached or listed) != listed
    beyond = any(result.index is not None and result.index >= listed for result in results)
    return "a card does not answer, so the tool's numbers may mean other cards" if silent or beyond else ""


def _unattributed(results: list[R]) -> list[wire.Finding]:
    """A failure that can't be attributed to a card is reported for the system."""
    if not any(result.failed for result in results if result.index is not None):
        return []
    message = "a GPU failed under load, but it is unknown which one"
    return [findings.make("gpu.diagnostic", "gpu", "system", message)]


def diagnosed(card: NvidiaGpu, index: int, results: list[TestResult]) -> tuple[wire.Check, list[wire.Finding]]:
    """Failed by any test of this card. Passed if a test that loads the card passed. A test that fails for the whole
    host (library, driver), or by a setting, says nothing about a card."""
    own = _of_card(index, results)
    found = [_diagnosis(card, result) for result in own if result.failed or result.outcome == "warn"]
    check = checks.judged(CHECK, found, card.name, topic=TOPIC, reason=f"DCGM: {len(own)} tests")
    why = _why_unknown(index, results) or _why_idle(index, results)
    if check.outcome is wire.Outcome.PASSED and why:
        check = checks.not_tested(CHECK, card.name, reason=why, topic=TOPIC)
    return check, found


def idle_cards(answer: Answer, results: list[TestResult]) -> frozenset[str]:
    """The cards that DCGM did not load, if it says how all of their tests ended."""
    return frozenset(
        card.name
        for index, card in enumerate(answer.cards)
        if _why_idle(index, results) and not _why_unknown(index, results)
    )


def _of_card(index: int, results: list[TestResult]) -> list[TestResult]:
    return [result for result in results if result.index == index]


def _why_unknown(index: int, results: list[TestResult]) -> str:
    """Why DCGM says nothing about this card: a test of the whole host failed, or a test has no readable outcome."""
    for result in results:
        if result.index is None and result.failed:
            return f"DCGM: {result.test}: {result.words or 'failed'}"
    unread = next((result for result in results if result.is_unread and result.index in (index, None)), None)
    return f"DCGM does not say how {unread.test or 'a test'} ended" if unread else ""


def _why_idle(index: int, results: list[TestResult]) -> str:
    """Why DCGM did not load this card; empty if a test that loads it passed."""
    own = _of_card(index, results)
    if any(result.passed and result.is_work for result in own):
        return ""
    set_so = next((f"; {one.test}: {one.words or 'failed'}" for one in own if one.failed and one.is_setting), "")
    return f"DCGM did not load this card: its tests of this level only check software, or were skipped{set_so}"


def _diagnosis(card: NvidiaGpu, result: TestResult) -> wire.Finding:
    message = f"{card.pci}: DCGM's {result.test}: {result.outcome}{': ' + result.words if result.words else ''}"
    severity = wire.Severity.CRITICAL if result.failed and not result.is_setting else wire.Severity.WARNING
    return findings.make("gpu.diagnostic", "gpu", card.name, message, severity=severity)


def burned(card: NvidiaGpu, index: int, results: list[Burned]) -> tuple[wire.Check, list[wire.Finding]]:
    """The check `load` of a card from gpu_burn's summary. `index` is the card's number in nvidia-smi."""
    own = next((result for result in results if result.index == index), None)
    if own is None:
        why = "gpu_burn gives no verdict on this card"
        return checks.not_tested(CHECK, card.name, reason=why, topic=TOPIC), []
    if own.failed:
        count = "" if own.errors is None else f"{own.errors} "
        message, value = f"{card.pci}: gpu_burn counted {count}wrong results", float(own.errors or 0)
        found = [findings.make("gpu.miscompare", "gpu", card.name, message, value=value, limit=0.0)]
        return checks.judged(CHECK, found, card.name, topic=TOPIC), found
    if not own.gflops or own.errors is None:
        why = "gpu_burn did no work on this card" if not own.gflops else "gpu_burn's count of errors can't be read"
        return checks.not_tested(CHECK, card.name, reason=why, topic=TOPIC), []
    return checks.passed(CHECK, card.name, topic=TOPIC, reason=f"gpu_burn: {own.gflops:.0f} Gflop/s"), []


class Watch:
    """What the cards report every few seconds under load: temperature, power, whether they slow down, and their PCIe
    links. `slowed` has the reasons of each card that was seen under load."""

    def __init__(self) -> None:
        self.hottest: dict[str, int] = {}
        self.most_power: dict[str, float] = {}
        self.slowed: dict[str, set[str]] = {}
        self._in_a_row: dict[tuple[str, str], int] = {}
        self.links = BusyLinks()

    @contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True, name="gpu")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_LOOK_S):
            self.look(nvidia_smi.ask().cards)

    def look(self, cards: list[NvidiaGpu]) -> None:
        for card in cards:
            self.hottest[card.name] = max(self.hottest.get(card.name, 0), card.temperature_c or 0)
            self.most_power[card.name] = max(self.most_power.get(card.name, 0.0), card.power_w or 0.0)
            self.slowed.setdefault(card.name, set()).update(self._lasting(card))
            self.links.look(card)

    def _lasting(self, card: NvidiaGpu) -> set[str]:
        """The reasons of this look that the looks right before it had, too."""
        self._in_a_row = {
            key: count for key, count in self._in_a_row.items() if key[0] != card.name or key[1] in card.slowed_by
        }
        for reason in card.slowed_by:
            key = (card.name, reason)
            self._in_a_row[key] = self._in_a_row.get(key, 0) + 1
        return {reason for reason in card.slowed_by if self._in_a_row[card.name, reason] >= _LOOKS_IN_A_ROW}

    def judge(self, ctx: StageContext, report: PartialReport) -> None:
        """The check `throttled` for each card that was seen under load, and `link_speed` for each that was busy."""
        for name, reasons in self.slowed.items():
            report.numbers |= {f"gpu_peak_temp_c.{name}": float(self.hottest[name])}
            report.numbers |= {f"gpu_peak_power_w.{name}": self.most_power[name]} if self.most_power[name] else {}
            found = gpu_faults.slowed(name, name, tuple(reasons))
            report.findings += found
            report.checks.append(checks.judged("throttled", found, name, topic=GPU_TOPIC))
        self.links.judge(ctx, report)
