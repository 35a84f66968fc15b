"""Beside OpenStack Ironic: heartbeats accepted per second of CPU, and lists of 10,000 hosts, in turn in one run.

Each has 10,000 hosts in a SQLite file. The load is that of agents, but heartbeats only, one every 5 s from each host:
20 hosts at Ironic, the same at our web process, then a thousand there. CPU is that of the serving processes with their
children, until all their work is done. The figures are medians of the rounds.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from tests.bench import fleet, ironic_service
from tests.bench.fleet import Agent
from tests.bench.ironic_service import Ironic
from tests.bench.load import Load, Pace, allow_many_connections
from tests.bench.web import started
from tests.ports import free_port

HOSTS, RUNS = 10_000, 20_000
# At Ironic so few that it refuses none: refusals cost CPU, too, and with a backlog it refuses everything.
MANY, FEW = 1_000, 20
# The first heartbeat of each agent has its token checked with bcrypt. It does not count.
WARM_UP_S, COUNTED_S = 6, 15
SETTLES_WITHIN_S, IDLE_CORE = 20.0, 0.05
PACE = Pace(WARM_UP_S + COUNTED_S, calls=("heartbeat",))
DASHBOARDS = 5


def main(options: Namespace) -> None:
    if options.install and not ironic_service.is_installed():
        ironic_service.install()
    version = ironic_service.version()
    allow_many_connections()
    with _ours(options.server) as ours, ironic_service.running() as ironic:
        nodes = ironic.fill(HOSTS)
        ironic.list_nodes()
        rounds = [_round(number, ours, ironic, nodes) for number in range(1, options.rounds + 1)]
        heard = ironic.heard()
    facts = {"ironic": version, "python": platform.python_version(), "server": options.server, "hosts": HOSTS}
    result = {**facts, "rounds": options.rounds, "ironic_nodes_heard": heard, "ironic_agents": FEW, **summary(rounds)}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name}: {value}")


def summary(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Medians of the figures, and medians of the ratios within each round."""
    figures = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}

    def ratio(upper: str, lower: str) -> float:
        return statistics.median(one[upper] / one[lower] for one in rounds)

    ratios = {
        "ratio": ratio("heartbeats_per_cpu_s", "ironic_heartbeats_per_cpu_s"),
        "ratio_same_agents": ratio("heartbeats_per_cpu_s_same_agents", "ironic_heartbeats_per_cpu_s"),
        "list_ratio": ratio("ironic_list_s", "list_s"),
        "hosts_json_ratio": ratio("ironic_list_s", "hosts_json_s"),
        "hosts_json_cpu_ratio": ratio("ironic_list_cpu_s", "hosts_json_cpu_s"),
    }
    return {name: float(f"{value:.4g}") for name, value in (figures | ratios).items()}


@dataclass(frozen=True)
class Ours:
    port: int
    pid: int
    hosts: list[Agent]
    session: str

    def dashboard(self) -> None:
        cookies = {"sessionid": self.session}
        answer = requests.get(f"http://127.0.0.1:{self.port}/", cookies=cookies, allow_redirects=False, timeout=300)
        if answer.status_code != 200:
            raise SystemExit(f"the dashboard answered {answer.status_code}")


class IronicLoad(Load):
    """The same load as bytes for Ironic. The agents' boot IDs are UUIDs of its nodes."""

    def message(self, agent: Agent, call: str, seq: int) -> bytes:
        return ironic_service.heartbeat(agent.boot_id)


def _round(number: int, ours: Ours, ironic: Ironic, nodes: list[str]) -> dict[str, float]:
    hosts = [Agent(n, "", node, fleet.address(n)) for n, node in enumerate(nodes[:FEW])]
    beats = {
        "ironic_": _beats(IronicLoad(ironic.port, hosts, PACE), ironic.pid),
        "same_": _beats(Load(ours.port, ours.hosts[:FEW], PACE), ours.pid),
        "": _beats(Load(ours.port, ours.hosts, PACE), ours.pid),
    }
    figures = {
        "heartbeats_per_cpu_s": beats[""].per_cpu_s,
        "heartbeats_per_cpu_s_same_agents": beats["same_"].per_cpu_s,
        "ironic_heartbeats_per_cpu_s": beats["ironic_"].per_cpu_s,
        "refused": beats[""].refused + beats["same_"].refused,
        "ironic_refused": beats["ironic_"].refused,
        **_lists(ours, ironic),
    }
    print(f"round {number}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)
    return figures


def _lists(ours: Ours, ironic: Ironic) -> dict[str, float]:
    from django.core.management import call_command

    def command(*words: str) -> Callable[[], object]:
        return lambda: call_command(*words, stdout=StringIO())

    ours.dashboard()
    figures = {}
    for name, call, pid, times in (
        ("ironic_list", ironic.list_nodes, ironic.pid, 1),
        ("list", ours.dashboard, ours.pid, DASHBOARDS),
        ("hosts", command("hosts"), None, 1),
        ("hosts_json", command("hosts", "--json"), None, 1),
    ):
        wall_s, used_s = _timed(call, pid, times)
        figures |= {f"{name}_s": wall_s, f"{name}_cpu_s": used_s}
    return figures


def _timed(call: Callable[[], object], pid: int | None, times: int) -> tuple[float, float]:
    """The median time of a call; and the CPU of this process, or of that one with its children, for each."""
    before, took = cpu_s(pid), []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took), (cpu_s(pid) - before) / times


@dataclass(frozen=True)
class Beats:
    per_cpu_s: float
    refused: int


def _beats(load: Load, pid: int) -> Beats:
    marks: list[tuple[float, float]] = []

    def look(second: float) -> None:
        if second >= WARM_UP_S and not marks:
            marks.append((time.monotonic(), cpu_s(pid)))

    load.on_second = look
    tally = load.run()
    began, before = marks[0]
    used_s = _cpu_s_when_idle(pid) - before
    failed = sum(count for status, count in tally.statuses.items() if status not in (200, 202, 503))
    accepted = sum(due + took >= began for due, took in tally.took) - failed
    print(f"{accepted} accepted with {used_s:.2f} s of CPU, {tally.unanswered} unanswered, {dict(tally.statuses)}")
    if accepted <= 0:
        raise SystemExit("none was accepted")
    return Beats(accepted / used_s, tally.statuses[503] + tally.unanswered)


def _cpu_s_when_idle(pid: int) -> float:
    """After what was accepted has been worked off: Ironic answers before it records."""
    used, deadline = cpu_s(pid), time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < deadline:
        time.sleep(1)
        now = cpu_s(pid)
        if now - used < IDLE_CORE:
            return now
        used = now
    return used


def cpu_s(pid: int | None) -> float:
    """What this process, or that one with its children, used until now."""
    if pid is None:
        return time.process_time()
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return sum(one.user + one.system for one in times)


@contextmanager
def _ours(server: str) -> Iterator[Ours]:
    port = free_port()
    with TemporaryDirectory(prefix="vetting-bench-") as directory:
        fleet.set_up(Path(directory), port)
        hosts = fleet.claimed_runs(MANY)
        session = _filled_and_logged_in()
        with started(server, port, Path(directory)) as web:
            yield Ours(port, web.pid, hosts, session)


def _filled_and_logged_in() -> str:
    from django.test import Client

    from tests import factories, installation

    installation.fill(HOSTS - MANY, RUNS - MANY)
    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return str(client.cookies["sessionid"].value)
