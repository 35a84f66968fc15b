"""What a group of agents' calls costs: statements, and time of the processor, without HTTP.

Groups of 1, 10 and 50 mixed calls go through the function that the writing thread calls. The least that a group took is
shown: on a machine that others keep busy, the rest is theirs.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count, cycle, groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import fleet
from tests.bench.fleet import Agent
from tests.ports import free_port

SIZES = (1, 10, 50)
# Per host and 10 s: two heartbeats, five log batches, two batches of measurements.
MIX = ("log", "heartbeat", "log", "sensor", "log", "log", "heartbeat", "sensor", "log")
CALLS = 900


def main() -> None:
    with TemporaryDirectory() as directory:
        fleet.set_up(Path(directory), free_port())
        groups = Groups(fleet.claimed_runs(100))
        for size in SIZES:
            groups.write(size)
            statements = _statements(lambda size=size: groups.write(size))
            costs = [groups.cpu_us(size) for _ in range(CALLS // size)]
            print(
                f"groups of {size}: {statements} statements each, at best "
                f"{min(cost[0] for cost in costs):.0f} us of CPU a call, "
                f"{min(cost[1] for cost in costs):.0f} us more to read the message"
            )
        if os.environ.get("PROFILE"):
            _profile(lambda: [groups.cpu_us(int(os.environ["PROFILE"])) for _ in range(20)])


class Groups:
    """Makes groups of calls that were never sent before, and writes them."""

    def __init__(self, agents: list[Agent]) -> None:
        from agentapi import endpoint, ingest

        self.agents = agents
        self.began = time.time()
        self.writer = ingest.Writer()
        self._endpoint = endpoint
        self._requests = self._endless()

    def _endless(self) -> Iterator[object]:
        numbers = {(agent.run, call): count(1) for agent in self.agents for call in fleet.EVERY_S}
        for agent, call in zip(cycle(self.agents), cycle(MIX), strict=False):
            body = fleet.body(agent, call, next(numbers[agent.run, call]), self.began)
            yield self._endpoint.Request(call, agent.run, agent.token, body, "127.0.0.1")

    def _next(self, calls: int) -> list[object]:
        return list(islice(self._requests, calls))

    def write(self, size: int) -> None:
        self._write([self._endpoint.read(one) for one in self._next(size)])

    def cpu_us(self, size: int) -> tuple[float, float]:
        """Microseconds of CPU for each call: in the writing thread, and to read the message before."""
        fresh = self._next(size)
        began = time.process_time()
        ready = [self._endpoint.read(one) for one in fresh]
        read = time.process_time()
        self._write(ready)
        return 1e6 * (time.process_time() - read) / size, 1e6 * (read - began) / size

    def _write(self, requests: list[object]) -> None:
        group: list[tuple[object, Future[object]]] = [(request, Future()) for request in requests]
        self.writer.answer(group)
        assert {future.result().status for _, future in group} == {200}


def _statements(act: Callable[[], object]) -> int:
    with _seen() as seen:
        act()
    return len([text for text, _ in groupby(seen, lambda text: text[:40])])  # rows of one statement count once


@contextmanager
def _seen() -> Iterator[list[str]]:
    """All statements of SQLite itself: also BEGIN, COMMIT and savepoints."""
    from django.db import connection

    seen: list[str] = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        connection.connection.set_trace_callback(None)
        if os.environ.get("STATEMENTS"):
            print(*(one[:160] for one in seen), sep="\n")


def _profile(act: Callable[[], object]) -> None:
    with cProfile.Profile() as profile:
        act()
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)
