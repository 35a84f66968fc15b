"""What a port's forward error correction did, as `ethtool -I --show-fec` prints it: blocks that it corrected, and
blocks that it could not (IEEE 802.3, 30.5.1.1.17 and 18)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.parsing import count

_TOTAL = re.compile(r"^[ \t]*(corrected|uncorrectable)_blocks:[ \t]*(\d{1,20})[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Blocks:
    """Since the driver was loaded. None: the driver does not count them."""

    corrected: int | None = None
    uncorrectable: int | None = None


def run(name: str, timeout_s: float = 5.0) -> shell.Completed:
    return shell.run(["ethtool", "-I", "--show-fec", name], timeout_s)


def parse(text: str) -> Blocks:
    """The totals of all lanes."""
    found = {word: count(number) for word, number in _TOTAL.findall(text)}
    return Blocks(found.get("corrected"), found.get("uncorrectable"))
