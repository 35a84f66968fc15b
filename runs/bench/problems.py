"""What is wrong with the bench now, for the pages and /healthz. Kept in `<data>/pxe/status.json`, written on change.

Its shape: `{"dnsmasq": [{"who": "configuration", "what": "…", "fix": "…"}], "iperf3": []}`. An empty list means that
this source looked and found no problem.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from django.conf import settings

from runs.files import atomic

SOURCES = (
    "configuration",
    "setup",
    "dnsmasq",
    "dhcp",
    "iperf3",
    "load",
    "port",
    "round",
    "jobs",
    "clock",
    "machines",
    "faults",
)


@dataclass(frozen=True)
class Problem:
    """One problem. `who` says who must act: the author of the configuration, or the operator of the bench."""

    who: Literal["configuration", "bench"]
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


def report(source: str, problems: list[Problem]) -> bool:
    """Record what `source` found wrong. True if it changed."""
    known, found = atomic.read_json(_path()), [asdict(problem) for problem in problems]
    if known.get(source) == found:
        return False
    _path().parent.mkdir(parents=True, exist_ok=True)
    return atomic.write_json(_path(), known | {source: found})


def problems(source: str = "") -> list[Problem]:
    """The problems that one source reported, or all."""
    known = atomic.read_json(_path())
    return [Problem(**problem) for name in ([source] if source else SOURCES) for problem in known.get(name, [])]


def _path() -> Path:
    return settings.PXE_DIR / "status.json"
