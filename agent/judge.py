"""Judges recorded tool outputs as a run would: `python3 -m agent --judge`, with a request on standard input.

The request is a JSON object: `kind`, `files` (paths), `order` (a `wire.StageOrder` document of the stage whose limits
count), `expected` (the spec, or an empty object) and `sensor_limits`. Each file gives one line of JSON on standard
output: `{"file", "trouble", "outcome", "reason", "findings", "checks", "inventory"}`. `trouble` says why a file could
not be read. `inventory` is what a dmidecode recording gives, for the server to compare.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.contract import codec, wire
from agent.counters import bmc_log, corrected_memory, counting
from agent.counters.component_names import Names
from agent.counters.kernel import kmsg_recording
from agent.exercises import fans, gpu_memory
from agent.host.stop import StopFlag
from agent.parsing import ParseError
from agent.probes.bmc import bmc_fans, bmc_meanings, board_limits, ipmitool, sel, supplies
from agent.probes.board import dmidecode, dmimemory
from agent.probes.gpu import nvidia_smi
from agent.probes.smart import smartctl
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext, StageMemory, settle
from agent.stages.psu import stage as psu
from agent.stages.psu import supply_look
from agent.stages.smart import smart_evidence, smart_limits
from agent.stages.smart.spec import Limits as SmartLimits

MAX_BYTES = 32 * 1024 * 1024
# Tools whose output the recording does not hold.
_NOT_RECORDED = ["lspci", "lshw", "lsblk", "lscpu", "sdr_power_supply", "sdr_fan"]
_COMMENT = re.compile(r"^#.*\n?", re.MULTILINE)


@dataclass
class Judged(PartialReport):
    """The result for a recording. Every check in it is required."""

    inventory: wire.Inventory | None = None
    required: list[str] = field(default_factory=list)


Judge = Callable[[StageContext, str], Judged]


def main() -> int:
    """Returns exit status 0. A file that can't be read has its `trouble` in the output. A broken request raises."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="vetting-judge-") as directory:
        ctx = _context(request, Path(directory))
        for name in request["files"]:
            print(json.dumps({"file": name, **_of_file(ctx, request["kind"], Path(name))}), flush=True)
    return 0


def judge(ctx: StageContext, kind: str, text: str) -> dict[str, Any]:
    """The content of the output line for one recording."""
    done = KINDS[kind](ctx, text)
    required = done.required or [check.name for check in done.checks]
    settled = settle(done.checks, required, ctx.claim.not_expected)
    return {
        "trouble": "",
        "outcome": settled.outcome.value,
        "reason": settled.reason,
        "findings": codec.encode(done.findings),
        "checks": codec.encode(done.checks),
        "inventory": codec.encode(done.inventory) if done.inventory else None,
    }


def _of_file(ctx: StageContext, kind: str, path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return {"trouble": f"{error.strerror or error}"}
    if len(raw) > MAX_BYTES:
        return {"trouble": f"larger than {MAX_BYTES >> 20} MiB"}
    return judge(ctx, kind, raw.decode(errors="replace"))


def _context(request: dict[str, Any], directory: Path) -> StageContext:
    order = codec.decode(wire.StageOrder, request["order"])
    expected = request["expected"]
    claim = wire.ClaimAnswer(
        mode=wire.Mode.TEST, run=0, boot=0, host="recording", stages=[order], disks=[], destructive_allowed=False,
        write_mode=False, not_expected=list(expected.get("not_expected") or []), expected=expected,
        sensor_limits=request["sensor_limits"], iperf=wire.IperfServer(), next_state=order.name, attempt=1, go=True,
    )  # fmt: skip
    return StageContext(
        order=order, claim=claim, inventory=None, overrides=[], progress=lambda rows: None,
        log=lambda level, text: None, measure=lambda measurement: None, stop=StopFlag(),
        last_continue_age_s=lambda: float("inf"), in_image=False, memory=StageMemory(directory, order.name, 1),
    )  # fmt: skip


# --- one function per kind ---------------------------------------------------------------------------------------


def _smartctl(ctx: StageContext, text: str) -> Judged:
    """The check `health` of Disk health."""
    try:
        smart = smartctl.parse(text)
    except ParseError as error:
        return Judged([checks.not_tested("health", reason=str(error), topic="smart")])
    name = smart.serial or "drive"
    limits = ctx.limits(SmartLimits)
    found = smart_limits.judge(smart, name, name, limits.named)
    return Judged([smart_evidence.health(smart, found, name, name, limits.named)], found)


def _sel(ctx: StageContext, text: str) -> Judged:
    """Judges every entry as if it were new. A line that is no entry leaves the check not tested, since it may have been
    anything."""
    text = _without_comments(text)
    try:
        entries = sel.parse(text)
    except ParseError as error:
        return Judged([checks.not_tested("event_log", reason=str(error), topic="bmc")])
    if not text.strip():
        return Judged([checks.not_tested("event_log", reason="the recording is empty", topic="bmc")])
    log = bmc_log.EventLog()
    deltas = [wire.CounterDelta(*key, before=0, after=value) for key, value in log.take(entries).items() if value]
    counted = counting.judged(deltas, ctx.claim.sensor_limits, 0.0, log.said)
    found = counting.merged(corrected_memory.with_limit(counted, ctx.claim.sensor_limits))
    check = checks.judged("event_log", found, topic="bmc", reason=f"{len(entries)} entries")
    if check.outcome is wire.Outcome.PASSED and (unclear := _unclear(text, entries)):
        check = checks.not_tested("event_log", reason=f"not understood: {unclear[:100]}", topic="bmc")
    return Judged([check], found)


def _unclear(text: str, entries: list[sel.LogEntry]) -> str:
    """The first line that was not understood. Empty if all were."""
    lines = iter(sel.unread(text))
    torn = (entry.quote for entry in entries if not bmc_meanings.is_understood(entry))
    return next(lines, "") or next(torn, "")


def _sdr(ctx: StageContext, text: str) -> Judged:
    """Judges supplies, fans, voltages and temperatures at one moment, those that the recording has a sensor for."""
    try:
        rows = ipmitool.parse_sdr(_without_comments(text))
    except ParseError as error:
        return Judged([checks.not_tested(name, reason=str(error), topic="bmc") for name in ("presence", "fans")])
    report, names = Judged(), _names(ctx, "psus")
    look = supply_look.seen("now", supplies.among(rows))
    if look.supplies or names:
        psu.judge(names, [look], report)
    psu.judge_others([look], report)
    if look.redundancy and "redundancy" not in ctx.claim.not_expected:
        psu.judge_redundancy(names, [look], report)
    turning, names = fans.Fans({}, bmc_fans.among(rows)), _names(ctx, "fans")
    made, found = fans.judge(names, turning, turning)
    report.checks += made if turning.fans or names or not report.checks else []
    report.findings += found
    faults = {one.name for one in look.conditions}
    board = [one for one in board_limits.measured(rows, look.supplies) if one.name not in faults]
    if board and "bmc_limits" not in ctx.claim.not_expected:
        psu.judge_limits([replace(look, board=board)], report)
    # A single supply has no redundancy.
    report.required = [check.name for check in report.checks if check.name != "redundancy"]
    return report


def _kmsg(ctx: StageContext, text: str) -> Judged:
    """Judges every line as if it were new."""
    found = kmsg_recording.findings(text, Names(Path("/nonexistent")))
    if found is None:
        return Judged([checks.not_tested("kernel_log", reason="the recording has no line of the kernel")])
    found = corrected_memory.with_limit(found, ctx.claim.sensor_limits, kmsg_recording.duration_s(text))
    return Judged([checks.judged("kernel_log", found)], found)


def _dmidecode(ctx: StageContext, text: str) -> Judged:
    """The inventory in the firmware's tables, for the server to compare."""
    try:
        structures = dmidecode.parse(text)
    except ParseError as error:
        return Judged([checks.not_tested("dmidecode", reason=str(error))])
    cpu, (bios, bios_date) = dmidecode.cpu(structures), dmidecode.bios(structures)
    inventory = wire.Inventory(
        system=dmidecode.system(structures),
        cpu=cpu or wire.Cpu(),
        memory=dmimemory.memory(structures, 0),
        psus=dmidecode.power_supplies(structures),
        firmware=wire.Firmware(bios, bios_date),
        missing_tools=[name for name in _NOT_RECORDED if name != "lscpu" or cpu is None],
    )
    made = [checks.passed("dmidecode")]
    if not dmidecode.of_kind(structures, 17):
        made.append(checks.not_tested("memory", reason="the recording lists no memory slot", topic="dimms"))
    return Judged(made, inventory=inventory)


def _nvidia_smi(ctx: StageContext, text: str) -> Judged:
    """Judges each card's memory and state, with what was printed beside the XML."""
    try:
        answer = nvidia_smi.read(text)
    except ParseError as error:
        answer = nvidia_smi.Answer(silent=nvidia_smi.silent(text), trouble=str(error))
    report = Judged()
    for card in answer.cards:
        gpu_memory.of_card(ctx, card, answer, report)
    gpu_memory.of_silent_cards(ctx, answer, report)
    return (
        report
        if report.checks
        else Judged([checks.not_tested("memory", reason="the recording names no GPU", topic="gpu")])
    )


KINDS: dict[str, Judge] = {
    "smartctl": _smartctl,
    "sel": _sel,
    "sdr": _sdr,
    "kmsg": _kmsg,
    "dmidecode": _dmidecode,
    "nvidia-smi": _nvidia_smi,
}


def _names(ctx: StageContext, kind: str) -> list[str]:
    return [str(part.get("name") or "") for part in ctx.claim.expected.get(kind) or []]


def _without_comments(text: str) -> str:
    """The text without lines that begin with #: those are the recorder's comments."""
    return _COMMENT.sub("", text)
