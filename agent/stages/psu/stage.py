"""PSU: presence and state of every supply before, during and after load steps, the power that the load draws, how the
supplies share it, and the BMC's own limits of voltages and temperatures. Without a BMC only the CPUs' own meter is
read, and whether the host survived the load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent import findings
from agent.contract import wire
from agent.exercises import changing_load, cpu_load
from agent.exercises.changing_load import Sweep
from agent.parsing import ParseError
from agent.probes.bmc import board_limits, ipmitool, redundancy, sel
from agent.probes.bmc.sel import LogEntry
from agent.probes.bmc.supplies import PowerSupply, same_supply
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.sensors import readings
from agent.stage import StageContext, StageReport
from agent.stages.psu.spec import Limits, Params
from agent.stages.psu.supply_look import Look, ask, find

TOPIC = "bmc"
UNDER_LOAD, IN_WAVES = "under load", "under a load in waves"
_DCMI_TRIES = 3
# Seconds that the load waits for the look under load, at most. A BMC that takes longer is told in the report.
_MOST_LOOK_S = 180.0


def run(ctx: StageContext) -> StageReport:
    params, limits = ctx.params(Params), ctx.limits(Limits)
    expected = ctx.claim.expected.get("psus")
    if expected == []:
        return checks.nothing_here(("presence", "state"), "no power supply is expected here")
    if not ipmitool.has_bmc():
        return _without_bmc(ctx, params)
    names = [str(psu.get("name") or "") for psu in expected or []]
    log_before = _event_log()
    began = time.monotonic()
    before, power_before = ask("before", names), _power()
    look_s = 0.0 if before.trouble else time.monotonic() - began
    load, during, power_under_load = _under_load(ctx, params.load_duration_s, look_s, names)
    waves, at_edges = _in_waves(ctx, params, lambda: ask(IN_WAVES, names))
    looks = [before, during, *at_edges, ask("after", names)]
    report = joined([load, waves])
    report.checks.append(_loaded(during))
    judge(names, looks, report)
    judge_others(looks, report)
    if "bmc_limits" not in ctx.claim.not_expected:
        judge_limits(looks, report)
    if "redundancy" not in ctx.claim.not_expected:
        judge_redundancy(names, looks, report)
        _shared(during, limits.share_min_of_even, report)
    _drawn(power_before, power_under_load, report)
    _events(log_before, _event_log(), report)
    return checks.report(
        ctx, report.checks, findings=report.findings, numbers=report.numbers, also_required=_required(params),
        evidence={**report.evidence, **_evidence(*looks)},
    )  # fmt: skip


def _required(params: Params) -> list[str]:
    return [changing_load.CHECK] if params.waves_s else []


def _without_bmc(ctx: StageContext, params: Params) -> StageReport:
    why = "the kernel found no BMC"
    duration_s, meter = params.load_duration_s, readings.Meter()
    idle_w = meter.watts_over(params.idle_s, ctx.stop)
    with ProgressBoard(ctx).timing("load step", "all cores at once", duration_s):
        load = cpu_load.run(duration_s, ctx.stop)
    needs_bmc = [name for name in ctx.order.required if name != "compute"] or ["presence"]
    untested = [checks.not_tested(name, reason=why, topic=TOPIC) for name in needs_bmc]
    under_load_w = meter.watts_since()
    waves, _ = _in_waves(ctx, params)
    report = joined([PartialReport(untested), load, waves])
    _drawn(idle_w, under_load_w, report, by="by the CPUs' own meter (RAPL)")
    return checks.report(
        ctx, report.checks, findings=report.findings, numbers=report.numbers, also_required=_required(params),
        evidence=report.evidence,
    )  # fmt: skip


def _in_waves(
    ctx: StageContext, params: Params, look: Callable[[], Look] | None = None
) -> tuple[PartialReport, list[Look]]:
    """Load all cores in square waves, and look at the supplies halfway through."""
    if not params.waves_s:
        return PartialReport(), []
    sweep = Sweep(params.waves_s, params.waves_least_hz, params.waves_most_hz)
    looks: list[Look] = []
    over = threading.Event()

    def watch() -> None:
        if look is not None and not over.wait(params.waves_s / 2):
            looks.append(look())

    thread = threading.Thread(target=watch, name="psu-waves", daemon=True)
    thread.start()
    with ProgressBoard(ctx).timing("load in waves", sweep.words(), changing_load.length_s(sweep)):
        waves = changing_load.run(sweep, ctx.stop)
    over.set()
    thread.join()
    return waves, looks


def _under_load(
    ctx: StageContext, duration_s: float, look_s: float, names: Sequence[str]
) -> tuple[PartialReport, Look, float | None]:
    """Load all cores at once, and ask the supplies halfway through. `look_s` is how long the BMC took to answer without
    a load."""
    halfway: list[tuple[Look, float | None]] = []
    over = threading.Event()

    def watch() -> None:
        over.wait(duration_s / 2)
        halfway.append(_look(over, names))

    thread = threading.Thread(target=watch, name="psu", daemon=True)
    thread.start()
    load_s = _load_s(duration_s, look_s)
    with ProgressBoard(ctx).timing("load step", "all cores at once", load_s):
        load = cpu_load.run(load_s, ctx.stop)
    over.set()
    thread.join()
    during, watts = halfway[0]
    return load, during, watts


def _look(over: threading.Event, names: Sequence[str]) -> tuple[Look, float | None]:
    """The supplies and the power now. `over` is set when the load ends. What the BMC answers after that is no look
    under load: a fault that shows only under load may be gone by then."""
    look = ask(UNDER_LOAD, names)
    if over.is_set():
        return replace(look, when="as the load ended"), None
    return look, _power()


def _load_s(duration_s: float, look_s: float) -> float:
    """How long to load the host, so that a look that begins halfway through `duration_s` ends under load, even if it
    takes twice as long as the one before the load. All in seconds."""
    return max(duration_s, duration_s / 2 + min(2 * look_s, _MOST_LOOK_S))


def _loaded(during: Look) -> wire.Check:
    """Whether the supplies were read while the host was loaded."""
    if during.trouble:
        return checks.not_tested("under_load", reason=during.trouble, topic=TOPIC)
    if during.when != UNDER_LOAD:
        return checks.not_tested("under_load", reason="the load ended before the BMC had answered", topic=TOPIC)
    return checks.passed("under_load", topic=TOPIC)


def judge(names: list[str], looks: list[Look], report: PartialReport) -> None:
    """Every expected supply must be present and sound at each look. Without a list of expected supplies, every one that
    the BMC knows, except a bay that was empty all the time. A supply that only some of the looks list was not read in
    the others. A fault counts even if another look failed."""
    troubles, looks = [look.trouble for look in looks if look.trouble], [look for look in looks if not look.trouble]
    wanted = names or sorted({supply.name for look in looks for supply in look.supplies})
    if not looks or not wanted:
        why = troubles[0] if troubles else "the BMC has no sensor of a power supply"
        report.checks += [checks.not_tested(name, reason=why, topic=TOPIC) for name in ("presence", "state")]
        return
    for name in wanted:
        views = [(look.when, supply) for look in looks if (supply := find(name, look))]
        report.findings += _warnings(name, views)
        always_empty = bool(views) and all(supply.present is False for _, supply in views)
        why = "its bay is empty, and no spec says that a supply belongs there" if always_empty and not names else ""
        if why or (why := _unread(name, looks, troubles)):
            report.checks += [checks.not_tested(each, name, reason=why, topic=TOPIC) for each in ("presence", "state")]
            continue
        found = _faults(name, looks)[:1]
        report.findings += found
        missing = [finding for finding in found if finding.code == "psu.missing"]
        report.checks.append(checks.judged("presence", missing, name, topic=TOPIC))
        report.checks.append(_state(name, looks, found))


def _state(name: str, looks: list[Look], found: list[wire.Finding]) -> wire.Check:
    unclear = [
        (look.when, one.reading) for look in looks if (one := find(name, look)) and one.present and one.ok is None
    ]
    if not unclear or found:
        return checks.judged("state", found, name, topic=TOPIC)
    when, reading = unclear[0]
    return checks.not_tested("state", name, reason=f"what its sensor says {when} is no state: {reading}", topic=TOPIC)


def _unread(name: str, looks: list[Look], troubles: list[str]) -> str:
    """Why the supply's state is unknown. Empty if it is known, or if a look shows a fault."""
    if _faults(name, looks):
        return ""
    silent = [
        f"its sensor gives no reading {look.when}"
        for look in looks
        if (one := find(name, look)) and one.present is None
    ]
    unlisted = [f"the BMC did not list its sensor {look.when}" for look in looks if find(name, look) is None]
    return next(iter([*troubles, *silent, *unlisted]), "")


def _faults(name: str, looks: list[Look]) -> list[wire.Finding]:
    """What is wrong with the supply, in order of time. One that no look lists is missing."""
    views = [(look.when, find(name, look)) for look in looks]
    seen = [(when, supply) for when, supply in views if supply is not None]
    return [finding for when, supply in seen or views for finding in _one(name, when, supply)]


def _one(name: str, when: str, supply: PowerSupply | None) -> list[wire.Finding]:
    if supply is None or supply.present is False:
        said = f" ({supply.reading})" if supply and supply.reading else ""
        return [findings.make("psu.missing", "psu", name, f"{name}: not there {when}{said}")]
    if supply.ok is False:
        return [findings.make("psu.failed", "psu", name, f"{name}: {supply.reading} {when}", value=supply.reading)]
    return []


def judge_others(looks: list[Look], report: PartialReport) -> None:
    """Reports each fault that belongs to no supply once, under the sensor's own name."""
    first: dict[str, str] = {}
    for look in looks:
        for one in look.conditions:
            first.setdefault(one.name, f"{one.name}: {one.reading} {look.when}")
    for name, words in first.items():
        found = [findings.make("psu.failed", "psu", name, words)]
        report.findings += found
        report.checks.append(checks.judged("state", found, name, topic=TOPIC))


def _warnings(name: str, seen: list[tuple[str, PowerSupply]]) -> list[wire.Finding]:
    """Warnings that a working supply reports, each once. `seen` is the supply at each look, with the time of the look
    in words."""
    predicted = [
        findings.make("psu.predicted_failure", "psu", name, f"{name}: {one.reading} {when}", value=one.reading)
        for when, one in seen
        if one.predicted
    ]
    events = [
        findings.make("bmc.event", "psu", name, f"{name}: {one.warning} {when}") for when, one in seen if one.warning
    ]
    return predicted[:1] + events[:1]


def judge_limits(looks: list[Look], report: PartialReport) -> None:
    """Adds the check `limits`: no voltage and no temperature of the board is outside the limits that the BMC keeps. One
    finding for each sensor, from the worst look."""
    read = [(look.when, sensor) for look in looks for sensor in look.board]
    worst: dict[str, wire.Finding] = {}
    for when, sensor in read:
        if meaning := board_limits.crossed(sensor):
            words = f"{sensor.name}: {sensor.reading} ({sensor.status}) {when}, outside the BMC's own limits"
            found = findings.make(meaning.code, meaning.part, sensor.name, words, severity=meaning.severity)
            is_worse = found.severity is wire.Severity.CRITICAL
            worst[sensor.name] = found if is_worse else worst.get(sensor.name, found)
    report.findings += worst.values()
    unread = [f"what {sensor.name} says is unclear" for _, sensor in read if not board_limits.is_read(sensor)]
    nothing = "" if read else "the BMC measures no voltage and no temperature of the board"
    why = next(iter([*(look.board_trouble for look in looks if look.board_trouble), *unread]), nothing)
    check = checks.judged("limits", list(worst.values()), topic="bmc_limits")
    if check.outcome is wire.Outcome.PASSED and why:
        check = checks.not_tested("limits", reason=why, topic="bmc_limits")
    report.checks.append(check)


def judge_redundancy(names: list[str], looks: list[Look], report: PartialReport) -> None:
    """Adds the check `redundancy`, by the BMC's own sensor. Not tested without one, if it gives no state, or if the one
    expected supply is the only one in the host: some BMCs call that a lost redundancy."""
    if _is_alone(names, looks):
        why = "a single power supply is expected, and no other one is there"
        report.checks.append(checks.not_tested("redundancy", reason=why, topic="redundancy"))
        return
    states = [(look.when, redundancy.lost(sensor), sensor) for look in looks for sensor in look.redundancy]
    known = [(when, lost, sensor) for when, lost, sensor in states if lost is not None]
    if not known:
        report.checks.append(
            checks.not_tested("redundancy", reason="the BMC reports no state of redundancy", topic="redundancy")
        )
        return
    found = [
        findings.make("psu.redundancy_lost", "psu", sensor.name, f"{sensor.name}: {sensor.reading} {when}")
        for when, lost, sensor in known
        if lost
    ][:1]
    report.findings += found
    report.checks.append(checks.judged("redundancy", found, topic="redundancy"))


def _is_alone(names: list[str], looks: list[Look]) -> bool:
    """Whether a single supply is expected, and every other bay was empty at each look."""
    others = [one for look in looks for one in look.supplies if not any(same_supply(one.name, name) for name in names)]
    return len(names) == 1 and all(one.present is False for one in others)


def _power() -> float | None:
    """Watts by DCMI, asked up to three times, since some controllers give no answer to the first call."""
    for _ in range(_DCMI_TRIES):
        done = ipmitool.run("dcmi", "power", "reading", timeout_s=20)
        try:
            return ipmitool.parse_dcmi_power(done.stdout)
        except ParseError:
            if done.status is None:
                return None
    return None


def _drawn(
    before: float | None, under_load: float | None, report: PartialReport, by: str = "by the BMC (DCMI)"
) -> None:
    """Numbers without a limit, because nobody knows what a host may draw. The check says whether the load step was
    measured at all."""
    if before is None or under_load is None:
        report.checks.append(checks.not_tested("power_reading", reason=f"no power is measured {by}", topic="dcmi"))
        return
    report.numbers |= {"power_idle_w": before, "power_load_w": under_load}
    words = f"{before:.0f} W idle, {under_load:.0f} W under load, {by}"
    report.checks.append(checks.passed("power_reading", reason=words, topic="dcmi"))


def _shared(look: Look, min_of_even: float, report: PartialReport) -> None:
    """A warning only: some hosts let one supply sleep until it is needed (hot spare, cold redundancy)."""
    if look.when != UNDER_LOAD:
        report.checks.append(
            checks.not_tested("share", reason=f"the supplies were read {look.when}", topic="redundancy")
        )
        return
    total_w = sum(look.watts.values())
    asleep = [supply.name for supply in look.supplies if supply.standby]
    if asleep:
        why = f"{asleep[0]} is on standby until it is needed"
        report.checks.append(checks.not_tested("share", reason=why, topic="redundancy"))
        return
    if len(look.watts) < 2 or not total_w:
        why = "the BMC does not report the power of each supply"
        report.checks.append(checks.not_tested("share", reason=why, topic="redundancy"))
        return
    even_w = total_w / len(look.watts)
    found = [
        findings.make(
            "psu.share", "psu", name, f"{name}: carries {watts:.0f} W of {total_w:.0f} W {look.when}",
            value=watts, limit=round(even_w * min_of_even, 1), unit="W",
        )
        for name, watts in look.watts.items() if watts < even_w * min_of_even
    ]  # fmt: skip
    report.findings += found
    report.checks.append(checks.judged("share", found, topic="redundancy"))


def _event_log() -> list[LogEntry] | None:
    done = ipmitool.run("sel", "elist", timeout_s=120)
    try:
        return sel.parse(done.stdout) if done.ok else None
    except ParseError:
        return None


def _events(before: list[LogEntry] | None, after: list[LogEntry] | None, report: PartialReport) -> None:
    """New entries, quoted. Their meaning is judged with the error counters around the stage."""
    if before is None or after is None:
        report.checks.append(checks.not_tested("event_log", reason="the BMC's event log can't be read", topic=TOPIC))
        return
    known = {entry.mark for entry in before}
    new = [entry.quote for entry in after if entry.mark not in known]
    report.evidence["event log"] = "\n".join(new)
    report.checks.append(checks.passed("event_log", topic=TOPIC, reason=f"{len(new)} new entries"))


def _evidence(*looks: Look) -> dict[str, str]:
    return {
        f"psu {look.when}": "\n".join(f"{supply.name}: {supply.reading}" for supply in look.supplies) or look.trouble
        for look in looks
    }
