"""What is wrong with the bench right now, for the pages and /healthz: `<data>/pxe/status.json`.

Shape: `{"dnsmasq": [{"who": "configuration", "what": "…", "fix": "…"}], "iperf3": []}`. An empty list means
that the part was looked at and is well. Written on change only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from django.conf import settings

from runs.files import atomic

SOURCES = ("configuration", "dnsmasq", "iperf3", "load", "port", "round", "jobs")


@dataclass(frozen=True)
class Problem:
    """`who` must act: the configuration's author, or whoever looks after the bench (this machine)."""

    who: Literal["configuration", "bench"]
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


def report(source: str, problems: list[Problem]) -> bool:
    """Put what is wrong with `part` on record; True when that is news."""
    _path().parent.mkdir(parents=True, exist_ok=True)
    return atomic.write_json(_path(), atomic.read_json(_path()) | {source: [asdict(problem) for problem in problems]})


def problems(source: str = "") -> list[Problem]:
    """Of one part, or of all."""
    known = atomic.read_json(_path())
    return [Problem(**problem) for name in ([source] if source else SOURCES) for problem in known.get(name, [])]


def _path() -> Path:
    return settings.PXE_DIR / "status.json"
