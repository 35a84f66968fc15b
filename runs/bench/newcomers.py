"""Machines that asked this bench for network boot and got no answer, since their MAC is no host's. The worker writes
them to `<data>/pxe/newcomers.json` as it reads dnsmasq's log; pages read them.

Its shape: `{"52:54:00:00:00:99": {"architecture": 7, "client": "PXE", "at": [1795644000.0]}}`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from hosts.models import HostMac
from runs.files import atomic

KEPT_S = 24 * 3600
MOST = 50
MOST_TIMES = 100
# [RFC 5970 and IANA's processor architecture types]
ARCHITECTURES = {
    0: "BIOS", 2: "Itanium", 6: "UEFI x86 (32 bits)", 7: "UEFI x64", 9: "UEFI x64", 10: "UEFI ARM (32 bits)",
    11: "UEFI ARM64", 15: "UEFI HTTP x86 (32 bits)", 16: "UEFI HTTP x64", 18: "UEFI HTTP ARM (32 bits)",
    19: "UEFI HTTP ARM64",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request in vain. `architecture` is the number that the firmware named, None if it named none. `client` is the
    beginning of its vendor class: PXE or HTTP."""

    mac: str
    architecture: int | None
    client: str
    at: float


@dataclass(frozen=True)
class Newcomer:
    """A MAC that is no host's, and how often it asked."""

    mac: str
    times: int
    architecture: int | None
    client: str
    last: datetime

    @property
    def words(self) -> str:
        often = "once" if self.times == 1 else f"{self.times} times"
        return f"{self.mac} asked {often} as {in_words(self.architecture, self.client)} and is not registered"


def in_words(architecture: int | None, client: str = "PXE") -> str:
    """`UEFI x64`; the vendor class if the firmware names no architecture."""
    if architecture is None:
        return f"{client}Client"
    return ARCHITECTURES.get(architecture, f"{client}Client of type {architecture}")


def record(found: Iterable[Asked]) -> None:
    """Add these requests. A MAC that has not asked for a day is dropped, and of too many those that asked first."""
    new = list(found)
    known = atomic.read_json(_path())
    kept = _current(known, time.time())
    for one in new:
        row = kept.pop(one.mac, {"at": []})
        kept[one.mac] = {
            "architecture": one.architecture, "client": one.client, "at": [*row["at"], one.at][-MOST_TIMES:],
        }  # fmt: skip
    kept = dict(list(kept.items())[-MOST:])
    if kept != known:
        _path().parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(_path(), kept)


def since(moment: datetime | None = None) -> list[Newcomer]:
    """Those who asked since then, or within a day; the last to ask first. Who is registered by now is none."""
    from_s = int(moment.timestamp()) if moment else time.time() - KEPT_S  # the log has whole seconds
    known = atomic.read_json(_path())
    rows = {mac: [at for at in row["at"] if at >= from_s] for mac, row in known.items()}
    asked = [mac for mac, times in rows.items() if times]
    if not asked:
        return []
    registered = set(HostMac.objects.filter(mac__in=asked).values_list("mac", flat=True))
    found = [_newcomer(mac, known[mac], rows[mac]) for mac in asked if mac not in registered]
    return sorted(found, key=lambda one: one.last, reverse=True)


def _newcomer(mac: str, row: Mapping[str, Any], times: list[float]) -> Newcomer:
    last = datetime.fromtimestamp(max(times), UTC)
    return Newcomer(mac, len(times), row["architecture"], row["client"], last)


def _current(known: Mapping[str, Any], now_s: float) -> dict[str, Any]:
    return {mac: row for mac, row in known.items() if row["at"] and now_s - row["at"][-1] < KEPT_S}


def _path() -> Path:
    return settings.PXE_DIR / "newcomers.json"
