"""What an NVMe controller supports. Only its self-test is read here."""

from __future__ import annotations

from dataclasses import dataclass

from agent.host import shell
from agent.parsing import ParseError, integer, parse_json

_SELF_TEST = 1 << 4  # OACS bit 4, NVM Express base specification 1.3, figure 109


@dataclass(frozen=True)
class Controller:
    """`extended_minutes` is the nominal time of an extended self-test, 0 if it is not given."""

    self_test: bool
    extended_minutes: int


def run(path: str, timeout_s: float = 20.0) -> shell.Completed:
    return shell.run(["nvme", "id-ctrl", "-o", "json", path], timeout_s)


def parse(text: str) -> Controller:
    """Raises ParseError without an OACS field of 16 bits."""
    data = parse_json(text, "nvme id-ctrl")
    oacs = integer(data.get("oacs"))
    if oacs is None or not 0 <= oacs < 1 << 16:
        raise ParseError("nvme id-ctrl named no oacs")
    return Controller(bool(oacs & _SELF_TEST), integer(data.get("edstt")) or 0)
