"""Machines whose firmware asked for network boot and got no answer, since their MAC is not registered: read from
dnsmasq's log (`log-dhcp`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runs.bench.newcomers import ARCHITECTURES

READ_BYTES = 512 * 1024
MOST = 20
_LINE = re.compile(r"(?P<at>\w{3} [ \d]\d \d\d:\d\d:\d\d) dnsmasq-dhcp\[\d+\]: (?P<xid>\d+) (?P<text>.*)")
_CLIENT = re.compile(r"vendor class: (?P<kind>PXE|HTTP)Client(?::Arch:(?P<arch>\d{1,5}))?")
_IGNORED = re.compile(
    r"(?:DHCPDISCOVER\(\S+\) (?:[\d.]+ )?(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) ignored"
    r"|PXE\(\S+\) (?:[\d.]+ )?(?P<proxy_mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) proxy-ignored)"
)


@dataclass
class Newcomer:
    """A MAC that asked `times` times in vain, and the architecture that its firmware named last; None if it named
    none."""

    mac: str
    times: int = 0
    architecture: int | None = None

    @property
    def words(self) -> str:
        named = "" if self.architecture is None else ARCHITECTURES.get(self.architecture, f"type {self.architecture}")
        return f"{self.mac} asked {self.times} times to boot{f' as {named}' if named else ''} and is not registered"


def read(lines: Iterable[str], now: datetime, within: timedelta) -> list[Newcomer]:
    """Those of the newest lines, the last to ask first. `now` in the time zone of the log, without an offset."""
    asking: dict[str, int | None] = {}
    found: dict[str, Newcomer] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None or not _is_recent(match["at"], now, within):
            continue
        if client := _CLIENT.match(match["text"]):
            asking[match["xid"]] = int(client["arch"]) if client["arch"] else None
        elif (ignored := _IGNORED.match(match["text"])) and match["xid"] in asking:
            mac = ignored["mac"] or ignored["proxy_mac"]
            one = found.pop(mac, None) or Newcomer(mac)
            one.times, one.architecture = one.times + 1, asking[match["xid"]]
            found[one.mac] = one
    return list(reversed(found.values()))[:MOST]


def _is_recent(text: str, now: datetime, within: timedelta) -> bool:
    """The log names no year: it is the one in which the time is not in the future."""
    try:
        at = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S")
        at = at if at <= now + timedelta(minutes=1) else at.replace(year=now.year - 1)
    except ValueError:  # 29 February of another year
        return False
    return now - at <= within


def tail(log: Path) -> list[str]:
    """The last lines of the log; none if there is no log."""
    try:
        with log.open("rb") as file:
            start = max(0, os.fstat(file.fileno()).st_size - READ_BYTES)
            file.seek(start)
            lines = file.read(READ_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return []
    return lines[1:] if start else lines
