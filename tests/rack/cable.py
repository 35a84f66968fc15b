"""The cable from a machine's NIC to the bridge, as fast and as lossy as the machine file says, in both
directions.

A sound cable is a tap in the bridge. A slow one has a bridge and a veth pair of its own between the two, with
a token bucket (tc-tbf) on each end: what leaves a tap towards the network can only be held back on another
device.
"""

from __future__ import annotations

import subprocess
import sys

from tests.rack.errors import RackBroken
from tests.rack.machinefile import Nic
from tests.rack.netns import BRIDGE, Namespace

BURST_BYTES = 65536


def tap_name(index: int) -> str:
    return f"tap{index}"


def lay(namespace: Namespace, index: int, nic: Nic) -> str:
    """Makes the cable of NIC number `index`; the tap's name."""
    tap = tap_name(index)
    namespace.ip("tuntap", "add", "dev", tap, "mode", "tap")
    namespace.ip(
        "link",
        "set",
        tap,
        "master",
        _slow_segment(namespace, index, nic.rate_mbit) if nic.rate_mbit else BRIDGE,
    )
    namespace.ip("link", "set", tap, "up")
    if nic.loss_percent:
        _lose(namespace, tap, nic.loss_percent)
    return tap


def _slow_segment(namespace: Namespace, index: int, rate_mbit: int) -> str:
    """A bridge for one machine, joined to the common one by a veth pair that carries `rate_mbit` each way."""
    bridge, near, far = f"brslow{index}", f"near{index}", f"far{index}"
    namespace.ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    namespace.ip("link", "add", near, "type", "veth", "peer", "name", far)
    for device, master in ((near, bridge), (far, BRIDGE)):
        namespace.ip("link", "set", device, "master", master)
        namespace.ip("link", "set", device, "up")
        namespace.tc("qdisc", "add", "dev", device, "root", "tbf", "rate", f"{rate_mbit}mbit",
                     "burst", str(BURST_BYTES), "latency", "50ms")  # fmt: skip
    namespace.ip("link", "set", bridge, "up")
    return bridge


def _lose(namespace: Namespace, tap: str, percent: float) -> None:
    """In a process of its own: the loaded program is pinned in a file system that only that process can
    see."""
    command = namespace.enter_command([sys.executable, "-m", "tests.rack.packetloss", tap, str(percent)])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RackBroken(f"cannot make {tap} lose {percent} % of its packets: {done.stderr.strip()}")
