"""Driver and firmware of a network card, and its permanent address."""

from __future__ import annotations

from agent import shell
from agent.probes.parsing import ParseError, clean


def run_driver(name: str, timeout_s: float = 10.0) -> shell.Completed:
    return shell.run(["ethtool", "-i", name], timeout_s)


def parse_driver(text: str) -> dict[str, str]:
    """`driver`, `firmware-version`, `bus-info` and so on. Raises ParseError when there is no driver line."""
    pairs = (line.partition(":") for line in text.splitlines())
    found = {key.strip(): clean(value) for key, colon, value in pairs if colon}
    if "driver" not in found:
        raise ParseError("ethtool -i named no driver")
    return {key: "" if value.lower() in ("n/a", "na") else value for key, value in found.items()}
