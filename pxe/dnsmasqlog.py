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

from django.conf import settings
from django.utils import timezone

from pxe import dhcpfaults, dnsmasq, rungs
from pxe.dhcpfaults import Fault
from pxe.paths import paths
from runs import ladder
from runs.bench import faults, newcomers
from runs.bench.newcomers import Asked
from runs.files import atomic
from runs.models import Rung

READ_LIMIT_BYTES = 1024 * 1024
ROTATE_BYTES = 16 * 1024 * 1024
KEPT_ADDRESSES = 4096
_MOST_ASKED = 1000

_MAC = r"(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})"
_LINE = re.compile(r"\w{3} [ \d]\d \d\d:(?P<minute>\d\d):(?P<second>\d\d) dnsmasq(?:-\w+)?\[\d+\]: (?P<text>.*)")
_CLIENT = re.compile(r"(?P<xid>\d+) vendor class: (?P<client>PXE|HTTP)Client(?::Arch:(?P<architecture>\d{1,5}))?")
_IGNORED = re.compile(rf"(?P<xid>\d+) (?:DHCPDISCOVER|PXE)\(\S+\) (?:[\d.]+ )?{_MAC} (?:proxy-)?ignored")
# With dhcp-authoritative: the machine wants the address that another server has offered it.
_OTHER_SERVER = re.compile(rf"\d+ DHCPNAK\(\S+\) (?P<address>[\d.]+) {_MAC} wrong server-ID")
_OFFER = re.compile(rf"(?P<xid>\d+) DHCPOFFER\(\S+\) (?P<address>[\d.]+) {_MAC}")
_ACK = re.compile(rf"\d+ DHCPACK\(\S+\) (?P<address>[\d.]+) {_MAC}")
_PROXY = re.compile(rf"(?P<xid>\d+) PXE\(\S+\) (?:(?P<address>[\d.]+) )?{_MAC} (?P<what>(?!proxy-ignored)\S+)")
_SENT = re.compile(r"sent (?P<file>/\S+) to (?P<address>[\d.]+)")


@dataclass(frozen=True)
class Seen:
    """`minute` and `second` are the log's own."""

    mac: str
    rung: Rung
    detail: str
    minute: int
    second: int


@dataclass(frozen=True)
class Said:
    """What a machine's request tells of why its boot stops, for its run's history. Without a MAC, for that of each run
    whose boot is waited for."""

    mac: str
    kind: str
    text: str


@dataclass
class Reader:
    """State that is kept between lines: the MAC of each address, and which exchanges are a firmware's or iPXE's. (Linux
    in the live image asks for an address too; that is no rung.) `neighbours` are the kernel's, by address: in proxy
    mode the log names no addresses."""

    addresses: dict[str, str] = field(default_factory=dict)
    booting_xid: str = ""
    neighbours: dict[str, str] = field(default_factory=dict)
    client: str = "PXE"
    architecture: int | None = None
    asked: list[tuple[str, int | None, str, int, int]] = field(default_factory=list)
    """MAC, architecture and client of each machine that was ignored, with the line's minute and second."""
    said: list[Said] = field(default_factory=list)
    is_proxy: bool = False
    refused: list[tuple[Fault | None, bool]] = field(default_factory=list)
    """For each line read that tells of a fault of this bench, or that an address was offered: `dhcpfaults.remembered`
    takes it."""

    def read(self, lines: Iterator[str] | list[str]) -> Iterator[Seen]:
        for line in lines:
            if match := _LINE.match(line):
                if (one := dhcpfaults.fault(match["text"])) or dhcpfaults.is_cured(match["text"]):
                    self.refused.append((one, one is None))
                self._note(match["text"], int(match["minute"]), int(match["second"]))
                seen = self._event(match["text"])
                if seen is not None:
                    yield Seen(*seen, int(match["minute"]), int(match["second"]))

    def _event(self, text: str) -> tuple[str, Rung, str] | None:
        if match := _CLIENT.match(text):
            self.booting_xid, self.client = match["xid"], match["client"]
            self.architecture = int(match["architecture"]) if match["architecture"] else None
            if self.is_proxy and self.client == "HTTP":  # dnsmasq logs no more of it, not even its MAC
                words = f"a machine asked as {newcomers.in_words(self.architecture, self.client)}"
                self.said.append(Said("", ladder.NO_LOADER, f"{words}: that is not served in pxe.mode proxy"))
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

    def _note(self, text: str, minute: int, second: int) -> None:
        """What a line tells beside the rungs: who was ignored, who has no loader here, whom another server won."""
        if (match := _IGNORED.match(text)) and match["xid"] == self.booting_xid:
            self.asked.append((match["mac"], self.architecture, self.client, minute, second))
        elif match := _OTHER_SERVER.match(text):
            words = f"another DHCP server on this network answered {match['mac']} first, with {match['address']}"
            self.said.append(Said(match["mac"], ladder.OTHER_SERVER, words))
        elif self._has_no_loader() and (match := _OFFER.match(text) or _PROXY.match(text)):
            words = f"{match['mac']} asks as {newcomers.in_words(self.architecture)}: there is no loader for it"
            if match["xid"] == self.booting_xid:
                self.said.append(Said(match["mac"], ladder.NO_LOADER, words))

    def _has_no_loader(self) -> bool:
        return self.architecture is not None and self.architecture not in dnsmasq.SERVED

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
    reader = Reader(
        state.get("addresses", {}), state.get("booting_xid", ""), neighbours, state.get("client", "PXE"),
        state.get("architecture"), is_proxy=settings.VETTING.pxe.mode == "proxy",
    )  # fmt: skip
    now = timezone.now()
    for seen in _once_each(reader.read(lines)):
        with faults.confined(f"Recording what dnsmasq's log says of {seen.mac}"):
            rungs.seen_on_wire(seen.mac, seen.rung, seen.detail, moment(seen.minute, seen.second, now))
    faulty = dhcpfaults.remembered(state.get("faults", {}), reader.refused, now.timestamp())
    dhcpfaults.report(faulty)
    _tell_runs(one for one, _ in reader.refused if one is not None)
    _record_asked(reader, now)
    for said in dict.fromkeys(reader.said):
        with faults.confined(f"Recording what dnsmasq's log says of {said.mac}"):
            rungs.said_on_wire(said.mac, said.kind, said.text)
    if lines or faulty != state.get("faults", {}) or place != {key: state.get(key) for key in place}:
        kept = {name: getattr(reader, name) for name in ("addresses", "booting_xid", "client", "architecture")}
        atomic.write_json(state_path, place | kept | {"faults": faulty})
    if pid and place["offset"] > ROTATE_BYTES:
        _rotate(files.log, pid)


def _record_asked(reader: Reader, now: datetime) -> None:
    """Record who was ignored, and have the pages of the runs that wait for a boot look again. Of each MAC the newest
    request, and no more MACs than are kept: who makes them up by the thousand must not keep the round busy."""
    if not reader.asked:
        return
    newest = {one[0]: one for one in reader.asked[-_MOST_ASKED:]}
    with faults.confined("Recording who asked in vain"):
        newcomers.record(
            Asked(mac, architecture, client, moment(minute, second, now).timestamp())
            for mac, architecture, client, minute, second in reader.asked[-_MOST_ASKED:]
        )
        for mac, architecture, client, *_ in list(newest.values())[-newcomers.MOST :]:
            rungs.asked_in_vain(mac, f"{mac} asked as {newcomers.in_words(architecture, client)} and is not registered")


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
