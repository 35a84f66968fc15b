"""Stands between the machines and the web process, and does to each call what a bad network does."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaos.plan import Fault

TIMEOUT_S = 15.0
SLOW_S = 0.7
LATER_S = 1.0
EVERY = 2
_KEPT = ("authorization", "content-type")


@dataclass
class Proxy:
    """`now` are the faults that are on; every second call meets those that lose, double or delay."""

    upstream: int
    now: set[Fault] = field(default_factory=set)
    count: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = _server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def is_chosen(self) -> bool:
        with self._lock:
            self.count += 1
            return self.count % EVERY == 0

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """One call of the web process. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def again_later(self, *call: object) -> None:
        """A copy that was under way for long: it comes when newer ones were answered. Nobody reads its answer."""

        def send() -> None:
            with contextlib.suppress(OSError):
                self.ask(*call)  # type: ignore[arg-type]

        timer = threading.Timer(LATER_S, send)
        timer.daemon = True
        timer.start()


def _server(proxy: Proxy) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass()

        def do_POST(self) -> None:
            self._pass()

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() in _KEPT}
            call, faults = (self.command, self.path, body, kept), set(proxy.now)
            chosen = proxy.is_chosen()
            try:
                status, reply = self._ask(call, faults, chosen)
            except OSError:
                self._hang_up()
                return
            if Fault.CUT in proxy.now or (Fault.LOSE in faults and chosen):
                self._hang_up()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def _ask(self, call: tuple, faults: set[Fault], chosen: bool) -> tuple[int, bytes]:
            if Fault.CUT in faults:
                raise ConnectionError
            if Fault.SLOW in faults:
                time.sleep(SLOW_S)
            if Fault.LATE in faults and chosen:
                proxy.again_later(*call)
            if Fault.TWICE in faults and chosen:
                proxy.ask(*call)
            return proxy.ask(*call)

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    return Server(("127.0.0.1", 0), Handler)
