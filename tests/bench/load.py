"""Sends what many agents send, at the contract's rates, from one thread: bytes made beforehand, connections kept open.

Each host has two connections, as the agent has: one for heartbeats, one for log lines and measurements in their order.
A message is due at its own moment whatever became of the last (open loop), and its time to answer counts from there. A
message that is refused with 503 is sent again, as the agent does.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import random
import re
import resource
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.bench import fleet
from tests.bench.fleet import Agent

CONNECTS_AT_ONCE = 100
LAST_ANSWERS_S = 30.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_RETRY = re.compile(rb"retry-after: *(\d+)", re.IGNORECASE)


def allow_many_connections() -> None:
    """As many as the kernel lets this process have."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


@dataclass
class Tally:
    """`last` is the highest number that was sent of each run's log and sensor batches. `took` has, for each answer,
    when its message was due and how long after that it came; `refused_at` when messages were refused."""

    last: Counter[tuple[int, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    took: list[tuple[float, float]] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    reconnects: int = 0
    unanswered: int = 0

    def late_s(self, after: float) -> list[float]:
        """Times to answer of all messages that were due after this moment, in order."""
        return sorted(took for due, took in self.took if due >= after)


@dataclass(frozen=True)
class Pace:
    """For how long; from `burst_from` to `burst_to`, so many `times` as many messages as the contract says. The more
    are heartbeats, which need no numbers; what of them was not sent by then is dropped. `calls` are the kinds that are
    sent."""

    seconds: float
    times: float = 1.0
    burst_from: float = 0.0
    burst_to: float = 0.0
    calls: tuple[str, ...] = tuple(fleet.EVERY_S)

    def every_s(self, call: str, second: float) -> float:
        """The time between two calls of this kind of one agent."""
        if call != "heartbeat" or not self.burst_from <= second < self.burst_to:
            return fleet.EVERY_S[call]
        each_s = sum(1 / every for every in fleet.EVERY_S.values())
        return 1 / (1 / fleet.EVERY_S[call] + (self.times - 1) * each_s)


class Line(asyncio.Protocol):
    """One connection of an agent: sends its messages one after the other."""

    def __init__(self, load: Load, agent: Agent) -> None:
        self.load, self.agent = load, agent
        self.waiting: deque[tuple[float, str, int]] = deque()
        self.sent: tuple[float, str, int] | None = None
        self.transport: asyncio.WriteTransport | None = None
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        self.go_on()

    def put(self, due: float, call: str, seq: int) -> None:
        self.waiting.append((due, call, seq))
        self.go_on()

    def go_on(self) -> None:
        if self.sent is None and self.waiting and self.transport is not None:
            self.sent = self.waiting.popleft()
            self._write(*self.sent)

    def _write(self, due: float, call: str, seq: int) -> None:
        assert self.transport is not None
        self.transport.write(self.load.message(self.agent, call, seq))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._answer, 0, end)
        if length is None or len(self._answer) < end + 4 + int(length[1]):
            return
        answer, self._answer = self._answer, b""
        self._answered(int(answer[9:12]), answer[:end])

    def _answered(self, status: int, head: bytes) -> None:
        if status == 408:
            return  # the server closes an idle connection; what was sent meanwhile is sent again on the next
        assert self.sent is not None, "an answer to nothing"
        now = time.monotonic()
        due, tally = self.sent[0], self.load.tally
        tally.statuses[status] += 1
        if status == 503:
            tally.refused_at.append(now)
            retry = _RETRY.search(head)
            wait_s = random.uniform(1, 1.5) * (float(retry[1]) if retry else 1.0)
            asyncio.get_running_loop().call_later(wait_s, self._again)
            return
        tally.took.append((due, now - due))
        self.sent = None
        self.go_on()

    def _again(self) -> None:
        if self.sent is not None and self.transport is not None:
            self._write(*self.sent)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport, self._answer = None, b""
        if not self.load.is_over:
            self.load.tally.reconnects += 1
            if self.sent is not None:
                self.waiting.appendleft(self.sent)
                self.sent = None
            self.load.keep(asyncio.ensure_future(self.load.connect(self)))


class Load:
    def __init__(self, port: int, agents: list[Agent], pace: Pace) -> None:
        self.port, self.agents, self.pace = port, agents, pace
        self.tally = Tally()
        self.began = float(int(time.time()))
        self.started = 0.0
        self.is_over = False
        self.on_second: Callable[[float], None] = lambda second: None
        self._heads: dict[tuple[int, str], bytes] = {}
        self._tasks: set[asyncio.Future[None]] = set()
        self._lines: list[Line] = []

    def run(self) -> Tally:
        asyncio.run(self._run())
        return self.tally

    def message(self, agent: Agent, call: str, seq: int) -> bytes:
        body = fleet.body(agent, call, seq, self.began)
        return b"%sContent-Length: %d\r\n\r\n%s" % (self._head(agent, call), len(body), body)

    def _head(self, agent: Agent, call: str) -> bytes:
        found = self._heads.get((agent.run, call))
        if found is None:
            text = (
                f"POST /api/v1/runs/{agent.run}/{call} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                f"Accept-Encoding: identity\r\n"
                f"Authorization: Bearer {agent.token}\r\nContent-Type: application/json\r\n"
            )
            found = self._heads[agent.run, call] = text.encode()
        return found

    def keep(self, task: asyncio.Future[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        while not self.is_over:
            try:
                await loop.create_connection(lambda: line, "127.0.0.1", self.port, local_addr=(line.agent.address, 0))
                return
            except OSError:
                await asyncio.sleep(random.uniform(0.5, 1.5))

    async def _run(self) -> None:
        pairs = [(Line(self, agent), Line(self, agent)) for agent in self.agents]
        used = sorted({call != "heartbeat" for call in self.pace.calls})
        self._lines = [pair[second] for pair in pairs for second in used]
        for first in range(0, len(self._lines), CONNECTS_AT_ONCE):
            await asyncio.gather(*map(self.connect, self._lines[first : first + CONNECTS_AT_ONCE]))
        gc.freeze()
        self.started = time.monotonic()
        await self._send_all(pairs)
        await self._last_answers()
        self.is_over = True
        for line in self._lines:
            if line.transport is not None:
                line.transport.close()

    async def _send_all(self, pairs: list[tuple[Line, Line]]) -> None:
        end, said = self.started + self.pace.seconds, -1
        due_next = list(self._firsts(pairs))
        heapq.heapify(due_next)
        numbers: Counter[tuple[int, str]] = Counter()
        while due_next[0][0] < end:
            due, number, call = due_next[0]
            if (delay := due - time.monotonic()) > 0:
                await asyncio.sleep(delay)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            if (second := int(due - self.started)) > said:
                said = second
                self.on_second(float(second))
                if second == self.pace.burst_to:
                    for beats, _ in pairs:
                        beats.waiting.clear()
            line = pairs[number][call != "heartbeat"]
            numbers[number, call] += 1
            self.tally.last[line.agent.run, call] = numbers[number, call]
            line.put(due, call, numbers[number, call])
            every = self.pace.every_s(call, due - self.started)
            heapq.heapreplace(due_next, (due + every, number, call))

    def _firsts(self, pairs: list[tuple[Line, Line]]) -> Iterator[tuple[float, int, str]]:
        for number in range(len(pairs)):
            for call in self.pace.calls:
                yield self.started + random.uniform(0, fleet.EVERY_S[call]), number, call

    async def _last_answers(self) -> None:
        """Until everything was answered, or nothing more is to be expected."""
        until = time.monotonic() + LAST_ANSWERS_S
        while time.monotonic() < until and any(line.sent or line.waiting for line in self._lines):
            await asyncio.sleep(0.1)
        self.tally.unanswered = sum(len(line.waiting) + (line.sent is not None) for line in self._lines)
