"""The boot files' own HTTP listener: GET and HEAD of a fixed table, sent by the kernel (`sendfile`).

daphne does not hold back a sender whose client is slow: it would keep a whole image in memory per host. This
listener keeps nothing; a client that takes nothing for a while is cut off and asks again. It runs in threads of its
own beside daphne, which has no start-up hook: `start_in_background()` at the end of asgi.py. A thread for each client
that waits in `sendfile` moves as many bytes as nginx; an event loop, which wakes up for each part that fits into the
socket's buffer, moved two thirds. It holds Python's lock for microseconds per piece, so heartbeats do not wait for it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from pxe import agentcpio, image, rungs
from pxe.bootrequest import BadRequest, Request, parse, read_head
from runs.bench import faults
from runs.bench.allowance import Allowance, OnceAMinute
from runs.wording import remedies

log = logging.getLogger("vetting.bootfiles")

HEADER_TIMEOUT_S = 10.0
PIECE_BYTES = 4 * 1024 * 1024
# 4 MiB in two minutes is 35 kB/s: at that speed an image takes an hour, far beyond the boot deadline.
PIECE_TIMEOUT_S = 120.0
MAX_CLIENTS = 256
# A host fetches one file after the other. Its connections without a request end after HEADER_TIMEOUT_S.
MAX_CLIENTS_EACH = 32
BACKLOG = 128
REBIND_S = 5.0
# How often to look for clients that must be cut off.
LOOK_S = 0.25


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


class Client:
    """One connection. It is cut off at `until`, on the monotonic clock."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.sock, self.address = sock, address
        self.is_cut_off = False
        self.give(HEADER_TIMEOUT_S)

    def give(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def cut_off(self) -> None:
        """End the wait of the client's own thread. For any thread."""
        self.is_cut_off = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class Listener:
    """Serves `table()` on one socket until it is closed. Each client has a thread, which waits in the kernel while the
    client takes a piece."""

    def __init__(self, sock: socket.socket, piece_timeout_s: float = PIECE_TIMEOUT_S) -> None:
        self.sock = sock
        self.piece_timeout_s = piece_timeout_s
        self.clients: set[Client] = set()
        self.allowed = Allowance("connections for boot files", MAX_CLIENTS_EACH, MAX_CLIENTS, "pxe/bootfiles.py")
        self.told = OnceAMinute()
        self._lock = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        """End `serve` and all clients. For any thread."""
        self._is_closed = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        for client in list(self.clients):
            client.cut_off()

    def serve(self) -> None:
        while not self._is_closed:
            self.sock.settimeout(LOOK_S if self.clients else None)
            try:
                sock, address = self.sock.accept()
            except TimeoutError:
                self._cut_off_late_ones()
                continue
            except OSError as error:
                if not self._is_closed:  # no file descriptor is free: clients that are being served will free theirs
                    log.warning("boot files: cannot accept a client (%s)", error)
                    time.sleep(1)
                continue
            self._cut_off_late_ones()
            self._take(sock, address[0])

    def _cut_off_late_ones(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [client for client in self.clients if now > client.until]
        for client in late:
            client.cut_off()

    def _take(self, sock: socket.socket, address: str) -> None:
        with self._lock:
            is_allowed = self.allowed.take(address)
        if not is_allowed:
            sock.close()
            return
        client = Client(sock, address)
        with self._lock:
            self.clients.add(client)
        try:
            threading.Thread(target=self._client, args=(client,), name=f"boot-files-{address}", daemon=True).start()
        except RuntimeError as error:
            log.warning("boot files: no thread for %s (%s)", address, error)
            self._forget(client)

    def _client(self, client: Client) -> None:
        try:
            self._answer(client)
        except OSError as error:
            if not client.is_cut_off and not faults.is_of_the_bench(error):
                log.info("boot files: %s went away (%s)", client.address, error.strerror)
        finally:
            if client.is_cut_off and not self._is_closed:
                why = f"boot files: {client.address} sent no request, or took nothing any more: cut off"
                self.told.warn(client.address, why)
            self._forget(client)

    def _forget(self, client: Client) -> None:
        client.sock.close()
        with self._lock:
            self.clients.discard(client)
            self.allowed.give_back(client.address)

    def _answer(self, client: Client) -> None:
        try:
            request = parse(read_head(client.sock))
        except BadRequest as bad:
            return _say(client.sock, str(bad))
        try:
            file = _open(request.path)
        except FileNotFoundError as gone:
            self.told.warn(f"404 {client.address}", f"boot files: {client.address} asked for {request.path}: {gone}")
            return _say(client.sock, "404 Not Found", f"{gone}\n")
        except OSError as error:
            return _say(client.sock, "503 Service Unavailable", self._tell(client, request, error))
        with file:
            self._send(client, request, file)

    def _tell(self, client: Client, request: Request, error: OSError) -> str:
        """Log that a file can't be read here, and put it into the run's history. Returns the sentence."""
        why = f"{request.path} can't be read here ({error.strerror}): look at the orchestrator's disk"
        where = f"{error.filename or request.path}, asked for by {client.address}"
        self.told.warn(f"503 {client.address}", f"boot files: {why} ({where})")
        rungs.file_not_read(request.run, request.boot, why)
        return f"{why}\n"

    def _send(self, client: Client, request: Request, file: BinaryIO) -> None:
        began, facts = time.monotonic(), os.fstat(file.fileno())
        etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        client.sock.sendall(_head("200 OK", facts.st_size, etag))
        if request.method == "HEAD":
            return
        sent = 0
        while sent < facts.st_size:
            client.give(self.piece_timeout_s)
            sent += self._send_piece(client, request, file, sent, min(PIECE_BYTES, facts.st_size - sent))
        took_s = time.monotonic() - began
        log.info("boot files: %s to %s, %.1f MB in %.1f s", request.path, client.address, sent / 1e6, took_s)
        sentence = f"{sent / 1e6:.1f} MB in {took_s:.1f} s to {client.address}"
        rungs.file_sent(request.path, request.run, request.boot, sentence)

    def _send_piece(self, client: Client, request: Request, file: BinaryIO, start: int, count: int) -> int:
        try:
            if done := os.sendfile(client.sock.fileno(), file.fileno(), start, count):
                return done
            raise OSError(errno.ESTALE, "it became shorter while it was sent")
        except OSError as error:
            if faults.is_of_the_bench(error):
                self._tell(client, request, error)
            raise


def _open(path: str) -> BinaryIO:
    """Raises FileNotFoundError, whose text says what to do."""
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


def _say(sock: socket.socket, status: str, text: str = "") -> None:
    body = text.encode()
    sock.sendall(_head(status, len(body)) + body)


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
    return sock


def run() -> None:
    """Listen for ever. While the port is taken (the process before us is still ending), try again."""
    web = settings.VETTING.web
    while True:
        try:
            sock = bind(web.listen, web.boot_port)
        except OSError as error:
            log.error(
                "boot files: cannot listen on %s; no host can boot: free it, or change web.boot_port", error.strerror
            )
            time.sleep(REBIND_S)
            continue
        with sock:
            Listener(sock).serve()


def start_in_background() -> threading.Thread:
    """Start the listener beside the web server. A daemon thread: it ends with the process."""
    thread = threading.Thread(target=run, name="boot-files", daemon=True)
    thread.start()
    return thread
