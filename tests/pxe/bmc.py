"""A BMC that speaks Redfish, as a real server on loopback. It plays what a sound one answers, or anything else."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pxe.wake.drivers import redfish
from pxe.wake.shape import Stop

ROOT, SYSTEMS, SYSTEM = "/redfish/v1/", "/redfish/v1/Systems", "/redfish/v1/Systems/1"
MEANT = Stop(why_not=lambda: "", begin=lambda: True)
BASIC = "Basic " + b64encode(b"admin:sesame").decode()
# What a BMC does instead of a sound answer, for one path.
Play = Callable[["Answering"], None]


class Bmc(ThreadingHTTPServer):
    """Answers like a service of one system; keeps what it was sent. `plays` has other answers, by method and path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.power, self.sent, self.reset_path = "Off", [], f"{SYSTEM}/Actions/ComputerSystem.Reset"
        self.plays: dict[str, Play] = {}
        self.asked: list[str] = []
        self.sessions_only = False
        self.resets: list[str] = []
        self.logins_refused = 0
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def body(self, path: str) -> dict[str, Any]:
        if path == SYSTEMS:
            return {"Name": "Systems", "Members": [{"@odata.id": SYSTEM}]}
        if path == SYSTEM:
            named = {"ResetType@Redfish.AllowableValues": self.resets} if self.resets else {}
            reset = {"#ComputerSystem.Reset": {"target": self.reset_path, **named}}
            boot = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
            return {"Id": "1", "Name": "System", "PowerState": self.power, "Actions": reset, "Boot": boot}
        sessions = {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}
        return {"Id": "Root", "Name": "Root", "Systems": {"@odata.id": SYSTEMS}, "Links": sessions}


class Answering(BaseHTTPRequestHandler):
    server: Bmc

    def do_GET(self) -> None:
        self._answer(lambda: self.say(200, self.server.body(self.path), {"ETag": 'W/"7"'}))

    def do_PATCH(self) -> None:
        self._answer(self._take)

    def do_DELETE(self) -> None:
        self._answer(lambda: self.say(200, {}))

    def do_POST(self) -> None:
        if self.path.endswith("/Sessions"):
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (given["UserName"], given["Password"]) != ("admin", "sesame"):
                self.server.logins_refused += 1
                return self.say(401, {})
            token = {"X-Auth-Token": "token-1", "Location": f"{self.path}/1"}
            return self.say(201, {}, token)
        self._answer(self._take)

    def _answer(self, soundly: Callable[[], None]) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if play := self.server.plays.get(f"{self.command} {self.path}"):
            return play(self)
        session = self.headers["X-Auth-Token"] == "token-1"
        if not session and (self.server.sessions_only or self.headers["Authorization"] != BASIC):
            if self.path == ROOT:
                return self.say(200, self.server.body(ROOT))
            self.server.logins_refused += "Authorization" in self.headers
            return self.say(401, {})
        soundly()

    def _take(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.sent.append((self.command, self.path, self.headers["If-Match"], body))
        self.say(200, {})

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.raw(status, json.dumps(body).encode(), headers)

    def raw(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def status(number: int, body: Any = None) -> Play:
    return lambda bmc: bmc.say(number, {} if body is None else body)


def page(number: int = 200) -> Play:
    return lambda bmc: bmc.raw(number, b"<html><form action=/login>", {"Content-Type": "text/html"})


def body(what: Any) -> Play:
    return lambda bmc: bmc.say(200, what)


def raw(data: bytes) -> Play:
    return lambda bmc: bmc.raw(200, data)


def elsewhere(place: str) -> Play:
    return lambda bmc: bmc.raw(302, b"", {"Location": place})


def moved(number: int, place: str) -> Play:
    """A redirect to another path of the BMC, which answers soundly there."""
    return lambda bmc: bmc.raw(number, b"", {"Location": place})


def flood(megabytes: int) -> Play:
    """An answer of that size, as far as anybody reads it."""

    def play(bmc: Answering) -> None:
        bmc.send_response(200)
        bmc.send_header("Content-Length", str(megabytes << 20))
        bmc.end_headers()
        piece = b" " * (1 << 20)
        try:
            for _ in range(megabytes):
                bmc.wfile.write(piece)
        except OSError:
            pass

    return play


def drip(what: str) -> Play:
    """Byte by byte for ever: in the body, or in a header before it."""

    def play(bmc: Answering) -> None:
        bmc.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 9999\r\n\r\n" if what == "body" else b"X-Drip: "))
        try:
            while not bmc.server.ended.is_set():
                bmc.wfile.write(b"1")
                time.sleep(0.02)
        except OSError:
            pass

    return play


def silence(bmc: Answering) -> None:
    bmc.server.ended.wait(10)


def reset(bmc: Answering) -> None:
    bmc.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bmc.connection.close()


def slowly(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Something happens while the BMC takes its time for the login."""
    ready, todo = redfish.Machine.ready, [meanwhile]

    def late(machine: redfish.Machine) -> None:
        ready(machine)
        while todo:
            todo.pop()()

    monkeypatch.setattr(redfish.Machine, "ready", late)


@contextmanager
def serving() -> Iterator[Bmc]:
    server = Bmc()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
