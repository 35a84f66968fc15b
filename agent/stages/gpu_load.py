"""GPUs at work: NVIDIA's diagnostic and gpu_burn, where they are installed, and what the cards say meanwhile.

Both count cards as nvidia-smi does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent import findings, wire
from agent.loads import dcgm, gpu_burn
from agent.loads.dcgm import TestResult
from agent.loads.gpu_burn import Burned
from agent.probes import nvidia_smi
from agent.probes.nvidia_smi import NvidiaGpu
from agent.probes.parsing import ParseError
from agent.shell import Completed
from agent.stage import StageContext
from agent.stages import checks
from agent.stages.board import Board
from agent.stages.gpu_names import TOPIC as GPU_TOPIC
from agent.stages.gpu_names import name_of
from agent.stages.part import Part

CHECK = "load"
TOPIC = "gpu_load"
_LOOK_S = 5.0


def run(ctx: StageContext, present: list[wire.Gpu]) -> Part:
    cards = _cards()
    has_dcgm, burner = shutil.which("dcgmi"), next((name for name in gpu_burn.NAMES if shutil.which(name)), "")
    if not cards or not (has_dcgm or burner):
        why = "no load tool for GPUs is installed (dcgmi, gpu_burn)" if cards else "no driver here puts a GPU to work"
        return Part([checks.not_tested(CHECK, name_of(gpu), reason=why, topic=TOPIC) for gpu in present])
    known = {card.pci for card in cards}
    why = "no load tool for this maker's cards"
    others = [name_of(gpu) for gpu in present if gpu.pci not in known]
    part, watch = Part([checks.not_tested(CHECK, name, reason=why, topic=TOPIC) for name in others]), Watch()
    with watch.watching():
        if has_dcgm:
            _diagnose(ctx, cards, part)
        if burner:
            _burn(ctx, burner, cards, part)
    watch.judge(part)
    return part


def _cards() -> list[NvidiaGpu]:
    done = nvidia_smi.run()
    try:
        return nvidia_smi.parse(done.stdout) if done.ok else []
    except ParseError:
        return []


def _diagnose(ctx: StageContext, cards: list[NvidiaGpu], part: Part) -> None:
    level, most_s = int(checks.param(ctx, "dcgm_level")), float(checks.param(ctx, "dcgm_max_s"))
    with Board(ctx).timing("GPUs", f"DCGM diagnostic, level {level}", most_s):
        done = dcgm.run(level, most_s, ctx.stop)
    part.evidence["dcgmi.json"] = done.stdout or done.stderr
    _each(cards, part, done, lambda: dcgm.parse(done.stdout), diagnosed)


def _burn(ctx: StageContext, name: str, cards: list[NvidiaGpu], part: Part) -> None:
    percent, seconds = int(checks.param(ctx, "burn_memory_percent")), float(checks.param(ctx, "load_duration_s"))
    with Board(ctx).timing("GPUs", "gpu_burn", seconds):
        done = gpu_burn.run(name, percent, seconds, ctx.stop)
    part.evidence["gpu_burn.txt"] = done.stdout[-20000:] or done.stderr
    _each(cards, part, done, lambda: gpu_burn.parse(done.stdout), burned)


def _each(cards: list[NvidiaGpu], part: Part, done: Completed, parse: Callable, judge: Callable) -> None:
    """A check per card of what the tool said; all not tested when it said nothing."""
    try:
        results = parse()
    except ParseError as error:
        results, why = [], done.trouble or str(error)
    else:
        # Not its exit status, which says little: one that was cut short tested a part of it.
        why = done.trouble if done.status is None or done.timed_out or done.stopped else ""
    if why:
        part.checks += [checks.not_tested(CHECK, card.uuid, reason=why, topic=TOPIC) for card in cards]
        return
    for index, card in enumerate(cards):
        check, found = judge(card, index, results)
        part.checks.append(check)
        part.findings += found


def diagnosed(card: NvidiaGpu, index: int, results: list[TestResult]) -> tuple[wire.Check, list[wire.Finding]]:
    """Failed by any test of this card; passed when one passed; a test that fails for the whole host (library, driver)
    says nothing about a card."""
    own = [result for result in results if result.index == index]
    bench = [result for result in results if result.index is None and result.failed]
    found = [_diagnosis(card, result) for result in own if result.failed or result.outcome == "warn"]
    check = checks.judged(CHECK, found, card.uuid, topic=TOPIC, reason=f"DCGM: {len(own)} tests")
    if check.outcome is wire.Outcome.PASSED and (bench or not any(result.passed for result in own)):
        why = f"DCGM: {bench[0].test}: {bench[0].words or 'failed'}" if bench else "DCGM passed no test of this card"
        check = checks.not_tested(CHECK, card.uuid, reason=why, topic=TOPIC)
    return check, found


def _diagnosis(card: NvidiaGpu, result: TestResult) -> wire.Finding:
    message = f"{card.pci}: DCGM's {result.test}: {result.outcome}{': ' + result.words if result.words else ''}"
    severity = wire.Severity.CRITICAL if result.failed else wire.Severity.WARNING
    return findings.make("gpu.diagnostic", "gpu", card.uuid, message, severity=severity)


def burned(card: NvidiaGpu, index: int, results: list[Burned]) -> tuple[wire.Check, list[wire.Finding]]:
    own = next((result for result in results if result.index == index), None)
    if own is None:
        why = "gpu_burn gives no verdict on this card"
        return checks.not_tested(CHECK, card.uuid, reason=why, topic=TOPIC), []
    if not own.ok or own.errors:
        message = f"{card.pci}: gpu_burn counted {own.errors} wrong results"
        found = [findings.make("gpu.miscompare", "gpu", card.uuid, message, value=float(own.errors), limit=0.0)]
        return checks.judged(CHECK, found, card.uuid, topic=TOPIC), found
    if not own.gflops:
        return checks.not_tested(CHECK, card.uuid, reason="gpu_burn did no work on this card", topic=TOPIC), []
    return checks.passed(CHECK, card.uuid, topic=TOPIC, reason=f"gpu_burn: {own.gflops:.0f} Gflop/s"), []


class Watch:
    """What the cards say every few seconds while they work: how hot, how much power, and whether they slow down."""

    def __init__(self) -> None:
        self.hottest: dict[str, int] = {}
        self.most_power: dict[str, float] = {}
        self.slowed: dict[str, set[str]] = {}

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
            self.look(_cards())

    def look(self, cards: list[NvidiaGpu]) -> None:
        for card in cards:
            self.hottest[card.uuid] = max(self.hottest.get(card.uuid, 0), card.temperature_c or 0)
            self.most_power[card.uuid] = max(self.most_power.get(card.uuid, 0.0), card.power_w or 0.0)
            self.slowed.setdefault(card.uuid, set()).update(card.slowed_by)

    def judge(self, part: Part) -> None:
        """The check `throttled` for each card that was seen at work."""
        for uuid, reasons in self.slowed.items():
            part.numbers |= {f"gpu_peak_temp_c.{uuid}": float(self.hottest[uuid])}
            part.numbers |= {f"gpu_peak_power_w.{uuid}": self.most_power[uuid]} if self.most_power[uuid] else {}
            words = ", ".join(sorted(reasons))
            found = [findings.make("gpu.throttled", "gpu", uuid, f"{uuid}: slowed down by {words}")] if words else []
            part.findings += found
            part.checks.append(checks.judged("throttled", found, uuid, topic=GPU_TOPIC))
