"""Judge a port's optical module by its own limits of light, laser current, temperature and voltage. A link works for a
while on light that is too weak, and fails at the next degree."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.host.shell import Completed
from agent.parsing import ParseError
from agent.probes.network import fec, optics
from agent.probes.network.nics import NicState
from agent.probes.network.optics import Crossing, Module
from agent.reports import checks
from agent.reports.partial_report import PartialReport

CHECK = "optics"
_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


def judge(state: NicState, done: Completed, report: PartialReport, *, is_whole: bool = False) -> None:
    """Adds the check `optics`, if the port has a module that measures its light. `is_whole`: the link runs at its full
    speed without an error."""
    report.evidence[f"ethtool-m.{state.mac}"] = done.stdout or done.stderr
    if optics.has_no_module(done):
        return
    try:
        module, why = optics.parse(done.stdout), done.trouble
    except ParseError as error:
        module, why = None, done.trouble_or(error)
    if why or not done.ok:
        report.checks.append(checks.not_tested(CHECK, state.mac, reason=f"{state.name}: {why}", topic="network"))
    elif module is not None:
        _judge(state, module, report, is_whole=is_whole)


def tell_corrected(state: NicState, before: int | None, done: Completed, report: PartialReport) -> None:
    """How many blocks FEC corrected during the test. It is a number only: at 25 Gbit/s and above some are ordinary. The
    error counters judge what FEC could not correct."""
    after = fec.parse(done.stdout).corrected
    if before is not None and after is not None and after >= before:
        report.numbers[f"fec_corrected_blocks.{state.mac}"] = float(after - before)
        report.evidence[f"ethtool-fec.{state.mac}"] = done.stdout


def _judge(state: NicState, module: Module, report: PartialReport, *, is_whole: bool) -> None:
    if not module.can_be_judged():
        why = f"{state.name}: the module has no limits of its own that a value could be compared with"
        report.checks.append(checks.not_tested(CHECK, state.mac, reason=why, topic="network"))
        return
    found = _worst([_finding(state, one, is_whole=is_whole) for one in module.crossings()])
    for name, what in (("optics_received_dbm", optics.RECEIVED), ("optics_sent_dbm", optics.SENT)):
        if (value := module.lowest(what)) is not None:
            report.numbers[f"{name}.{state.mac}"] = value
    report.findings += found
    report.checks.append(checks.judged(CHECK, found, state.mac, reason=_words(module), topic="network"))


def _finding(state: NicState, one: Crossing, *, is_whole: bool) -> wire.Finding:
    """An alarm is critical, a warning a warning; so is an alarm that was, and is over, and no light where a whole link
    proves that it needs none: another lane of a breakout cable, or a module with a socket for copper."""
    unit, lane = optics.UNITS[one.what], f" of lane {one.lane}" if one.lane else ""
    value = "" if one.value is None else f" {one.value:g} {unit}"
    limit = "" if one.limit is None else f" ({one.limit:g} {unit})"
    when = ", for a moment" if one.is_over else ""
    side = "below" if one.way == "low" else "above"
    message = f"{state.name}: {one.what}{lane}{value}, {side} the module's own {one.grade} limit{limit}{when}"
    is_unused = is_whole and one.is_dark
    if is_unused:
        message += f"; the link works at {state.speed_mbit} Mbit/s without an error, so it does not need this light"
    severity = _CRITICAL if one.grade == "alarm" and not one.is_over and not is_unused else _WARNING
    return findings.make(
        "nic.optics", "nic", state.mac, message, value=one.value, limit=one.limit, unit=unit, severity=severity
    )


def _worst(found: list[wire.Finding]) -> list[wire.Finding]:
    """One finding with all messages of the worst severity: an alarm also crosses the limit of its warning."""
    for severity in (_CRITICAL, _WARNING):
        same = [one for one in found if one.severity is severity]
        if same:
            return same[:1] if len(same) == 1 else [_joined(same)]
    return []


def _joined(found: list[wire.Finding]) -> wire.Finding:
    first = found[0]
    message = "; ".join(one.message for one in found)
    return findings.make(first.code, "nic", first.component, message, value=first.value, limit=first.limit,
                         unit=first.unit, severity=first.severity)  # fmt: skip


def _words(module: Module) -> str:
    told = [(what, module.lowest(what)) for what in (optics.RECEIVED, optics.SENT, optics.TEMPERATURE)]
    return ", ".join(f"{what} {value:g} {optics.UNITS[what]}" for what, value in told if value is not None)
