"""The boot files' own HTTP listener: GET and HEAD of a fixed table, sent by the kernel (`sendfile`).

daphne does not hold back a sender whose client is slow: it would keep a whole image in memory per host. This
listener keeps nothing; a client that takes nothing for a while is cut off and asks again. It runs in an event
loop and thread of its own beside daphne, which has no start-up hook: `start_in_background()` at the end of
asgi.py. The thread holds Python's lock for microseconds per piece, so heartbeats do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from pxe import agentcpio, image, rungs
from runs.live.allowance import Allowance, OnceAMinute
from runs.wording import remedies

log = logging.getLogger("vetting.bootfiles")

HEADER_LIMIT_BYTES = 8192
HEADER_TIMEOUT_S = 10.0
PIECE_BYTES = 4 * 1024 * 1024
# 4 MiB in two minutes is 35 kB/s: at that speed an image takes an hour, far beyond the boot deadline.
PIECE_TIMEOUT_S = 120.0
MAX_CLIENTS = 256
# A host fetches one file after the other. Its connections without a request end after HEADER_TIMEOUT_S.
MAX_CLIENTS_EACH = 32
BACKLOG = 128
REBIND_S = 5.0


def table() -> dict[str, Callable[[], Path]]:
    """Every path that is served, and the file it stands for. No part of a request becomes part of a file name."""
    extra = settings.VETTING.boot_files.extra_initrd
    files: dict[str, Callable[[], Path]] = {
        "/boot/vmlinuz": lambda: image.directory() / image.KERNEL,
        "/boot/initrd.zst": lambda: image.directory() / image.INITRD,
        "/boot/agent.cpio": agentcpio.current,
        "/boot/ipxe/snponly.efi": lambda: image.loader("snponly.efi"),
        "/boot/ipxe/ipxe.efi": lambda: image.loader("ipxe.efi"),
    }
    return files | ({"/boot/extra.cpio": lambda: extra} if extra else {})


def initrds() -> tuple[str, ...]:
    """Names below /boot/, in the order in which the kernel unpacks them."""
    extra = ("extra.cpio",) if settings.VETTING.boot_files.extra_initrd else ()
    return (image.INITRD, "agent.cpio", *extra)


@dataclass(frozen=True)
class Request:
    """`run` and `boot` are what the boot script put into the address; 0 if missing."""

    method: str
    path: str
    run: int = 0
    boot: int = 0


class BadRequest(Exception):
    """Not valid HTTP; the message goes into the status line."""


def parse(head: bytes) -> Request:
    """Parse the request line; headers are ignored. Raises BadRequest."""
    try:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError:
        raise BadRequest("400 Bad Request") from None
    if not version.startswith("HTTP/1."):
        raise BadRequest("505 HTTP Version Not Supported")
    if method not in ("GET", "HEAD"):
        raise BadRequest("405 Method Not Allowed")
    try:
        parts = urlsplit(target)
        query = parse_qs(parts.query, max_num_fields=8)
    except ValueError:
        raise BadRequest("400 Bad Request") from None
    return Request(method, parts.path, _number(query.get("run")), _number(query.get("boot")))


def _number(values: list[str] | None) -> int:
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() and len(values[0]) < 16 else 0


class Listener:
    """Serves `table()` on one socket until its task is cancelled."""

    def __init__(self, sock: socket.socket, piece_timeout_s: float = PIECE_TIMEOUT_S) -> None:
        self.sock = sock
        self.piece_timeout_s = piece_timeout_s
        self.clients: set[asyncio.Task[None]] = set()
        self.allowed = Allowance("connections for boot files", MAX_CLIENTS_EACH, MAX_CLIENTS, "pxe/bootfiles.py")
        self.told = OnceAMinute()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(self.sock)
            except OSError as error:
                # No descriptor is free: clients that are being served go on and free theirs.
                log.warning("boot files: cannot accept a client (%s)", error)
                await asyncio.sleep(1)
                continue
            if not self.allowed.take(address[0]):
                client.close()
                continue
            task = loop.create_task(self._client(client, address[0]))
            self.clients.add(task)
            task.add_done_callback(self.clients.discard)

    async def _client(self, client: socket.socket, address: str) -> None:
        with client:
            client.setblocking(False)
            try:
                await self._answer(client, address)
            except TimeoutError:
                self.told.warn(address, f"boot files: {address} sent no request, or took nothing any more: cut off")
            except OSError as error:
                log.info("boot files: %s went away (%s)", address, error.strerror)
            finally:
                self.allowed.give_back(address)

    async def _answer(self, client: socket.socket, address: str) -> None:
        try:
            request = parse(await _read_head(client))
            file = await asyncio.to_thread(_open, request.path)
        except BadRequest as bad:
            return await _say(client, str(bad))
        except FileNotFoundError as gone:
            log.warning("boot files: %s asked for %s: %s", address, request.path, gone)
            return await _say(client, "404 Not Found", f"{gone}\n")
        with file:
            await self._send(client, address, request, file)

    async def _send(self, client: socket.socket, address: str, request: Request, file: BinaryIO) -> None:
        loop = asyncio.get_running_loop()
        began, facts = time.monotonic(), os.fstat(file.fileno())
        etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        await asyncio.wait_for(loop.sock_sendall(client, _head("200 OK", facts.st_size, etag)), HEADER_TIMEOUT_S)
        if request.method == "HEAD":
            return
        sent = 0
        while sent < facts.st_size:
            count = min(PIECE_BYTES, facts.st_size - sent)
            piece = loop.sock_sendfile(client, file, sent, count, fallback=False)
            sent += (done := await asyncio.wait_for(piece, self.piece_timeout_s))
            if not done:
                raise ConnectionAbortedError(0, f"{request.path} became shorter while it was sent")
        took_s = time.monotonic() - began
        log.info("boot files: %s to %s, %.1f MB in %.1f s", request.path, address, sent / 1e6, took_s)
        rungs.file_sent(request.path, request.run, request.boot, f"{sent / 1e6:.1f} MB in {took_s:.1f} s to {address}")


async def _read_head(client: socket.socket) -> bytes:
    async with asyncio.timeout(HEADER_TIMEOUT_S):
        head = b""
        while b"\r\n\r\n" not in head:
            data = await asyncio.get_running_loop().sock_recv(client, HEADER_LIMIT_BYTES)
            if not data:
                raise BadRequest("400 Bad Request")
            head += data
            if len(head) > HEADER_LIMIT_BYTES:
                raise BadRequest("431 Request Header Fields Too Large")
    return head


def _open(path: str) -> BinaryIO:
    """Raises FileNotFoundError with what to do."""
    find = table().get(path)
    if find is None:
        raise FileNotFoundError("no such boot file")
    try:
        return find().open("rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error.filename} does not exist: {remedies.build_image()} makes it") from None


def _head(status: str, length: int, etag: str = "") -> bytes:
    tag = f"ETag: {etag}\r\n" if etag else ""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n"
        f"{tag}Cache-Control: no-cache\r\nConnection: close\r\n\r\n"
    ).encode()


async def _say(client: socket.socket, status: str, text: str = "") -> None:
    body = text.encode()
    sending = asyncio.get_running_loop().sock_sendall(client, _head(status, len(body)) + body)
    await asyncio.wait_for(sending, HEADER_TIMEOUT_S)


def bind(host: str, port: int) -> socket.socket:
    """Raises OSError naming the address."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host} port {port}: {error.strerror}") from None
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


async def run() -> None:
    """Listen for ever. While the port is taken (the process before us is still ending), try again."""
    web = settings.VETTING.web
    while True:
        try:
            sock = bind(web.listen, web.boot_port)
        except OSError as error:
            log.error(
                "boot files: cannot listen on %s; no host can boot: free it, or change web.boot_port", error.strerror
            )
            await asyncio.sleep(REBIND_S)
            continue
        with sock:
            await Listener(sock).serve()


def start_in_background() -> threading.Thread:
    """Start the listener beside the web server. A daemon thread: it ends with the process."""
    thread = threading.Thread(target=_run_until_the_end, name="boot-files", daemon=True)
    thread.start()
    return thread


def _run_until_the_end() -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(run())
