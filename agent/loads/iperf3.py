"""iperf3: throughput of one link, both ways (3.16 and newer has one thread per stream)."""

from __future__ import annotations

from dataclasses import dataclass

from agent import shell
from agent.probes.parsing import ParseError, clean, mapping, number, parse_json, sequence
from agent.stop import StopFlag

_END_S = 20.0
BUSY = "busy running a test"


@dataclass(frozen=True)
class Throughput:
    """One test: bits per second that arrived, retransmitted segments (None where the sender's kernel doesn't say)
    and how many bytes were sent, the sending end's CPU in percent."""

    bits_s: float
    sent_bytes: float
    retransmits: int | None
    segment_bytes: int
    local_cpu_percent: float


@dataclass(frozen=True)
class Refused:
    """The server did not do the test: a fault of the bench or of the link between, in iperf3's words."""

    words: str

    @property
    def is_busy(self) -> bool:
        return BUSY in self.words


def argv(
    server: str, port: int, *, device: str, address: str, duration_s: float, streams: int, reverse: bool
) -> list[str]:
    """`device` is the card that the packets must leave by, `address` its own."""
    words = [
        "iperf3", "-J", "-c", server, "-p", str(port), "-B", address, "--bind-dev", device,
        "-t", f"{round(duration_s)}", "-P", str(streams),
        "--connect-timeout", "5000",
    ]  # fmt: skip
    return [*words, "-R"] if reverse else words


def run(command: list[str], duration_s: float, stop: StopFlag | None = None) -> shell.Completed:
    return shell.run(command, duration_s + _END_S, stop=stop)


def parse(text: str) -> Throughput | Refused:
    """Raises ParseError for anything that is neither a result nor iperf3's error object."""
    data = parse_json(text, "iperf3")
    if error := clean(data.get("error")):
        return Refused(error)
    end = mapping(data.get("end"))
    received, sent = mapping(end.get("sum_received")), mapping(end.get("sum_sent"))
    bits_s = number(received.get("bits_per_second"))
    if bits_s is None:
        raise ParseError("iperf3's JSON has no sum_received")
    retransmits = number(sent.get("retransmits"))
    streams = sequence(end.get("streams"))
    return Throughput(
        bits_s=bits_s,
        sent_bytes=number(sent.get("bytes")) or 0.0,
        retransmits=None if retransmits is None or not streams else int(retransmits),
        segment_bytes=int(number(mapping(data.get("start")).get("tcp_mss_default")) or 0),
        local_cpu_percent=number(mapping(end.get("cpu_utilization_percent")).get("host_total")) or 0.0,
    )
