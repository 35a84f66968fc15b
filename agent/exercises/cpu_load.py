"""Verified load on every core, one stress-ng per CPU package: used by CPUStress and Burn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises.packages import processors_by_package
from agent.host.stop import StopFlag
from agent.loads import stress_ng
from agent.reports import checks
from agent.reports.partial_report import PartialReport


def run(
    duration_s: float,
    stop: StopFlag,
    packages: dict[int, list[int]] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> PartialReport:
    """Makes one check `compute` per package. `on_start` gets the PID of each stress-ng."""
    packages = packages or processors_by_package()
    load = PartialReport()
    with tempfile.TemporaryDirectory(prefix="vetting-cpu-") as directory, ThreadPoolExecutor(len(packages)) as pool:
        jobs = {
            package: pool.submit(_package, package, processors, duration_s, stop, Path(directory), on_start)
            for package, processors in packages.items()
        }
        for package, job in jobs.items():
            result, text = job.result()
            record(load, f"CPU{package}", len(packages[package]), result, text)
    return load


def _package(
    package: int,
    processors: list[int],
    duration_s: float,
    stop: StopFlag,
    directory: Path,
    on_start: Callable[[int], None] | None,
) -> tuple[stress_ng.StressResult, str]:
    yaml = directory / f"{package}.yaml"
    done = stress_ng.run(stress_ng.cpu_argv(processors, duration_s, yaml), duration_s, stop, on_start)
    text = yaml.read_text(errors="replace") if yaml.exists() else ""
    return stress_ng.judge(done, text), done.stdout + done.stderr + text


def record(load: PartialReport, name: str, workers: int, result: stress_ng.StressResult, text: str) -> None:
    load.evidence[f"stress-ng.{name}"] = text
    load.findings += crashes(name, "a core", result)
    if result.failed:
        said = f": {result.failures[0]}" if result.failures else ""
        message = f"{name}: a core gave a wrong result{said}"
        load.findings.append(findings.make("cpu.miscompare", "cpu", name, message))
        load.checks.append(checks.failed("compute", name, reason=message))
    elif result.trouble:
        load.checks.append(checks.not_tested("compute", name, reason=result.trouble))
    else:
        load.checks.append(checks.passed("compute", name, reason=f"{workers} cores verified"))
        load.numbers[f"cpu_bogo_ops_s.{name}"] = result.rates.get("cpu", 0.0)


def crashes(name: str, where: str, result: stress_ng.StressResult) -> list[wire.Finding]:
    """A warning if stress-ng crashed on the package `name`. A bad core crashes programs before it gives a wrong sum.
    Memory can be the reason, too, so the core does not fail; but nothing passes that crashed."""
    if not result.crashed:
        return []
    message = f"{name}: stress-ng crashed on {where}: {result.crashed}"
    return [findings.make("system.program_crashed", "cpu", name, message)]
