"""Two machines in network namespaces of their own, PostgreSQL in a third. One is cut off, the other is killed, while
agents send what they have: everything that was acknowledged is on record, once."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections

from agent.contract import codec, wire
from agentapi import endpoint
from runs.database import limits
from runs.files import logs as logfiles
from runs.models import Boot, Run
from tests.invariants.conftest import claimed
from tests.runs import postgresql
from tests.several.conftest import connect
from tests.several.machines import Diary, Machine
from tests.several.namespaces import Network, network
from tests.talker import Talker
from vetting import leadership, rounds

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root")]

ONE, TWO = "one", "two"
# As vetting/settings.py, but shorter.
OPTIONS = {"connect_timeout": 2, "keepalives_idle": 1, "keepalives_interval": 1, "keepalives_count": 2}
ANSWER_S = 6.0


class Web:
    """The web process of one machine: answers what comes through a socket, as daphne would, one call at a time."""

    def __init__(self, name: str, net: Network, url: str) -> None:
        self.name, self._net, self._url = name, net, url
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._near.settimeout(ANSWER_S)
        self._process = Machine(name, self._serve)
        self._far.close()

    def ask(self, request: bytes) -> bool:
        """Whether it was answered with 200 in time."""
        try:
            self._near.send(request)
            while True:
                number, status = self._near.recv(100).split()
                if number == request.split(b" ", 1)[0]:
                    return status == b"200"
        except OSError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._near.close()

    def _serve(self) -> None:
        self._near.close()
        live_on(self._net, self.name, self._url)
        limits.use(limits.Limits(lock_s=2, statement_s=3))
        while packet := self._far.recv(200_000):
            number, call, run, token, body = packet.split(b" ", 4)
            try:
                request = endpoint.Request(call.decode(), int(run), token.decode(), body, "10.77.0.23")
                status = endpoint.answer(endpoint.read(request)).status
            except (DatabaseError, OSError):
                status = 503
                connection.close()
            self._far.send(b"%s %d" % (number, status))


def live_on(net: Network, name: str, url: str) -> None:
    net.enter(name)
    connect(url, HOST=net.server_address(name), OPTIONS=OPTIONS | {"tcp_user_timeout": 2000})


@dataclass
class Sender:
    """An agent: sends a batch until it is acknowledged, then the next."""

    talker: Talker
    acknowledged: list[str] = field(default_factory=list)
    _packets: int = 0
    _prefers: int = 0

    def send(self, webs: list[Web]) -> None:
        number = len(self.acknowledged) + 1
        text = f"line {number} of run {self.talker.run_id}"
        batch = wire.LogBatch(self.talker.boot_id, number, [wire.LogLine(1e9 + number, "info", "SMART", text)])
        sensors = wire.SensorBatch(
            self.talker.boot_id, number, [wire.Measurement(1e9 + number, "cpu", "CPU0", "temp", float(number), "C")]
        )
        for call, message in (("log", batch), ("sensor", sensors)):
            while not self._one(webs, call, message):
                self._prefers += 1  # the other machine, as by an address that both have
        self.acknowledged.append(text)

    def _one(self, webs: list[Web], call: str, message: Any) -> bool:
        self._packets += 1
        head = f"{self._packets} {call} {self.talker.run_id} {self.talker.token} ".encode()
        return webs[self._prefers % len(webs)].ask(head + codec.dumps(message))


@pytest.fixture
def net() -> Iterator[Network]:
    with network(ONE, TWO) as made:
        yield made


@pytest.fixture
def url(net: Network, django_db_blocker: Any) -> Iterator[str]:
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs, net.database) as url, django_db_blocker.unblock():
        before = connections["default"]
        connect(url)
        try:
            call_command("migrate", verbosity=0)
            yield url
        finally:
            connection.close()
            connections["default"] = before


def test_what_was_acknowledged_is_on_record_once(net: Network, url: str, tmp_path: Path, monkeypatch: Any) -> None:
    agents = [Sender(claimed(number)) for number in (1, 2)]
    diary = Diary(tmp_path / "diary")
    workers = {name: Machine(name, _worker(net, name, url, diary, monkeypatch)) for name in (ONE, TWO)}
    webs = [Web(name, net, url) for name in (ONE, TWO)]
    try:
        _send(agents, webs, 8)
        first = _leader(diary)
        net.cut(first)
        _send(agents, webs, 8)
        _until(lambda: _leader(diary) != first, "nobody else leads")
        rounds_before = len(diary.who("once"))
        _send(agents, webs, 2)
        assert first not in diary.who("once")[rounds_before:], "both lead"
        net.mend(first)
        _send(agents, webs, 4)
        webs[1].kill()
        workers[TWO].kill()
        webs[1] = Web(TWO, net, url)
        _send(agents, webs, 8)
    finally:
        for process in (*webs, *workers.values()):
            process.kill()
    _check(agents)


def _worker(net: Network, name: str, url: str, diary: Diary, monkeypatch: Any) -> Callable[[], None]:
    def once() -> None:
        diary.note("once", f"{time.monotonic():.3f}")

    monkeypatch.setattr(rounds, "TICKS", (once,))
    monkeypatch.setattr(rounds, "ON_EACH_MACHINE", ())
    monkeypatch.setattr(rounds, "SESSION_S", 5.0)
    monkeypatch.setattr(rounds, "INTERVAL_S", 0.2)
    monkeypatch.setattr(leadership, "LEASE", timedelta(seconds=6))

    def work() -> None:
        live_on(net, name, url)
        while True:
            try:
                rounds.session()
            except DatabaseError:
                connection.close()
                time.sleep(0.5)

    return work


def _send(agents: list[Sender], webs: list[Web], count: int) -> None:
    for _ in range(count):
        for agent in agents:
            agent.send(webs)


def _leader(diary: Diary) -> str:
    _until(lambda: bool(diary.who("once")), "nobody leads")
    return diary.who("once")[-1]


def _until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.1)


def _check(agents: list[Sender]) -> None:
    for agent in agents:
        run, boot = Run.objects.get(pk=agent.talker.run_id), Boot.objects.get(run=agent.talker.run_id)
        count = len(agent.acknowledged)
        written = logfiles.path(run.pk).read_bytes()[: run.log_bytes].decode().splitlines()
        assert [line.partition("SMART")[2].strip() for line in written] == agent.acknowledged
        assert (boot.log_seq, boot.sensor_seq, run.sensor_seq) == (count, count, count)
