"""One run of one machine on the rack: what the pipeline costs beside the tests, and what the agent costs beside the
load. The agent's figures are those of its own process in the guest: what it starts does not count, neither the tests
nor the tools that read sensors and counters.

The tests' own time is what the agent logs of each stage: one stage runs at a time, so their sum is the critical path.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.rack import life, machinefile
from tests.rack.guestport import GuestSilent
from tests.rack.rack import Rack

LOOK = [
    "sh", "-c",
    "pid=$(systemctl show -P MainPID vetting-agent.service); cat /proc/uptime; getconf CLK_TCK; nproc; "
    "cat /proc/$pid/stat; grep VmHWM /proc/$pid/status",
]  # fmt: skip
EVERY_S = 2.0
REPORT_WITHIN_S = 60.0
TOOK = re.compile(r" (\w+) +the tests took ([\d.]+) s, the error counters around them ([\d.]+) s$")


@dataclass(frozen=True)
class Sample:
    """Of the guest: seconds since it booted, CPU seconds of the agent since then, its most memory so far in KiB."""

    at_s: float
    cpu_s: float
    peak_kb: int
    processors: int


def main(machine: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Rack(machinefile.load(machine), directory=Path(directory) / "rack") as rack,
    ):
        over = threading.Event()
        samples: list[Sample] = []
        watcher = threading.Thread(target=_watch, args=(rack, samples, over))
        watcher.start()
        try:
            life.vet(rack)
        finally:
            over.set()
            watcher.join()
        kept = rack.orchestrator.data / "runs" / str(rack.run)
        _tell_pipeline(_report(kept / "report.json"), list(_took((kept / "run.log").read_text())))
    _tell_agent(samples)


def _report(path: Path) -> dict[str, Any]:
    """Of the ended run: a worker writes it after the run's end."""
    deadline = time.monotonic() + REPORT_WITHIN_S
    while time.monotonic() < deadline:
        if path.exists() and (report := json.loads(path.read_text()))["run"]["ended_at"]:
            return dict(report)
        time.sleep(0.5)
    raise SystemExit(f"no report of an ended run within {REPORT_WITHIN_S:.0f} s")


def _watch(rack: Rack, samples: list[Sample], over: threading.Event) -> None:
    while not over.wait(EVERY_S):
        try:
            samples.append(_sample(rack.guest(*LOOK).output))
        except (GuestSilent, ValueError, IndexError):  # not up yet, or off already
            continue


def _sample(output: str) -> Sample:
    """proc(5): user and system time are fields 14 and 15 of stat, in clock ticks."""
    uptime, ticks, processors, stat, peak = output.splitlines()
    used = stat.rpartition(")")[2].split()[11:13]
    return Sample(float(uptime.split()[0]), sum(map(int, used)) / int(ticks), int(peak.split()[1]), int(processors))


def _took(log: str) -> Iterator[tuple[str, float, float]]:
    for line in log.splitlines():
        if found := TOOK.search(line):
            yield found[1], float(found[2]), float(found[3])


def _tell_pipeline(report: dict[str, Any], took: list[tuple[str, float, float]]) -> None:
    print("| stage | from go to result, s | tests, s | counters around them, s |\n|---|---|---|---|")
    by_name = {name: (tests_s, counters_s) for name, tests_s, counters_s in took}
    for stage in report["stages"]:
        tests_s, counters_s = by_name.get(stage["name"], (0.0, 0.0))
        stage_s = sum(attempt["duration_s"] or 0.0 for attempt in stage["attempts"])
        print(f"| {stage['title']} | {stage_s:.1f} | {tests_s:.1f} | {counters_s:.1f} |")
    claimed_s = next(rung["after_s"] for rung in report["ladder"] if rung["rung"] == "claimed")
    run = report["run"]
    run_s, tests_s = run["duration_s"] - claimed_s, sum(one[1] for one in took)
    print(f"{report['verdict']['result']}; from claim to end {run_s:.1f} s, tests {tests_s:.1f} s, "
          f"overhead {run_s - tests_s:.1f} s ({(run_s - tests_s) / run_s:.0%}); "
          f"estimated {run['estimated_s']:.0f} s, off by {run['estimate_error_percent']:.0f} %")  # fmt: skip


def _tell_agent(samples: list[Sample]) -> None:
    if len(samples) < 2:
        raise SystemExit("the guest told nothing of its agent")
    shares = [(b.cpu_s - a.cpu_s) / (b.at_s - a.at_s) for a, b in pairwise(samples) if b.at_s > a.at_s]
    first, last = samples[0], samples[-1]
    mean = (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)
    print(f"agent: {mean:.1%} of one of {last.processors} processors over {last.at_s - first.at_s:.0f} s, "
          f"{max(shares):.0%} in its busiest {EVERY_S:.0f} s, {last.peak_kb / 1024:.0f} MiB at most")  # fmt: skip
