"""iperf3: throughput of one link, each direction alone and both at once (3.16 and newer has one thread per stream)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError, clean, mapping, number, parse_json, sequence

_END_S = 20.0
BUSY = "busy running a test"


class Direction(StrEnum):
    """As seen from the host. `BOTH` is both at once."""

    OUT = "out"
    IN = "in"
    BOTH = "both"


@dataclass(frozen=True)
class Throughput:
    """One direction of a test: bits per second and bytes that arrived, retransmitted segments (None if the sender's
    kernel does not count them) and bytes that were sent. CPU in percent of one core over the whole test; None if iperf3
    does not report it."""

    bits_s: float
    received_bytes: float
    sent_bytes: float
    retransmits: int | None
    segment_bytes: int
    local_cpu_percent: float | None
    remote_cpu_percent: float | None


@dataclass(frozen=True)
class Refused:
    """The server did not do the test, for a reason of the bench or of the link. The text is iperf3's."""

    words: str

    @property
    def is_busy(self) -> bool:
        return BUSY in self.words


def argv(
    server: str, port: int, *, device: str, address: str, duration_s: float, streams: int, direction: Direction
) -> list[str]:
    """`device` is the card that the packets must leave by, `address` is that card's address."""
    words = [
        "iperf3", "-J", "-c", server, "-p", str(port), "-B", address, "--bind-dev", device,
        "-t", f"{round(duration_s)}", "-P", str(streams),
        "--connect-timeout", "5000",
    ]  # fmt: skip
    return [*words, *{Direction.OUT: [], Direction.IN: ["-R"], Direction.BOTH: ["--bidir"]}[direction]]


def run(command: list[str], duration_s: float, stop: StopFlag | None = None) -> shell.Completed:
    return shell.run(command, duration_s + _END_S, stop=stop)


def parse(text: str) -> Throughput | Refused:
    """A test of one direction. Raises ParseError for anything that is neither a result nor iperf3's error object."""
    data = parse_json(text, "iperf3")
    return _refused(data) or _throughput(data, "")


def parse_both(text: str) -> tuple[Throughput, Throughput] | Refused:
    """A test of both directions at once: out, in. Raises ParseError."""
    data = parse_json(text, "iperf3")
    return _refused(data) or (_throughput(data, ""), _throughput(data, "_bidir_reverse"))


def _refused(data: dict[str, Any]) -> Refused | None:
    error = clean(data.get("error"))
    return Refused(error) if error else None


def _throughput(data: dict[str, Any], suffix: str) -> Throughput:
    end = mapping(data.get("end"))
    received, sent = mapping(end.get(f"sum_received{suffix}")), mapping(end.get(f"sum_sent{suffix}"))
    cpu = mapping(end.get("cpu_utilization_percent"))
    bits_s, received_bytes = _positive(received.get("bits_per_second")), _positive(received.get("bytes"))
    if bits_s is None or received_bytes is None:
        raise ParseError(f"iperf3's JSON has no sum_received{suffix}")
    retransmits = number(sent.get("retransmits"))
    return Throughput(
        bits_s=bits_s,
        received_bytes=received_bytes,
        sent_bytes=number(sent.get("bytes")) or 0.0,
        retransmits=None if retransmits is None or not sequence(end.get("streams")) else int(retransmits),
        segment_bytes=int(number(mapping(data.get("start")).get("tcp_mss_default")) or 0),
        local_cpu_percent=_positive(cpu.get("host_total")),
        remote_cpu_percent=_positive(cpu.get("remote_total")),
    )


def _positive(value: object) -> float | None:
    """None for anything but a number of zero or more."""
    known = number(value)
    return known if known is None or known >= 0 else None
