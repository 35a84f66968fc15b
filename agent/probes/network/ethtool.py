"""Driver and firmware of a network card, and the speeds that both ends of its link support."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.parsing import ParseError, clean


def run_driver(name: str, timeout_s: float = 10.0) -> shell.Completed:
    return shell.run(["ethtool", "-i", name], timeout_s)


def parse_driver(text: str) -> dict[str, str]:
    """`driver`, `firmware-version`, `bus-info` and so on. Raises ParseError without a driver line."""
    pairs = (line.partition(":") for line in text.splitlines())
    found = {key.strip(): clean(value) for key, colon, value in pairs if colon}
    if "driver" not in found:
        raise ParseError("ethtool -i named no driver")
    return {key: "" if value.lower() in ("n/a", "na") else value for key, value in found.items()}


# `1000baseT/Full`, `25000baseCR/Full`, and without a duplex `10000baseR_FEC`.
_MODE = re.compile(r"([1-9]\d{0,6})base[\w-]{0,20}(?:/(Half|Full))?")


@dataclass(frozen=True)
class LinkModes:
    """Full-duplex speeds in Mbit/s: those that the card offers, and those that the other end offers, empty if it does
    not say. `speed_mbit` is the negotiated one."""

    speed_mbit: int | None
    own_mbit: frozenset[int]
    partner_mbit: frozenset[int]

    @property
    def best_mbit(self) -> int | None:
        """The highest speed that both ends offer. None if one of them does not say."""
        return max(self.own_mbit & self.partner_mbit, default=None)


def run_link(name: str, timeout_s: float = 10.0) -> shell.Completed:
    return shell.run(["ethtool", name], timeout_s)


def parse_link(text: str) -> LinkModes:
    """Raises ParseError for anything but ethtool's page of settings."""
    if "Settings for" not in text:
        raise ParseError("ethtool printed no settings")
    speed = re.search(r"^[ \t]*Speed:[ \t]*(\d{1,7})Mb/s", text, re.MULTILINE)
    # Some drivers do not offer all that the card supports: 2.5 and 5 Gbit/s of Realtek's and Intel's newer cards.
    own = _modes(text, "Advertised link modes") or _modes(text, "Supported link modes")
    return LinkModes(int(speed[1]) if speed else None, own, _modes(text, "Link partner advertised link modes"))


def _modes(text: str, title: str) -> frozenset[int]:
    """The modes of a list, which may continue on lines without a title. Empty if any word in it is no mode, since that
    word may be the fastest mode."""
    match = re.search(rf"^[ \t]*{title}:(.*(?:\n[ \t]+[^:\n]+$)*)", text, re.MULTILINE)
    found = [_MODE.fullmatch(word) for word in match[1].split()] if match else []
    known = [mode for mode in found if mode]
    return frozenset(int(mode[1]) for mode in known if mode[2] == "Full" and len(known) == len(found))
