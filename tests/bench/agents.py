"""Many agents at the rates of the contract against one web process: is everything accepted, how fast, and is what is
recorded exactly what was sent?

Per agent a heartbeat every 5 s, a log batch every 2 s, a batch of 50 measurements every 5 s. Afterwards every log line
and every sample is looked for. `--find` searches the number of agents at which the p99 passes 250 ms. `--overload`
sends ten times as many messages for ten seconds, and measures when everything is accepted again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.bench import fleet, recorded
from tests.bench.load import Load, Pace, allow_many_connections
from tests.bench.web import started
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
# The first calls of each agent check its token with bcrypt: they are recorded, but their time does not count.
WARM_UP_S = 10.0
MOST_P99_MS = 250.0
LATE_S = 1.0
OVERLOAD = Pace(seconds=50, times=10, burst_from=15, burst_to=25)
SERVERS = ("daphne", "uvicorn", "bare")


def main(options: Namespace) -> None:
    allow_many_connections()
    if options.seconds <= WARM_UP_S + 1:
        raise SystemExit(f"--seconds: more than {WARM_UP_S + 1:.0f}, the first {WARM_UP_S:.0f} are not counted")
    if options.find:
        _print(_found(options), options.json)
        return
    pace = OVERLOAD if options.overload else Pace(options.seconds)
    result = _in_a_process(options, options.agents, pace) if options.json else measured(options, options.agents, pace)
    _print(result, options.json)
    if result.get("lost") or result.get("doubled"):
        raise SystemExit(1)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name}: {value}")


def _found(options: Namespace) -> dict[str, Any]:
    """The largest number of agents whose p99 stays below the limit, to 5 %. Each number in a fresh installation."""
    good, bad, best = 0, 0, {}
    agents = options.agents
    while not bad or bad - good > max(1, good // 20):
        result = _in_a_process(options, agents, Pace(options.seconds))
        is_good = result["p99_ms"] < MOST_P99_MS and not result["lost"] and not result["refused"]
        print(f"{agents} agents: p99 {result['p99_ms']} ms, {result['core_percent']} % of a core", flush=True)
        if is_good:
            good, best = agents, result
        else:
            bad = agents
        agents = (good + bad) // 2 if bad else int(agents * 1.5)
    return {**best, "agents": good, "passes_250_ms_at": bad}


def _in_a_process(options: Namespace, agents: int, pace: Pace) -> dict[str, Any]:
    """Django can be set up once in a process, and each measurement has an installation of its own."""
    words = ["--agents", str(agents), "--seconds", str(pace.seconds), "--server", options.server]
    words += ["--database", options.database] if options.database else []
    words += ["--overload"] if pace is OVERLOAD else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.agents", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"the measurement failed: {done.stdout[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def measured(options: Namespace, agents: int, pace: Pace) -> dict[str, Any]:
    with TemporaryDirectory(prefix="vetting-bench-") as directory:
        port = free_port()
        fleet.set_up(Path(directory), port, options.database)
        hosts = fleet.claimed_runs(agents)
        with started(options.server, port, Path(directory)) as web:
            load = Load(port, hosts, pace)
            costs = Costs(web.pid)
            load.on_second = lambda second: costs.look(second >= WARM_UP_S)
            tally = load.run()
        late = [1000 * one for one in tally.late_s(load.started + WARM_UP_S)]
        kept = None if options.server == "bare" else recorded.compared(hosts, tally.last, load.began)
        result = {
            "agents": agents,
            "server": options.server,
            "seconds": pace.seconds,
            "requests": sum(tally.statuses.values()),
            "refused": tally.statuses[503],
            "failed": sum(count for status, count in tally.statuses.items() if status not in (200, 503)),
            "reconnects": tally.reconnects,
            "unanswered": tally.unanswered,
            **({} if kept is None else _counted(kept)),
            "p50_ms": round(late[len(late) // 2], 1),
            "p99_ms": round(late[int(len(late) * 0.99)], 1),
            "max_ms": round(late[-1], 1),
            **costs.result(),
        }
        if pace is OVERLOAD:
            result["accepting_again_after_s"] = _accepting_again_after_s(load)
        return result


def _counted(kept: recorded.Recorded) -> dict[str, int]:
    return {
        "sent": kept.sent,
        "recorded": kept.once,
        "lost": kept.lost,
        "doubled": kept.doubled + kept.foreign,
    }


def _accepting_again_after_s(load: Load) -> float:
    """From the end of the overload to the last refusal, or to the last answer that took longer than `LATE_S`."""
    end = load.started + load.pace.burst_to
    late = [due + took - end for due, took in load.tally.took if due >= end and took > LATE_S]
    return round(max([0.0, *late, *(at - end for at in load.tally.refused_at)]), 2)


@dataclass
class Costs:
    """CPU time of the web process and of ourselves, from the end of the warm-up to the last second."""

    pid: int
    seen: list[tuple[float, float, float, int]] = field(default_factory=list)

    def look(self, counts: bool) -> None:
        if counts:
            web = psutil.Process(self.pid)
            used, own = web.cpu_times(), psutil.Process().cpu_times()
            self.seen.append((time.monotonic(), used.user + used.system, own.user + own.system, web.memory_info().rss))

    def result(self) -> dict[str, Any]:
        first, last = self.seen[0], self.seen[-1]
        span_s = max(last[0] - first[0], 0.001)
        return {
            "core_percent": round(100 * (last[1] - first[1]) / span_s, 1),
            "generator_core_percent": round(100 * (last[2] - first[2]) / span_s, 1),
            "memory_mb": round(max(one[3] for one in self.seen) / 2**20),
        }


if __name__ == "__main__":
    from tests.bench.__main__ import parser

    allow_many_connections()
    chosen = parser().parse_args(["agents", *sys.argv[1:]])
    print(json.dumps(measured(chosen, chosen.agents, OVERLOAD if chosen.overload else Pace(chosen.seconds))))
