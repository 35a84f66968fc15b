"""What a stranger can do to a web process, and what it costs others: `python -m tests.front.attack` prints a line of
JSON for each attack. The tests use its parts, smaller."""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.waiting import until
from tests.runs.webprocess import WebProcess

HUNDRED_GB = 100 * 10**9
ANOTHER_ADDRESS = "127.0.0.2"


def connect(port: int, address: str = ANOTHER_ADDRESS) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))


def held_in_files(pid: int) -> int:
    """Bytes of files without a name that a process holds open, as a spooled body is."""
    total = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if "(deleted)" in os.readlink(link):
                total += link.stat().st_size
    return total


def announce(connection: socket.socket, path: str, length: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: vetting\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode())


def pour(connection: socket.socket, count: int) -> int:
    """Send `count` bytes, or as many as the other side lets us; how many."""
    piece, sent = b"x" * 65536, 0
    with suppress(OSError):
        while sent < count:
            connection.sendall(piece[: count - sent])
            sent += len(piece[: count - sent])
    return sent


def answer(connection: socket.socket) -> bytes:
    """All that still comes, until the other side ends."""
    found = b""
    with suppress(OSError):
        while data := connection.recv(65536):
            found += data
    return found


def large_bodies(web: WebProcess, connections: int = 6, each: int = 20_000_000) -> dict[str, Any]:
    pid = web.process.pid
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(connect(web.port))) for _ in range(connections)]
        for one in opened:
            announce(one, "/login/", HUNDRED_GB)
        sent = sum(pour(one, each) for one in opened)
        time.sleep(0.5)
        in_files = held_in_files(pid)
        for one in opened:
            one.settimeout(0.5)
        answers = [answer(one).split(b"\r\n")[0].decode() for one in opened]
    return {"attack": "100 GB announced", "sent": sent, "bytes_in_files": in_files, "answers": answers}


HELD_EACH = 8 * 1024 * 1024
HELD_IN_ALL = 64 * 1024 * 1024
BODY = 2 * 1024 * 1024
NOT_COUNTED = 4096


@contextmanager
def bodies_of_neighbours(web: WebProcess) -> Iterator[list[socket.socket]]:
    """From so many addresses as that takes, hold all that strangers may hold, and leave each body without its end."""
    counted = BODY - 1 - NOT_COUNTED
    lengths = [BODY - 1] * (HELD_EACH // counted) + [NOT_COUNTED + HELD_EACH % counted]
    with ExitStack() as stack:
        opened = []
        for number in range(1, HELD_IN_ALL // HELD_EACH + 1):
            for length in lengths:
                one = stack.enter_context(closing(connect(web.port, f"127.0.2.{number}")))
                announce(one, "/login/", BODY)
                pour(one, length)
                opened.append(one)
        until("all is read", lambda: not in_queues(web.port), timeout_s=30)
        yield opened


def in_queues(port: int) -> int:
    """Bytes that were sent to this port and are not read yet."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [words[4] for words in lines if f"{port:04X}" in (words[1][-4:], words[2][-4:])]
    return sum(int(count, 16) for queues in ours for count in queues.split(":"))


def status_of_body(web: WebProcess) -> int:
    """The status for one more body, from an address that holds nothing."""
    with closing(connect(web.port, "127.0.2.99")) as one:
        one.settimeout(1)
        announce(one, "/login/", 10_000)
        pour(one, 10_000)
        return int((answer(one).split() or [b"", b"0"])[1])


def held_bodies(web: WebProcess) -> dict[str, Any]:
    with bodies_of_neighbours(web) as opened:
        found = {name: httpx.request(*call_on(web, name), timeout=20).status_code for name in ASKED}
        still = sum(is_open(one) for one in opened)
    return {"attack": "bodies from eight addresses", "answers": found, "still_open": still}


def call_on(web: WebProcess, name: str) -> tuple[str, str]:
    method, path = ASKED[name]
    return method, f"{web.url}{path}"


class Asker(threading.Thread):
    """Asks the same again and again, and notes how long each answer took."""

    def __init__(self, port: int, method: str, path: str, every_s: float = 0.1) -> None:
        super().__init__(daemon=True)
        self.port, self.method, self.path, self.every_s = port, method, path, every_s
        self.took_s: list[float] = []
        self.statuses: set[int] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        transport = httpx.HTTPTransport(local_address="127.0.0.3")
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, transport=transport) as client:
            while not self.ended.is_set():
                began = time.monotonic()
                reply = client.request(self.method, self.path, headers={"Authorization": "Bearer vt1.x"})
                self.took_s.append(time.monotonic() - began)
                self.statuses.add(reply.status_code)
                self.ended.wait(self.every_s)

    def end(self) -> dict[str, Any]:
        self.ended.set()
        self.join(60)
        worst, middle = max(self.took_s), statistics.median(self.took_s)
        return {"median_ms": round(middle * 1000, 1), "worst_ms": round(worst * 1000, 1), "count": len(self.took_s)}


# The agents' calls are refused for want of a run, after the same way as one that is kept.
ASKED = {
    "livez": ("GET", "/livez"),
    "heartbeat": ("POST", "/api/v1/runs/1/heartbeat"),
    "hello": ("POST", "/api/v1/runs/1/hello"),
}


def times_of_others(port: int, seconds: float) -> dict[str, Any]:
    askers = {name: Asker(port, *call) for name, call in ASKED.items()}
    for asker in askers.values():
        asker.start()
    time.sleep(seconds)
    return {name: asker.end() for name, asker in askers.items()}


def try_to_log_in(web: WebProcess, name: str, address: str, until: threading.Event, statuses: list[int]) -> None:
    token = "t" * 32
    data = {"username": name, "password": "a guess", "csrfmiddlewaretoken": token}
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=web.url, timeout=120, transport=transport, cookies={"csrftoken": token}) as client:
        while not until.is_set():
            with suppress(httpx.TransportError):
                statuses.append(client.post("/login/", data=data).status_code)


@contextmanager
def login_flood(web: WebProcess, clients: int = 40) -> Iterator[list[int]]:
    """Each client from an address of its own."""
    until, statuses = threading.Event(), []
    threads = [
        threading.Thread(target=try_to_log_in, args=(web, f"n{n}", f"127.0.1.{n + 1}", until, statuses), daemon=True)
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    yield statuses
    until.set()


def flooded(web: WebProcess, seconds: float) -> dict[str, Any]:
    calm = times_of_others(web.port, 3)
    with login_flood(web) as statuses:
        time.sleep(1)
        found = times_of_others(web.port, seconds)
        counts = {status: statuses.count(status) for status in set(statuses)}
    return {"attack": "40 clients log in", "calm": calm, "flooded": found, "answers": counts}


def slow_heads(web: WebProcess, connections: int = 300, seconds: float = 14) -> dict[str, Any]:
    """A byte of a header a second each."""
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(connect(web.port))) for _ in range(connections)]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for one in opened:
                with suppress(OSError):
                    one.send(b"G")
            time.sleep(1)
        alive = sum(is_open(one) for one in opened)
    return {"attack": "slow headers", "connections": connections, "seconds": seconds, "still_open": alive}


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        web = WebProcess(folder, f"sqlite:///{folder / 'vetting.sqlite3'}")
        web.manage("migrate", "-v0")
        web.start()
        try:
            for attack in sys.argv[1:] or list(ATTACKS):
                print(json.dumps(ATTACKS[attack](web)), flush=True)
        finally:
            web.stop(60)
            sys.stderr.write((folder / "web.log").read_text()[-3000:])


ATTACKS = {
    "bodies": large_bodies,
    "neighbours": held_bodies,
    "heads": slow_heads,
    "logins": lambda web: flooded(web, 12),
}

if __name__ == "__main__":
    main()
