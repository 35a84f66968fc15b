"""The least that agents' calls can cost with Python and SQLite: read the request, decode the message, commit what came
in groups, answer. No tokens, no checks, no states, no history, no live pages. `agents --server bare` measures it, as
the limit that the product is compared with.

    python -m tests.bench.bare PORT DATABASE
"""

from __future__ import annotations

import asyncio
import json
import queue
import re
import sqlite3
import sys
import threading

_HEAD = re.compile(rb"^POST /api/v1/runs/(\d+)/(\w+) ")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MOST_AT_ONCE = 500


class Connection(asyncio.Protocol):
    def __init__(self, calls: queue.SimpleQueue[tuple[Connection, int, str, bytes]]) -> None:
        self._calls, self._data = calls, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head, length = _HEAD.match(self._data), _LENGTH.search(self._data, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._data) < whole:
            return
        body, self._data = self._data[end + 4 : whole], self._data[whole:]
        if head is None:
            self.answer(b"{}")  # is it up?
        else:
            self._calls.put((self, int(head[1]), head[2].decode(), body))

    def answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


def write_all(
    calls: queue.SimpleQueue[tuple[Connection, int, str, bytes]], path: str, loop: asyncio.AbstractEventLoop
) -> None:
    """A thread: whatever has come is one transaction, and is answered after its commit."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE message (run INTEGER, call TEXT, seq INTEGER, body BLOB)")
    while True:
        group = [calls.get()]
        while len(group) < MOST_AT_ONCE and not calls.empty():
            group.append(calls.get())
        with database:
            database.executemany("INSERT INTO message VALUES (?, ?, ?, ?)", [_row(*one) for one in group])
        loop.call_soon_threadsafe(_answer_all, [connection for connection, *_ in group])


def _row(_: Connection, run: int, call: str, body: bytes) -> tuple[int, str, int, bytes]:
    return run, call, json.loads(body).get("seq", 0), body


def _answer_all(connections: list[Connection]) -> None:
    for connection in connections:
        connection.answer(b'{"seq":1}')


async def main(port: int, path: str) -> None:
    loop, calls = asyncio.get_running_loop(), queue.SimpleQueue[tuple[Connection, int, str, bytes]]()
    threading.Thread(target=write_all, args=(calls, path, loop), daemon=True).start()
    server = await loop.create_server(lambda: Connection(calls), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
