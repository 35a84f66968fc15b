"""The error counters of InfiniBand ports (Linux Documentation/ABI/stable/sysfs-class-infiniband; InfiniBand
Architecture Specification, volume 1, "PortCounters").

They have few bits and stay at their highest value instead of starting anew. So how much a full counter would have risen
is unknown, which is not zero. Errors of another link (port_rcv_remote_physical_errors) and of the traffic (discards,
waits, constraints) are no errors of this port.
"""

from __future__ import annotations

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import Counts
from agent.host import sysfs
from agent.probes.network import infiniband

KIND, FULL = "infiniband", "port.full"
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
    """The counters of each port. FULL is above 0 if one of them is full, or if none can be read."""
    counts: Counts = {}
    for port in infiniband.ports({}, names.root):
        known, name = _of_port(port, names), port.guid or port.name
        counts |= {(f"nic.ib.{counter}", KIND, name): value for counter, value in known.items()}
        full = [counter for counter, value in known.items() if value >= 2 ** ERRORS[counter] - 1]
        counts[FULL, KIND, name] = len(full) if known else len(ERRORS)
    return counts


def _of_port(port: wire.InfinibandPort, names: Names) -> dict[str, int]:
    folder = infiniband.folder(port.name, names.root) / "counters"
    values = {name: sysfs.integer(folder / name) for name in ERRORS}
    return {name: value for name, value in values.items() if value is not None}
