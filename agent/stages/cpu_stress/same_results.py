"""Looks for cores that calculate wrongly in silence: runs `agent.core_screen` and judges what it found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import agent
from agent import findings
from agent.contract import codec, wire
from agent.core_screen.answers import Doubted
from agent.core_screen.operations import OPERATIONS, REFUTED
from agent.core_screen.screening import COUNTER, Repeated, RepeatedCrash, Screened, Screening, time_limit_s
from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError
from agent.reports import checks
from agent.reports.partial_report import PartialReport

CHECK = "same_results"
COLD, HOT = "cold", "hot"
_NEEDED = frozenset({one.name for one in OPERATIONS if not one.optional} | {COUNTER})


@dataclass(frozen=True)
class Screen:
    """One screening: `when`, cold or hot; the result, or why there is none."""

    when: str
    result: Screened | None
    trouble: str
    text: str


def screen(
    when: str, packages: Mapping[int, Sequence[int]], alone: Mapping[int, Sequence[int]], seconds: float, stop: StopFlag
) -> Screen:
    """Half of `seconds` the cores of `alone` work one after the other, half of it all of `packages` at once. Each does
    one round of all operations at least, however long that takes."""
    first = [core for members in alone.values() for core in members]
    seed = int.from_bytes(os.urandom(4), "big")
    ordered = Screening(packages, first, seconds / 2, seconds / 2, seed)
    argv = [sys.executable, "-m", "agent.core_screen"]
    place = {"PYTHONPATH": str(Path(agent.__file__).parents[1])}
    done = shell.run(argv, time_limit_s(ordered), input=codec.dumps(asdict(ordered)), env=place, stop=stop)
    return read(when, done)


def read(when: str, done: shell.Completed) -> Screen:
    if done.trouble:
        return Screen(when, None, f"the screen {done.trouble.partition(' ')[2]}", done.output[-4000:])
    try:
        return Screen(when, parse(done.stdout), "", done.stdout)
    except ParseError as error:
        return Screen(when, None, str(error), done.output[-4000:])


def parse(text: str) -> Screened:
    """Raises ParseError."""
    try:
        return codec.loads(Screened, text.encode())
    except codec.WireError as error:
        raise ParseError(f"the screen's answer: {error}") from None


def judge(
    screens: Sequence[Screen], packages: Mapping[int, Sequence[int]], alone: Mapping[int, Sequence[int]]
) -> PartialReport:
    """A check for each package, which passes only if each of its cores gave the right answers in every screening."""
    package_of = {core: package for package, members in packages.items() for core in members}
    report = PartialReport()
    for one in screens:
        report.evidence[f"core_screen.{one.when}"] = one.text
    results = [(one.when, one.result) for one in screens if one.result]
    found = [finding for when, result in results for finding in _found(when, result, package_of)]
    report.findings = _one_of_each(found)
    for package, members in packages.items():
        report.checks.append(_check(package, members, alone.get(package, ()), screens, report.findings, package_of))
    report.numbers = {
        "screen_answers": float(sum(sum(loads.values()) for _, one in results for loads in one.answered.values())),
        "screen_s": sum(result.seconds for _, result in results),
    }
    return report


def core_name(core: int, package_of: Mapping[int, int]) -> str:
    """The component of a finding about one core: the CPU to replace, and the kernel's number of the processor."""
    return f"CPU{package_of.get(core, 0)} core {core}"


def _found(when: str, result: Screened, package_of: Mapping[int, int]) -> list[wire.Finding]:
    wrong = [_wrong(when, one, package_of) for one in result.wrong]
    died = [_crashed(when, one, package_of) for one in result.crashes]
    blamed = {one.component for one in wrong}
    names = {tuple(one.cores): one for one in result.undecided}
    split = []
    for cores, one in names.items():
        package = sorted({f"CPU{package_of.get(core, 0)}" for core in cores})
        told = " and ".join(map(str, cores[:4]))
        message = (
            f"{', '.join(package)}: cores {told} disagree about {one.operation} with seed {one.seed} "
            f"({' or '.join(one.found)}), and it is not known which one is wrong ({when})"
        )
        if not blamed & {core_name(core, package_of) for core in cores}:
            split.append(findings.make("cpu.cores_disagree", "cpu", package[0], message))
    return [*wrong, *died, *split]


def _wrong(when: str, one: Repeated, package_of: Mapping[int, int]) -> wire.Finding:
    wrong, name = one.wrong, core_name(one.wrong.core, package_of)
    expected = wrong.expected or "an answer that fits itself"
    message = (
        f"{name}: {wrong.times} of {wrong.of} answers of {wrong.operation} were wrong, {when}, working {one.when}: "
        f"seed {wrong.seed} gave {wrong.found.removeprefix(REFUTED)}, expected {expected}. {_repeated(one)}"
    )
    return findings.make("cpu.wrong_results", "cpu", name, message, value=wrong.times, limit=0, unit="answers")


def _repeated(one: Repeated) -> str:
    if not one.tries:
        return "It was not repeated"
    there = (
        f"{one.elsewhere} of {one.elsewhere_tries} times on other cores" if one.elsewhere_tries else "on no other core"
    )
    return f"Repeated, it was wrong {one.again} of {one.tries} times on this core, {there}"


def _crashed(when: str, one: RepeatedCrash, package_of: Mapping[int, int]) -> wire.Finding:
    """Critical if it comes again on this core and others were tried without it; else memory or a fault of ours may be
    the reason."""
    name, crash = core_name(one.crash.core, package_of), one.crash
    message = (
        f"{name}: its worker died of {crash.signal} in {crash.operation or 'its work'} with seed {crash.seed}, {when}. "
        f"Repeated, it died {one.again} of {one.tries} times on this core, {one.elsewhere} of {one.elsewhere_tries} "
        "times on others"
    )
    is_the_core = one.again and one.elsewhere_tries and not one.elsewhere
    code = "cpu.core_crashes" if is_the_core else "system.program_crashed"
    return findings.make(code, "cpu", name, message, value=one.again + 1)


def _one_of_each(found: Sequence[wire.Finding]) -> list[wire.Finding]:
    """One finding for each core and code: the first, with how many more there are."""
    groups: dict[tuple[str, str], list[wire.Finding]] = {}
    for one in found:
        groups.setdefault((one.code, one.component), []).append(one)
    return [_with_number_of_others(group[0], len(group) - 1) for group in groups.values()]


def _with_number_of_others(one: wire.Finding, others: int) -> wire.Finding:
    if not others:
        return one
    message = f"{one.message}. {others} more {'operation was' if others == 1 else 'operations were'} wrong"
    return findings.make(
        one.code, one.component_kind, one.component, message, value=one.value, limit=one.limit, unit=one.unit
    )


def _check(
    package: int,
    members: Sequence[int],
    alone: Sequence[int],
    screens: Sequence[Screen],
    found: Sequence[wire.Finding],
    package_of: Mapping[int, int],
) -> wire.Check:
    name = f"CPU{package}"
    own = {name} | {core_name(core, package_of) for core in members}
    guilty = [one for one in found if one.severity is wire.Severity.CRITICAL and one.component in own]
    if guilty:
        return checks.judged(CHECK, guilty, name)
    troubles = [f"{one.when}: {why}" for one in screens for why in _troubles(one, members, alone)]
    if troubles or not screens:
        return checks.not_tested(CHECK, name, reason="; ".join(troubles[:3]) or "no core was screened")
    return checks.passed(CHECK, name, reason=_words(screens, members))


def _troubles(one: Screen, members: Sequence[int], alone: Sequence[int]) -> list[str]:
    """Why the screening proves nothing about a core. Empty if each core answered with each operation."""
    if one.result is None:
        return [one.trouble]
    result = one.result
    lacking = [f"{name} could not be done: {why}" for name, why in result.missing.items() if name in _NEEDED]
    undone = sorted(_NEEDED - set(result.missing) - {name for name, times in result.operations.items() if times})
    lacking += [f"{', '.join(undone)} gave no answer"] if undone else []
    lacking += ["the cores disagree"] if result.undecided else []
    lacking += [_doubt(one) for one in result.doubted]
    for core in members:
        answered = result.answered.get(str(core), {})
        if why := result.untested.get(str(core)):
            lacking.append(f"core {core}: {why}")
        elif not answered.get("together") or (core in alone and not answered.get("alone")):
            lacking.append(f"core {core}: it gave no answer")
    return lacking


def _doubt(one: Doubted) -> str:
    expected, found = one.expected or "an answer that fits itself", one.found.removeprefix(REFUTED)
    return (
        f"all {one.cores} cores answer {one.operation} with seed {one.seed} by {found}, expected {expected}: the "
        "library, the microcode or the known answer is wrong, not each core"
    )


def _words(screens: Sequence[Screen], members: Sequence[int]) -> str:
    results = [one.result for one in screens if one.result]
    total = sum(sum(loads.values()) for one in results for core, loads in one.answered.items() if int(core) in members)
    kinds = {name for one in results for name in one.operations}
    seconds = sum(one.seconds for one in results)
    when = " and ".join(one.when for one in screens)
    return (
        f"{len(members)} cores, {total} answers of {len(kinds)} kinds, alone and together, {when}, in {seconds:.0f} s"
    )
