"""Loads each core alone, one after the other. A single core runs at its highest clock, and a wrong result can be blamed
on it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import cpu_load
from agent.host.stop import StopFlag
from agent.loads import stress_ng
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard

CHECK = "each_core"
# stress-ng counts whole seconds.
_LEAST_S = 1.0
_MOST_PROCESSORS = 8192


def first_threads(packages: dict[int, list[int]], root: Path = Path("/")) -> dict[int, list[int]]:
    """One processor of each core: its hyper-thread shares the units that calculate."""
    return {
        package: [one for one in processors if _is_first(one, processors, root)]
        for package, processors in packages.items()
    }


def _is_first(processor: int, usable: list[int], root: Path) -> bool:
    path = root / f"sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    try:
        siblings = expand(path.read_text())
    except (OSError, ValueError):
        return True
    return processor == min(one for one in (*siblings, processor) if one in usable)


def expand(text: str) -> list[int]:
    """`0-2,64` → 0, 1, 2, 64. Raises ValueError."""
    found: list[int] = []
    for piece in text.strip().split(","):
        low, _, high = piece.partition("-")
        found += range(int(low), min(int(high or low), _MOST_PROCESSORS) + 1)
    return found


@dataclass
class _Tally:
    """The results for the cores of one package. `reached` of them were loaded, `crashed` are warnings."""

    cores: int
    reached: int = 0
    wrong: list[wire.Finding] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)
    crashed: list[wire.Finding] = field(default_factory=list)


def run(
    packages: dict[int, list[int]], core_s: float, most_s: float, stop: StopFlag, board: ProgressBoard
) -> PartialReport:
    """Load each core for `core_s`, or shorter if `most_s` is not enough for all. Cores that are not reached are not
    tested."""
    cores = [(package, core) for package, members in packages.items() for core in members]
    each_s, reached = share(len(cores), core_s, most_s)
    within = cores[:reached]
    tallies = {package: _Tally(len(members)) for package, members in packages.items()}
    report = PartialReport()
    with tempfile.TemporaryDirectory(prefix="vetting-core-") as directory:
        for number, (package, core) in enumerate(within):
            board.tell("cores", 100 * number / len(within), f"core {core} alone", each_s * (len(within) - number))
            result, text = _one(core, each_s, stop, Path(directory))
            _count(tallies[package], package, core, result)
            if result.failed or result.crashed:
                report.evidence[f"stress-ng.core{core}"] = text
    report.findings += [finding for tally in tallies.values() for finding in (*tally.wrong, *tally.crashed)]
    report.checks += [_check(f"CPU{package}", tally, each_s) for package, tally in tallies.items()]
    return report


def share(cores: int, core_s: float, most_s: float) -> tuple[float, int]:
    """How long each core is loaded, and how many cores that reaches. All of them, unless even the least time is too
    long. The number is not `most_s` divided by a share: the share is rounded, and the last core would be left out."""
    each_s = max(_LEAST_S, min(core_s, most_s / max(1, cores)))
    return each_s, min(cores, max(1, int(most_s / _LEAST_S)))


def _count(tally: _Tally, package: int, core: int, result: stress_ng.StressResult) -> None:
    tally.reached += 1
    tally.crashed += cpu_load.crashes(f"CPU{package}", f"core {core}, working alone", result)
    if result.failed:
        tally.wrong.append(_finding(package, core, result))
    elif result.trouble:
        tally.untested.append(f"core {core}: {result.trouble}")


def _one(core: int, duration_s: float, stop: StopFlag, directory: Path) -> tuple[stress_ng.StressResult, str]:
    yaml = directory / f"{core}.yaml"
    done = stress_ng.run(stress_ng.cpu_argv([core], duration_s, yaml), duration_s, stop)
    text = yaml.read_text(errors="replace") if yaml.exists() else ""
    return stress_ng.judge(done, text), done.stdout + done.stderr + text


def _finding(package: int, core: int, result: stress_ng.StressResult) -> wire.Finding:
    said = f": {result.failures[0]}" if result.failures else ""
    message = f"CPU{package}: core {core}, working alone, gave a wrong result{said}"
    return findings.make("cpu.miscompare", "cpu", f"CPU{package}", message, value=f"core {core}")


def _check(name: str, tally: _Tally, each_s: float) -> wire.Check:
    words = f"{tally.reached} of {tally.cores} cores, {each_s:.0f} s each"
    if tally.wrong:
        return checks.judged(CHECK, tally.wrong, name)
    if tally.untested or tally.reached < tally.cores:
        return checks.not_tested(CHECK, name, reason="; ".join(tally.untested[:3]) or words)
    return checks.passed(CHECK, name, reason=words)
