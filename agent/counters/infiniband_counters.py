"""The error counters of InfiniBand ports (Linux Documentation/ABI/stable/sysfs-class-infiniband; InfiniBand
Architecture Specification, volume 1, "PortCounters").

They have few bits and stay at their highest value instead of starting anew. So a counter that is full counts nothing
more, and how much it would have risen is unknown: UNREAD, not zero. Errors of another link
(port_rcv_remote_physical_errors) and of the traffic (discards, waits, constraints) are no errors of this port.
"""

from __future__ import annotations

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import UNREAD, Counts
from agent.host import sysfs
from agent.probes import infiniband

KIND = "infiniband"
# File → how many bits the counter has.
ERRORS = {
    "symbol_error": 16,
    "link_error_recovery": 8,
    "link_downed": 8,
    "port_rcv_errors": 16,
    "local_link_integrity_errors": 4,
    "excessive_buffer_overrun_errors": 4,
}


def read(names: Names) -> Counts:
    """The counters of each port. A port of which none can be read is UNREAD."""
    counts: Counts = {}
    for port in infiniband.ports({}, names.root):
        known = _of_port(port, names)
        counts.update(known or {("nic.ib.counters", KIND, _name(port)): UNREAD})
    return counts


def _of_port(port: wire.InfinibandPort, names: Names) -> Counts:
    folder = infiniband.folder(port.name, names.root) / "counters"
    counts: Counts = {}
    for name, bits in ERRORS.items():
        value = sysfs.integer(folder / name)
        if value is not None:
            counts[f"nic.ib.{name}", KIND, _name(port)] = value
        if value is not None and value >= 2**bits - 1:
            counts[f"nic.ib.{name} is full", KIND, _name(port)] = UNREAD
    return counts


def _name(port: wire.InfinibandPort) -> str:
    return port.guid or port.name
