"""Cards whose own firmware keeps the frames in which switches announce themselves, so that the kernel never gets one.

Intel's X710, XL710, XXV710 and X722 (i40e) do so by default, and E810 (ice) if its settings say so. lldpd asks the
drivers for the frames in the same way.
"""

from __future__ import annotations

from agent.host import shell

_FORGETS, _KEEPS = "i40e", "ice"


def hand_over(name: str, driver: str, timeout_s: float = 10.0) -> shell.Completed | None:
    """Have the card hand these frames over until the next boot. The card resets, and its link goes down and comes back.
    None if there is nothing to do. ice is left alone, since it would store the setting in the card."""
    if driver != _FORGETS:
        return None
    return shell.run(["ethtool", "--set-priv-flags", name, "disable-fw-lldp", "on"], timeout_s)


def why_silent(name: str, driver: str) -> str:
    """What may be the reason, and what a person can do, as the end of a sentence. Empty for other cards."""
    cures = {
        _FORGETS: "switch its LLDP agent off in the firmware setup",
        _KEEPS: f"`ethtool --set-priv-flags {name} fw-lldp-agent off`, which lasts",
    }
    return f", or the card's firmware keeps it: {cures[driver]}" if driver in cures else ""
