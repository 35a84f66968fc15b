"""What is known about a host before it is booted, and the speeds from which the stages calculate how long they take on
it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Mean MB/s over a whole drive, with all drives read at once. A hard disk's mean is 0.75 of its outermost tracks; SATA's
# limit is 550.
RATES = {"hdd": 160.0, "ssd": 450.0, "nvme": 2000.0, "virtual": 300.0}
# What all hard disks of a host get together at least: the four lanes of SAS-2 between a controller and the expander of
# a backplane or shelf carry 2400 MB/s, of which 2061 were measured with 44 disks.
SHARED_MB_S = 2000.0
# stressapptest fills all memory before the given time and checks it after that time, each at 5 GB/s.
FILLING_S_PER_GIB = 0.4
# One pattern of the kernel's early test: one processor writes 1 GiB and reads it. FreeBSD counted 1 s per GiB for the
# like in a virtual machine, which is the most; a processor that reaches 8 GB/s, as servers' do, takes a quarter.
EARLY_TEST_S_PER_GIB = 1.0
EARLY_TEST_USUAL_S_PER_GIB = 0.25
# The time for starting and ending a load; stressapptest's check of cache coherency alone takes 5 s.
START_S = 6.0
# A stage's time-out is at least so many times its expected duration: a host may be slower than the estimate.
TIMEOUT_LEEWAY = 1.25
_MB_PER_MIB = 1.048576


@dataclass(frozen=True)
class DiskFacts:
    """`kind` is a key of RATES; `tests_itself` says whether it has SMART at all."""

    serial: str
    kind: str
    size_mb: int
    tests_itself: bool = True

    def seconds(self, size_mb: float) -> float:
        """How long it takes to read or write this many MiB of the disk."""
        return size_mb * _MB_PER_MIB / RATES[self.kind]


@dataclass(frozen=True)
class HostFacts:
    """`memory_mb` and `threads` are 0 if unknown. `writable` has the serial numbers of disks that may be written."""

    memory_mb: int
    disks: tuple[DiskFacts, ...]
    ports: int
    threads: int = 0
    not_expected: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()


def slowest(seconds: Iterable[float]) -> float:
    """The longest time of work that is done in parallel."""
    return max(seconds, default=0.0)


def together_s(amounts: Sequence[tuple[DiskFacts, float]]) -> float:
    """How long it takes to read or write so many MiB of each disk, all disks at once. The slowest disk decides, or the
    link that the hard disks share."""
    return max(on_shared_link_s(amounts), slowest(disk.seconds(size_mb) for disk, size_mb in amounts))


def on_shared_link_s(amounts: Sequence[tuple[DiskFacts, float]]) -> float:
    """How long so many MiB of each hard disk need on the link that all of them share."""
    return sum(size_mb for disk, size_mb in amounts if disk.kind == "hdd") * _MB_PER_MIB / SHARED_MB_S
