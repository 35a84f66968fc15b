"""dnsmasq's log (`log-dhcp`) as rungs of the boot ladder: who was answered, who was sent iPXE.

Reading and parsing are separate: `Reader` turns lines into events; `tick` reads the file from its last position.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from pxe import dhcpfaults, rungs
from pxe.dhcpfaults import Fault
from pxe.paths import paths
from runs.bench import faults
from runs.files import atomic
from runs.models import Rung

READ_LIMIT_BYTES = 1024 * 1024
ROTATE_BYTES = 16 * 1024 * 1024
KEPT_ADDRESSES = 4096

_MAC = r"(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})"
_LINE = re.compile(r"\w{3} [ \d]\d \d\d:(?P<minute>\d\d):(?P<second>\d\d) dnsmasq(?:-\w+)?\[\d+\]: (?P<text>.*)")
_CLIENT = re.compile(r"(?P<xid>\d+) vendor class: (?:PXE|HTTP)Client")
_OFFER = re.compile(rf"(?P<xid>\d+) DHCPOFFER\(\S+\) (?P<address>[\d.]+) {_MAC}")
_ACK = re.compile(rf"\d+ DHCPACK\(\S+\) (?P<address>[\d.]+) {_MAC}")
_PROXY = re.compile(rf"\d+ PXE\(\S+\) (?:(?P<address>[\d.]+) )?{_MAC} (?P<what>\S+)")
_SENT = re.compile(r"sent (?P<file>/\S+) to (?P<address>[\d.]+)")


@dataclass(frozen=True)
class Seen:
    """`minute` and `second` are the log's own."""

    mac: str
    rung: Rung
    detail: str
    minute: int
    second: int


@dataclass
class Reader:
    """State that is kept between lines: the MAC of each address, and which exchanges are a firmware's or iPXE's. (Linux
    in the live image asks for an address too; that is no rung.) `neighbours` are the kernel's, by address: in proxy
    mode the log names no addresses."""

    addresses: dict[str, str] = field(default_factory=dict)
    booting_xid: str = ""
    neighbours: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[Fault | None, bool]] = field(default_factory=list)
    """For each line read that tells of a fault of this bench, or that an address was offered: `dhcpfaults.remembered`
    takes it."""

    def read(self, lines: Iterator[str] | list[str]) -> Iterator[Seen]:
        for line in lines:
            if match := _LINE.match(line):
                if (one := dhcpfaults.fault(match["text"])) or dhcpfaults.is_cured(match["text"]):
                    self.refused.append((one, one is None))
                seen = self._event(match["text"])
                if seen is not None:
                    yield Seen(*seen, int(match["minute"]), int(match["second"]))

    def _event(self, text: str) -> tuple[str, Rung, str] | None:
        if match := _CLIENT.match(text):
            self.booting_xid = match["xid"]
        elif match := _ACK.match(text):
            self._learn(match["address"], match["mac"])
        elif (match := _OFFER.match(text)) and match["xid"] == self.booting_xid:
            return match["mac"], Rung.DHCP, f"{match['address']} offered to {match['mac']}"
        elif match := _PROXY.match(text):
            return self._proxy(match)
        elif match := _SENT.match(text):
            address = match["address"]
            if mac := self.addresses.get(address) or self.neighbours.get(address):
                return mac, Rung.TFTP, f"{Path(match['file']).name} sent to {address}"
        return None

    def _proxy(self, match: re.Match[str]) -> tuple[str, Rung, str]:
        if match["address"]:
            self._learn(match["address"], match["mac"])
        return match["mac"], Rung.DHCP, f"{match['mac']} told what to boot (proxy)"

    def _learn(self, address: str, mac: str) -> None:
        self.addresses.pop(address, None)
        self.addresses[address] = mac
        if len(self.addresses) > KEPT_ADDRESSES:
            del self.addresses[next(iter(self.addresses))]


def moment(minute: int, second: int, now: datetime) -> datetime:
    """When a line was written. dnsmasq writes local time without a zone. Zones differ by whole quarters of an hour, so
    only the minute within the quarter is used: the result is the newest such moment that is not after `now`."""
    into_quarter = timedelta(minutes=minute % 15, seconds=second)
    quarter = now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)
    at = quarter + into_quarter
    return at if at <= now else at - timedelta(minutes=15)


def parse_neighbours(text: str) -> dict[str, str]:
    """MAC by address, out of /proc/net/arp (first line: headings)."""
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0]: row[3].lower() for row in rows if len(row) == 6 and row[3] != "00:00:00:00:00:00"}


def tick(pid: int | None) -> None:
    """Record the log's new lines. `pid` is dnsmasq's: it is told to open a new file when the old one has grown too
    long."""
    files = paths()
    state_path = files.root / "dnsmasq.log.state.json"
    state = atomic.read_json(state_path)
    lines, place = _new_lines(files.log, state)
    neighbours = parse_neighbours(Path("/proc/net/arp").read_text()) if lines else {}
    reader = Reader(state.get("addresses", {}), state.get("booting_xid", ""), neighbours)
    now = timezone.now()
    for seen in _once_each(reader.read(lines)):
        with faults.confined(f"Recording what dnsmasq's log says of {seen.mac}"):
            rungs.seen_on_wire(seen.mac, seen.rung, seen.detail, moment(seen.minute, seen.second, now))
    faulty = dhcpfaults.remembered(state.get("faults", {}), reader.refused, now.timestamp())
    dhcpfaults.report(faulty)
    _tell_runs(one for one, _ in reader.refused if one is not None)
    if lines or faulty != state.get("faults", {}) or place != {key: state.get(key) for key in place}:
        kept = {"addresses": reader.addresses, "booting_xid": reader.booting_xid, "faults": faulty}
        atomic.write_json(state_path, place | kept)
    if pid and place["offset"] > ROTATE_BYTES:
        _rotate(files.log, pid)


def _tell_runs(found: Iterable[Fault]) -> None:
    """Write into the history of each run whose host waits for an address that this bench gives none."""
    for one in dict.fromkeys(found):
        with faults.confined(f"Recording that dnsmasq gave no address ({one.kind})"):
            rungs.not_answered(one.mac, str(dhcpfaults.problem(one)))


def _once_each(found: Iterator[Seen]) -> Iterator[Seen]:
    """Only the first line of each host and rung: a host that sends requests without pause must not cause a query for
    every line."""
    told: set[tuple[str, Rung]] = set()
    for seen in found:
        if (key := (seen.mac, seen.rung)) not in told:
            told.add(key)
            yield seen


def _new_lines(log: Path, state: dict[str, Any]) -> tuple[list[str], dict[str, int]]:
    """The whole lines since the last read, and the offset of the next. Another file (rotated or new) is read from its
    start. A file that existed before our first read is read from its end: its boots are not ours."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return [], {"inode": 0, "offset": 0}
    with file:
        status = os.fstat(file.fileno())
        if "inode" not in state:
            return [], {"inode": status.st_ino, "offset": status.st_size}
        same = state["inode"] == status.st_ino and state["offset"] <= status.st_size
        offset = state["offset"] if same else 0
        file.seek(offset)
        data = file.read(READ_LIMIT_BYTES)
    whole = data[: data.rfind(b"\n") + 1]
    text = whole.decode("utf-8", errors="replace")
    return text.splitlines(), {"inode": status.st_ino, "offset": offset + len(whole)}


def _rotate(log: Path, pid: int) -> None:
    """Rename the log; one older file is kept. dnsmasq opens a new file at SIGUSR2."""
    os.replace(log, log.with_suffix(".log.1"))
    os.kill(pid, signal.SIGUSR2)
