"""A failing run against a whole installation, with four places to tell: three that answer and one that never does."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from tests.e2e.waiting import until
from tests.e2e_web.agent import HttpTalker
from tests.e2e_web.installation import Installation
from tests.notifications.receivers import Received, http_server, mail_server
from tests.talker import EXPECTED, MAC, SERIAL, UUID

pytestmark = pytest.mark.slow

OTHER_MAC, OTHER_UUID = "52:54:00:00:00:02", "4c4c4544-0042-3510-8051-b4c04f4e0002"
WRONG = {**EXPECTED, "disks": [{"serial": "GONE-1", "bus": "sata"}]}
BAD_DISK = wire.Finding(
    "smart.pending_sectors", wire.Severity.CRITICAL, "disk", SERIAL, "sda: 2 pending sectors", 2, 0, ""
)
ANSWERING = ("phone", "chat", "post")
LIMIT_S = 120


class DeadTarget:
    """Takes connections, reads nothing, never answers; `tried` is set when somebody waits for it."""

    def __init__(self) -> None:
        self.tried = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._held.append(self._listener.accept()[0])
            except OSError:  # closed by the test's end
                return
            self.tried.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._held):
            each.close()


class Told:
    """The titles that each target that answers has got, as often as it got them."""

    def __init__(self, phone: Received, chat: Received, post: Received) -> None:
        self._phone, self._chat, self._post = phone, chat, post

    def titles(self, host: str) -> dict[str, Counter[str]]:
        got = {
            "phone": [body["title"] for _, _, body in self._phone.posts],
            "chat": [body["embeds"][0]["title"] for _, _, body in self._chat.posts],
            "post": [str(mail["Subject"]).removeprefix("[vetting] ") for mail in self._post.mails],
        }
        return {name: Counter(title for title in titles if host in title) for name, titles in got.items()}


@contextmanager
def dead_target() -> Iterator[DeadTarget]:
    target = DeadTarget()
    yield target
    target.close()


def configuration(phone: Received, chat: Received, post: Received, dead: DeadTarget) -> dict[str, Any]:
    return {
        "targets": [
            {"name": "dead", "kind": "ntfy", "url": f"http://127.0.0.1:{dead.port}/vetting"},
            {"name": "phone", "kind": "ntfy", "url": f"{phone.url}/vetting"},
            {"name": "chat", "kind": "discord", "url": f"{chat.url}/api/webhooks/1/secret"},
            {
                "name": "post",
                "kind": "smtp",
                "host": "127.0.0.1",
                "port": post.port,
                "sender": "v@lab",
                "to": ["o@lab"],
            },
        ],
        "routes": [{"to": ["dead", *ANSWERING]}],
    }


class Bench:
    """The installation, who was told what, and the target that is dead."""

    def __init__(self, installation: Installation, told: Told, dead: DeadTarget) -> None:
        self.installation, self.told, self.dead = installation, told, dead

    def boot(self, name: str, mac: str, uuid: str, expected: dict[str, Any]) -> HttpTalker:
        """A host with a run, as far as the claim."""
        run = self.installation.vet(name, mac, expected)
        talker = HttpTalker(self.installation.url, mac, uuid)
        until(f"a token for {name}", talker.take_token, LIMIT_S, every_s=0.1)
        assert talker.run_id == run
        talker.hello()
        assert talker.claim().stages
        return talker

    def deliveries(self, run: int, target: str) -> dict[str, Any]:
        """What is on record of each kind of message: the delivery's row."""
        rows = self.installation.rows(
            "SELECT event.tells, delivery.attempted_at, delivery.sent_at, delivery.problem"
            " FROM notifications_delivery delivery JOIN runs_runevent event ON event.id = delivery.event_id"
            " WHERE event.run_id = ? AND delivery.target = ?",
            run, target,
        )  # fmt: skip
        return {row["tells"]: row for row in rows}

    def all_attempts_are_over(self, run: int, kinds: set[str]) -> bool:
        """Every kind was tried at every target, and what came of it is on record."""
        found = [self.deliveries(run, target) for target in ("dead", *ANSWERING)]
        return all(
            kinds == set(rows) and all(row["sent_at"] or row["problem"] for row in rows.values()) for rows in found
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        phone, chat = stack.enter_context(http_server()), stack.enter_context(http_server(204))
        post, dead = stack.enter_context(mail_server()), stack.enter_context(dead_target())
        installation = Installation(tmp_path, configuration(phone, chat, post, dead))
        stack.callback(installation.stop)
        installation.start()
        yield Bench(installation, Told(phone, chat, post), dead)


def test_a_failed_stage_and_its_hold_reach_all_who_answer_once_and_wait_for_nobody(bench: Bench) -> None:
    talker = bench.boot("node-1", MAC, UUID, EXPECTED)
    talker.pass_stages_until("SMART")
    assert talker.result("SMART", "failed", findings=[BAD_DISK]).next_state == "Failed"
    assert bench.dead.tried.wait(LIMIT_S), "nobody tried the dead target"
    _the_agent_is_answered_meanwhile(bench, talker)

    kinds = {"StageFailed", "HoldingOpened"}
    until("all attempts", lambda: bench.all_attempts_are_over(talker.run_id, kinds), LIMIT_S, every_s=0.1)
    once = Counter({"node-1: Disk health failed": 1, "node-1 is held open for you": 1})
    assert bench.told.titles("node-1") == dict.fromkeys(ANSWERING, once)
    _the_dead_ones_failure_is_on_record(bench, talker.run_id, kinds)


def _the_agent_is_answered_meanwhile(bench: Bench, talker: HttpTalker) -> None:
    """Each call comes back while somebody still waits for the dead target: that attempt is over only afterwards."""
    assert talker.heartbeat().cmd is wire.Cmd.ABORT
    talker.log("the load has stopped")
    assert talker.hold().authorized_key.startswith("ssh-ed25519 ")
    attempt = bench.deliveries(talker.run_id, "dead")["StageFailed"]
    assert attempt["attempted_at"] and not attempt["sent_at"] and not attempt["problem"]


def _the_dead_ones_failure_is_on_record(bench: Bench, run: int, kinds: set[str]) -> None:
    dead = bench.deliveries(run, "dead")
    for kind in kinds:
        assert dead[kind]["sent_at"] is None
        assert "no answer within 10 s" in dead[kind]["problem"]
    for target in ANSWERING:
        assert {row["problem"] for row in bench.deliveries(run, target).values()} == {""}


def test_a_wrong_spec_is_told_as_one(bench: Bench) -> None:
    talker = bench.boot("node-2", OTHER_MAC, OTHER_UUID, WRONG)
    answer = talker.result("InventoryCheck")
    while answer.next_state != "Failed":
        answer = talker.result(answer.next_state)
    talker.hold()
    kinds = {"SpecMismatch", "StageFailed", "HoldingOpened"}
    until("all attempts", lambda: bench.all_attempts_are_over(talker.run_id, kinds), LIMIT_S, every_s=0.1)
    once = Counter(
        {"node-2 is not what is expected": 1, "node-2: Expected parts failed": 1, "node-2 is held open for you": 1}
    )
    assert bench.told.titles("node-2") == dict.fromkeys(ANSWERING, once)
    _the_dead_ones_failure_is_on_record(bench, talker.run_id, kinds)
