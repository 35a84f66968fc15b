"""`python -m tests.agentapi.two_webs [DATABASE_URL]`: two writing threads get the same calls at the same moment, as two
web processes do when an agent sends again while its first call is still being committed. Everything is recorded once.
The exit status is 1 if it is not."""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import fleet, recorded
from tests.ports import free_port

HOSTS, ROUNDS, TRIES = 6, 15, 20
BEGAN = float(int(time.time()))


def main(database_url: str) -> int:
    with TemporaryDirectory() as directory:
        fleet.set_up(Path(directory), free_port(), database_url)
        agents = fleet.claimed_runs(HOSTS)
        trouble = Trouble()
        logging.getLogger("vetting.ingest").addHandler(trouble)
        last: Counter[tuple[int, str]] = Counter()
        for number in range(1, ROUNDS + 1):
            both_write(requests(agents, number))
            last.update({(agent.run, call): 1 for agent in agents for call in ("log", "sensor")})
        found = recorded.compared(agents, last, BEGAN)
        print(found, f"one by one: {trouble.messages}")
        return 0 if found.is_exact and not trouble.faults else 1


class Trouble(logging.Handler):
    """What the writers said of groups that went one by one. A lost race is told without a traceback; all else, also two
    processes that lock each other's rows, is a fault."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages = self.faults = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.messages += 1
        if record.exc_info is not None:
            self.faults += 1
            print(record.getMessage(), record.exc_info, file=sys.stderr)


def requests(agents: list[fleet.Agent], number: int) -> list[Any]:
    from agentapi.endpoint import Request

    return [
        Request(call, agent.run, agent.token, fleet.body(agent, call, number, BEGAN), "127.0.0.1")
        for agent in agents
        for call in fleet.EVERY_S
    ]


def both_write(calls: list[Any]) -> None:
    start = threading.Barrier(2)
    threads = [threading.Thread(target=_write, args=(random.sample(calls, len(calls)), start)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write(calls: list[Any], start: threading.Barrier) -> None:
    """In groups of random size; what was not answered is sent again."""
    from django.db import connection

    from agentapi import ingest

    writer = ingest.Writer()
    start.wait(60)
    try:
        for _ in range(TRIES):
            size, left = random.randint(1, len(calls)), []
            for first in range(0, len(calls), size):
                group: ingest.Group = [(call, Future()) for call in calls[first : first + size]]
                group.sort(key=lambda one: one[0].run)  # as `_gather` does
                writer.answer(list(group))
                left += [call for call, future in group if future.exception() or future.result().status != 200]
            if not (calls := left):
                return
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
