"""An orchestrator that is overloaded says when to come back; hosts that it refused together come back one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent import retrying
from agent.contract import wire
from agent.events import Timing
from agent.link import client as link
from agent.link.client import Client
from agent.link.cmdline import Target
from agent.link.errors import Unreachable
from agent.link.heartbeat import Heartbeat
from agent.link.outbox import Outbox


def refused(retry_after_s: float) -> Unreachable:
    error = Unreachable("503")
    error.retry_after_s = retry_after_s
    return error


class Refusing:
    """In the place of a client: counts the calls, and refuses them."""

    def __init__(self, retry_after_s: float) -> None:
        self.calls, self.retry_after_s = 0, retry_after_s

    def post(self, *args: Any) -> Any:
        self.calls += 1
        raise refused(self.retry_after_s)

    post_encoded = post


@pytest.fixture
def overloaded() -> Iterator[Target]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", self.path.rpartition("/")[2])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Target(f"http://127.0.0.1:{server.server_port}", 1, "vt1.token")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("told", "held_off_s"), [("7", 7.0), ("86400", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)])
def test_a_refusal_says_when_to_come_back(overloaded: Target, told: str, held_off_s: float) -> None:
    with pytest.raises(Unreachable) as caught:
        Client(overloaded).post(told.replace(" ", "%20"), wire.LogBatch("boot-1", 1, []), wire.Accepted)
    assert caught.value.retry_after_s == held_off_s


def test_hosts_that_were_refused_together_come_back_over_half_as_much_time_more() -> None:
    waits = {link.spread(10.0) for _ in range(200)}
    assert len(waits) > 100 and min(waits) >= 10.0 and max(waits) <= 15.0


def test_a_call_that_must_be_answered_waits_as_long_as_it_was_told() -> None:
    waits: list[float] = []

    class Events:
        def pause(self, wait_s: float) -> None:
            waits.append(wait_s)

    answers = iter([refused(40.0), refused(0.0), None])

    def post() -> str:
        if error := next(answers):
            raise error
        return "answered"

    timing = Timing(retry_first_s=1.0, retry_cap_s=15.0)
    assert retrying.call_until_reachable(post, Events(), timing, lambda level, text: None) == "answered"
    assert 40.0 <= waits[0] <= 60.0 and 2.0 <= waits[1] <= 3.0


def test_what_is_stored_is_not_sent_before_its_time(tmp_path: Path) -> None:
    outbox, client = Outbox("boot-1", tmp_path, log_interval_s=0.01), Refusing(retry_after_s=3600.0)
    outbox.log("info", "a line")
    outbox.cut_logs()
    assert not outbox.deliver(client)
    assert outbox._not_before - time.monotonic() > 3500 and len(outbox.logs) == 1


def test_a_heartbeat_waits_two_intervals_at_most_so_that_the_host_does_not_look_lost() -> None:
    heartbeat = Heartbeat(Refusing(retry_after_s=60.0), "boot-1", lambda answer: None, lambda level, text: None)
    heartbeat._beat()
    assert 2 * heartbeat.interval_s <= heartbeat._held_off_s <= 3 * heartbeat.interval_s


def test_an_early_heartbeat_is_not_sent_before_the_time_that_was_told() -> None:
    heartbeat = Heartbeat(Refusing(retry_after_s=60.0), "boot-1", lambda answer: None, lambda level, text: None)
    heartbeat.beat_early()
    assert heartbeat._wake.is_set()
    heartbeat._wake.clear()
    heartbeat._beat()
    heartbeat.beat_early()
    assert not heartbeat._wake.is_set()
