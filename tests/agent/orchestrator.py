"""An orchestrator for the agent's tests: a real HTTP server on loopback that speaks the contract, and can be made to
lose answers or be out of reach."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.contract import codec, wire

TOKEN = "vt1.7.1.random.signature"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1uDT0ExampleExampleExampleExampleExampl vetting-run-7"
MESSAGES = {
    "hello": wire.Hello,
    "claim": wire.Claim,
    "heartbeat": wire.Heartbeat,
    "log": wire.LogBatch,
    "sensor": wire.SensorBatch,
    "result": wire.Result,
    "hold": wire.Hold,
}
PATIENCE_S = 15.0


def order(name: str, **more: Any) -> wire.StageOrder:
    given = {"attempt": 1, "timeout_s": 60.0, "params": {}, "limits": {}, "required": [], **more}
    return wire.StageOrder(name, name, **given)


@dataclass
class Orchestrator:
    """The life of one run, thin: `stages` in order, then Completed; a failed one leads to Failed, /hold to
    FailedHolding. Everything that was said stands in `received`, every effect in `results`."""

    stages: list[wire.StageOrder]
    state: str = ""
    attempt: int = 1
    go: bool = True
    cmd: wire.Cmd = wire.Cmd.CONTINUE
    mode: wire.Mode = wire.Mode.TEST
    hello_answer: wire.HelloAnswer = field(default_factory=lambda: wire.HelloAnswer(wire.Cmd.CONTINUE))
    retry_of: tuple[str, int] | None = None
    overrides: list[wire.OverrideFlags] = field(default_factory=list)
    sensor_limits: dict[str, float] = field(default_factory=dict)
    received: list[tuple[str, Any]] = field(default_factory=list)
    results: dict[tuple[str, int], wire.Result] = field(default_factory=dict)
    on_failure: str = "hold"
    log_lines: list[str] = field(default_factory=list)
    measurements: list[wire.Measurement] = field(default_factory=list)
    seqs: dict[str, int] = field(default_factory=lambda: {"log": 0, "sensor": 0})
    statuses: dict[str, list[int]] = field(default_factory=dict)
    lose_answers: dict[str, int] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    away: bool = False

    def __post_init__(self) -> None:
        self.state = self.state or self.stages[0].name
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """The URL while it serves."""
        server = _server(self)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def wait_for(self, what: Callable[[Orchestrator], Any]) -> Any:
        """Until something is so; fails the test when it is not within PATIENCE_S."""
        with self.changed:
            assert self.changed.wait_for(lambda: what(self), PATIENCE_S), f"never came; heard {self.calls()}"
            return what(self)

    def change(self, **fields: Any) -> None:
        with self.changed:
            for name, value in fields.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def calls(self, of: str = "") -> list[str]:
        return [call for call, _ in self.received if not of or call == of]

    def said(self, call: str) -> list[Any]:
        return [message for name, message in self.received if name == call]

    # --- the calls -----------------------------------------------------------------------------------------------

    def answer(self, call: str, body: bytes) -> tuple[int, bytes]:
        message = codec.loads(MESSAGES[call], body)
        with self.changed:
            self.received.append((call, message))
            status = self.statuses[call].pop(0) if self.statuses.get(call) else 200
            if call == "hold" and self.state not in ("Failed", "FailedHolding"):
                status = 409
            reply = getattr(self, f"_{call}")(message) if status == 200 else None
            self.changed.notify_all()
        return status, codec.dumps(reply) if reply else b'{"error":"as the test wants it"}'

    def _hello(self, message: wire.Hello) -> wire.HelloAnswer:
        return self.hello_answer

    def _claim(self, message: wire.Claim) -> wire.ClaimAnswer:
        test = self.mode is wire.Mode.TEST
        return wire.ClaimAnswer(
            mode=self.mode,
            run=7,
            boot=1,
            host="pve3",
            stages=[replace(one, attempt=1) for one in self.stages] if test else [],
            disks=[],
            destructive_allowed=False,
            write_mode=False,
            not_expected=[],
            expected={},
            sensor_limits=self.sensor_limits,
            iperf=wire.IperfServer(),
            next_state=self.state,
            attempt=self.attempt,
            go=self.go,
            override_flags=self.overrides,
        )

    def _heartbeat(self, message: wire.Heartbeat) -> wire.HeartbeatAnswer:
        retry = self.retry_of if self.retry_of != (message.stage, message.attempt) else None
        return wire.HeartbeatAnswer(
            cmd=wire.Cmd.RETRY_STAGE if retry else self.cmd,
            next_state=self.state,
            attempt=self.attempt,
            go=self.go,
            stage=retry[0] if retry else "",
            override_flags=self.overrides if retry else [],
        )

    def _log(self, message: wire.LogBatch) -> wire.Accepted:
        if message.seq > self.seqs["log"]:
            self.seqs["log"] = message.seq
            self.log_lines += [line.text for line in message.lines]
        return wire.Accepted(self.seqs["log"])

    def _sensor(self, message: wire.SensorBatch) -> wire.Accepted:
        assert len(message.measurements) <= wire.MAX_MEASUREMENTS_PER_BATCH
        if message.seq > self.seqs["sensor"]:
            self.seqs["sensor"] = message.seq
            self.measurements += message.measurements
        return wire.Accepted(self.seqs["sensor"])

    def _result(self, message: wire.Result) -> wire.ResultAnswer:
        key = (message.stage, message.attempt)
        if key not in self.results:
            self.results[key] = message
            if self.state == message.stage:
                self._move_on(message)
        cmd = wire.Cmd.SHUTDOWN if self.state in ("Completed", "Cancelled") else wire.Cmd.CONTINUE
        return wire.ResultAnswer(self.state, self.attempt, self.go, cmd)

    def _move_on(self, message: wire.Result) -> None:
        names = [one.name for one in self.stages]
        after = [*names[names.index(message.stage) + 1 :], "Completed"]
        stops = message.outcome is wire.Outcome.FAILED and self.on_failure != "continue"
        self.state = "Failed" if stops else after[0]
        self.attempt, self.retry_of = 1, None
        if self.state == "Completed":
            self.cmd = wire.Cmd.SHUTDOWN
        elif self.state == "Failed":
            self.cmd = wire.Cmd.ABORT

    def _hold(self, message: wire.Hold) -> wire.HoldAnswer:
        self.state, self.attempt, self.cmd = "FailedHolding", 0, wire.Cmd.CONTINUE
        return wire.HoldAnswer(KEY, self.state)


def _server(orchestrator: Orchestrator) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            call = self.path.rpartition("/")[2]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if orchestrator.away:
                self._hang_up()
                return
            orchestrator.tokens.add(self.headers["Authorization"])
            status, reply = orchestrator.answer(call, body)
            if orchestrator.lose_answers.get(call, 0):
                orchestrator.lose_answers[call] -= 1
                self._hang_up()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

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
