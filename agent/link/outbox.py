"""Collects log lines and measurements, cuts them into batches, and delivers the batches in order from a thread of its
own."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.contract import wire
from agent.host.spool import LOG_CAP_BYTES, SENSOR_CAP_BYTES, Spool
from agent.link.client import Client, encoded, spread
from agent.link.errors import BadMessage, CallFailed, Unreachable
from agent.link.redact import printable

T = TypeVar("T")

MAX_LINE_CHARS = 4000
MAX_BATCH_CHARS = 256 * 1024
# The most lines that are kept between two cuts, if a stage floods the log.
MAX_PENDING = 20_000
BATCHES_PER_TURN = 20
GIVE_UP_S = 5.0


class Outbox:
    """`log` and `measure` never wait for the network and never fail. `start` begins the delivery. `finish` ends it and
    sends the rest, for `GIVE_UP_S` at most."""

    def __init__(
        self,
        boot_id: str,
        directory: Path,
        *,
        log_interval_s: float = wire.LOG_INTERVAL_S,
        sensor_interval_s: float = wire.SENSOR_INTERVAL_S,
    ) -> None:
        self.boot_id = boot_id
        self.stage = ""
        self.log_interval_s, self.sensor_interval_s = log_interval_s, sensor_interval_s
        self.logs = Spool(directory / "log", LOG_CAP_BYTES)
        self.sensors = Spool(directory / "sensor", SENSOR_CAP_BYTES)
        self._lines: deque[wire.LogLine] = deque(maxlen=MAX_PENDING)
        self._measurements: deque[wire.Measurement] = deque(maxlen=MAX_PENDING)
        self._over, self._awake = threading.Event(), threading.Event()
        self._asked, self._flushed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = -math.inf

    def log(self, level: str, text: str) -> None:
        """Write to the run's log. A text of several lines makes several entries."""
        now = time.time()
        for line in printable(text).splitlines() or [""]:
            self._lines.append(wire.LogLine(now, level, self.stage, line[:MAX_LINE_CHARS]))

    def measure(self, measurement: wire.Measurement) -> None:
        """Add a measurement. A number that is not finite is dropped."""
        if math.isfinite(measurement.value):
            self._measurements.append(measurement)

    def cut_logs(self) -> None:
        """Make numbered batches of the lines so far."""
        for spool, what in ((self.logs, "log"), (self.sensors, "sensor")):
            if dropped := spool.take_dropped():
                self.log("warning", f"{dropped} {what} batches were dropped: out of reach for too long")
        for lines in _by_size(_take(self._lines)):
            self.logs.put(partial(self._log_batch, lines))

    def cut_measurements(self) -> None:
        """Make numbered batches of the measurements so far."""
        found = thin(_take(self._measurements))
        for start in range(0, len(found), wire.MAX_MEASUREMENTS_PER_BATCH):
            batch = found[start : start + wire.MAX_MEASUREMENTS_PER_BATCH]
            self.sensors.put(partial(self._sensor_batch, batch))

    def _log_batch(self, lines: list[wire.LogLine], seq: int) -> bytes:
        return encoded(wire.LogBatch(self.boot_id, seq, lines))

    def _sensor_batch(self, measurements: list[wire.Measurement], seq: int) -> bytes:
        return encoded(wire.SensorBatch(self.boot_id, seq, measurements))

    def start(self, client: Client) -> None:
        self._thread = threading.Thread(target=self._run, args=(client,), name="outbox", daemon=True)
        self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Deliver all measurements so far. Returns when the orchestrator has them, when it is out of reach, or when the
        time is over. Called before a result, so that a limit that was broken last still counts for its stage."""
        if self._thread is not None:
            self._flushed.clear()
            self._asked.set()
            self._awake.set()
            self._flushed.wait(timeout_s)

    def finish(self) -> None:
        self._over.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(GIVE_UP_S)

    def _run(self, client: Client) -> None:
        sensors_due = time.monotonic() + self.sensor_interval_s
        while not self._rest():
            asked = self._asked.is_set()
            self.cut_logs()
            if asked or time.monotonic() >= sensors_due:
                sensors_due = time.monotonic() + self.sensor_interval_s
                self.cut_measurements()
            reached = (asked or time.monotonic() >= self._not_before) and self.deliver(client)
            if asked and not (reached and len(self.sensors)):
                self._asked.clear()
                self._flushed.set()
        self.cut_logs()
        self.cut_measurements()
        self.deliver(client)
        client.close()

    def _rest(self) -> bool:
        """Wait for the next turn. Returns whether it is the last one."""
        if not self._asked.is_set():
            self._awake.wait(self.log_interval_s)
        self._awake.clear()
        return self._over.is_set()

    def deliver(self, client: Client) -> bool:
        """Send what is stored, oldest first, a bounded number of batches. What fails is tried in the next turn, but
        not before the orchestrator said. Returns whether the orchestrator was reachable."""
        try:
            for _ in range(BATCHES_PER_TURN):
                if not self._send_oldest(client, "log", self.logs):
                    break
            for _ in range(BATCHES_PER_TURN):
                if not self._send_oldest(client, "sensor", self.sensors):
                    break
        except CallFailed as error:
            if isinstance(error, Unreachable):
                self._not_before = time.monotonic() + spread(error.retry_after_s)
            return False
        return True

    def _send_oldest(self, client: Client, call: str, spool: Spool) -> bool:
        batch = spool.oldest()
        if batch is None:
            return False
        seq, body = batch
        try:
            client.post_encoded(call, body, wire.Accepted)
        except BadMessage as error:
            self.log("error", f"{call} batch {seq} is lost, the orchestrator can't read it: {error}")
        spool.delivered(seq)
        return True


def thin(measurements: Iterable[wire.Measurement]) -> list[wire.Measurement]:
    """At most one value per series if there are more than one batch takes: the highest of a temperature, the newest of
    anything else. The limits on the host are checked against every sample; this only saves bandwidth."""
    found = list(measurements)
    if len(found) <= wire.MAX_MEASUREMENTS_PER_BATCH:
        return found
    kept: dict[tuple[str, str, str], wire.Measurement] = {}
    for one in found:
        key = (one.component_kind, one.component, one.name)
        if key not in kept or one.name != "temp" or one.value >= kept[key].value:
            kept[key] = one
    return list(kept.values())


def _by_size(lines: list[wire.LogLine]) -> Iterator[list[wire.LogLine]]:
    """Lines in batches that stay under the orchestrator's limits for one message."""
    batch: list[wire.LogLine] = []
    chars = 0
    for line in lines:
        if batch and (len(batch) >= wire.MAX_LOG_LINES_PER_BATCH or chars + len(line.text) > MAX_BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(line)
        chars += len(line.text)
    if batch:
        yield batch


def _take(pending: deque[T]) -> list[T]:
    taken = []
    while pending:
        taken.append(pending.popleft())
    return taken
