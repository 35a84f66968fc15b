"""What is wrong with the boot path right now, for the dashboard and /healthz: `<data>/pxe/status.json`.

Shape: `{"dnsmasq": [{"who": "configuration", "what": "…", "fix": "…"}], "iperf3": []}`. An empty list means
that the part was looked at and is well. Written on change only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pxe import atomic
from pxe.paths import paths


@dataclass(frozen=True)
class Problem:
    """`who` must act: the configuration's author, or whoever looks after the bench (this machine)."""

    who: Literal["configuration", "bench"]
    what: str
    fix: str


def report(part: str, problems: list[Problem]) -> bool:
    """Put what is wrong with `part` on record; True when that is news."""
    path = paths().root / "status.json"
    return atomic.write_json(path, atomic.read_json(path) | {part: [asdict(problem) for problem in problems]})


def read() -> dict[str, Any]:
    return atomic.read_json(paths().root / "status.json")
