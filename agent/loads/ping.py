"""ping: how many packets are lost on one link (iputils)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError

_SUMMARY = re.compile(r"(\d{1,18}) packets transmitted, (\d{1,18}) received")
_TIMES = re.compile(r"= [\d.]+/(\d{1,9}(?:\.\d{1,9})?)/[\d.]+/[\d.]+ ms")
_LAST_ANSWER_S = 3


@dataclass(frozen=True)
class Loss:
    """`mean_ms` is None if nothing came back."""

    sent: int
    received: int
    mean_ms: float | None

    @property
    def lost_percent(self) -> float:
        return 100.0 * (self.sent - self.received) / self.sent if self.sent else 100.0


def argv(server: str, device: str, count: int, interval_s: float, payload_bytes: int) -> list[str]:
    """Large packets, because a frame is lost when one of its bits is wrong: large ones find a bad link sooner."""
    return [
        "ping", "-n", "-q", "-I", device, "-c", str(count), "-i", f"{interval_s:g}", "-s", str(payload_bytes),
        "-W", str(_LAST_ANSWER_S), server,
    ]  # fmt: skip


def run(command: list[str], duration_s: float, stop: StopFlag | None = None) -> shell.Completed:
    return shell.run(command, duration_s * 2 + 30, stop=stop)


def parse(text: str) -> Loss:
    """Raises ParseError if the summary is missing, or counts more answers than packets."""
    summary = _SUMMARY.search(text)
    if summary is None or int(summary[2]) > int(summary[1]):
        raise ParseError("ping printed no summary")
    times = _TIMES.search(text)
    return Loss(int(summary[1]), int(summary[2]), float(times[1]) if times else None)
