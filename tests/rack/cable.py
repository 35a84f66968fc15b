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
# An emulated card takes frames in as fast as a busy bench lets it. Meanwhile they wait here instead of being lost, as
# they would on no real card: TCP's largest window (net.ipv4.tcp_rmem, 6 MiB) is 4400 of them, for each of its streams.
QUEUE_FRAMES = 16384


def tap_name(index: int) -> str:
    return f"tap{index}"


def lay(namespace: Namespace, index: int, nic: Nic) -> str:
    """Makes the cable of NIC number `index`; the tap's name."""
    tap = tap_name(index)
    namespace.ip("tuntap", "add", "dev", tap, "mode", "tap")
    namespace.ip("link", "set", tap, "txqueuelen", str(QUEUE_FRAMES))
    namespace.ip("link", "set", tap, "master", _bridge(namespace, index, nic))
    namespace.ip("link", "set", tap, "up")
    if nic.model != "virtio":
        _change(namespace, tap, "padding")
    if nic.loss_percent:
        _change(namespace, tap, "packetloss", str(nic.loss_percent))
    return tap


def _bridge(namespace: Namespace, index: int, nic: Nic) -> str:
    """The bridge that the cable ends in."""
    if nic.network == "other":
        return _other_network(namespace, index)
    return _slow_segment(namespace, index, nic.rate_mbit) if nic.rate_mbit else BRIDGE


def _other_network(namespace: Namespace, index: int) -> str:
    """A bridge that the bench is not in."""
    bridge = f"brother{index}"
    namespace.ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    namespace.ip("link", "set", bridge, "up")
    return bridge


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


def _change(namespace: Namespace, tap: str, program: str, *words: str) -> None:
    """Puts one of the rack's programs for frames on the tap, from a process of its own."""
    command = namespace.enter_command([sys.executable, "-m", f"tests.rack.{program}", tap, *words])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RackBroken(f"the rack's {program} cannot be put on {tap}: {done.stderr.strip()}")
