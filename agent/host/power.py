"""Powers the host off, and makes sure that it can be woken again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from agent.host import identity, shell

_SUPPORTS = re.compile(r"^\s*Supports Wake-on:\s*(?P<modes>\w+)", re.MULTILINE)
TOOL_TIMEOUT_S = 10
POWEROFF_TIMEOUT_S = 30


class Power:
    """`say` gets a line for each port that can't be armed, so that a host that can't be woken surprises nobody."""

    def __init__(self, say: Callable[[str, str], None], root: Path = identity.ROOT) -> None:
        self.say, self.root = say, root

    def arm_wake_on_lan(self) -> None:
        """Enable wake by magic packet on every port that supports it: drivers reset the setting, and the next vetting
        needs it."""
        for name, mac in identity.physical_nics(self.root):
            if not supports_magic_packet(shell.run(["ethtool", name], TOOL_TIMEOUT_S).stdout):
                self.say("info", f"{name} ({mac}) can't be woken by a magic packet")
                continue
            done = shell.run(["ethtool", "-s", name, "wol", "g"], TOOL_TIMEOUT_S)
            if not done.ok:
                self.say("warning", f"{name} ({mac}): Wake-on-LAN could not be armed: {done.trouble}")

    def off(self) -> None:
        """An orderly shutdown if systemd still answers, at once if not: nothing on a disk is open."""
        if not shell.run(["systemctl", "poweroff"], POWEROFF_TIMEOUT_S).ok:
            shell.run(["systemctl", "poweroff", "--force", "--force"], POWEROFF_TIMEOUT_S)


def supports_magic_packet(text: str) -> bool:
    """Whether `ethtool IF` lists `g` among the wake-up modes the port supports."""
    match = _SUPPORTS.search(text)
    return bool(match and "g" in match["modes"])
