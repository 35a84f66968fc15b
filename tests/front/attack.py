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
            connection.sendall(piece)
            sent += len(piece)
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
            for attack in sys.argv[1:] or ["bodies", "heads", "logins"]:
                print(json.dumps(ATTACKS[attack](web)), flush=True)
        finally:
            web.stop(60)
            sys.stderr.write((folder / "web.log").read_text()[-3000:])


ATTACKS = {"bodies": large_bodies, "heads": slow_heads, "logins": lambda web: flooded(web, 12)}

if __name__ == "__main__":
    main()
