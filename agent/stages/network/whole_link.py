"""Whether a link runs at its full speed and lost nothing. Then every lane that it needs carries."""

from __future__ import annotations

from pathlib import Path

from agent.counters import sysfs_counters
from agent.counters.counting import Counts
from agent.parsing import ParseError
from agent.probes.network import ethtool
from agent.probes.network.nics import NicState

# Every port has it: without it nothing was read.
_DAMAGED = "nic.rx_crc_errors"


def errors(name: str, mac: str, root: Path = Path("/")) -> Counts:
    """What the kernel and the driver count of lost bits and lost links of this port."""
    return sysfs_counters.kernel_errors_of(name, mac, root) | sysfs_counters.driver_errors_of(name, mac, root)


def full_mbit(name: str, expected: int | None) -> int | None:
    """The speed that the spec expects, or else the highest that the card offers. None if neither is known."""
    if expected:
        return expected
    try:
        return max(ethtool.parse_link(ethtool.run_link(name).stdout).own_mbit, default=None)
    except ParseError:
        return None


def is_whole(state: NicState, full: int | None, before: Counts, after: Counts) -> bool:
    """`state` is that after the load, `before` and `after` are the port's `errors`."""
    at_full_speed = state.link and full is not None and (state.speed_mbit or 0) >= full
    return at_full_speed and (_DAMAGED, "nic", state.mac) in after and before == after
