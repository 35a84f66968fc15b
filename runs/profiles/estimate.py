"""How long a profile takes on a particular host: what depends on its memory, disks and ports, as the profile caps it.
Plain functions of data; the figures that they rest on are in `RATES` and beside it.

The plan is frozen into a run with its profile, so that what was promised can be compared with what it took."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hosts.models import Host
from runs import disk_writes
from runs.models import Run
from runs.profiles import durations
from runs.stages import BY_NAME

Document = dict[str, Any]

# From the firmware's own time to the agent's claim: a server takes one to two minutes.
BOOT_S = 90.0
# MB/s over a whole drive, all at once. A hard disk's mean is 0.75 of its outermost tracks; SATA ends at 550.
RATES = {"hdd": 160.0, "ssd": 450.0, "nvme": 2000.0, "virtual": 300.0}
# A drive's own short test: ATA names 1 to 2 minutes, and the log is read before and after.
SHORT_TEST_S = 130.0
# memtester: 18 patterns on one core; 100 s per GiB as measured.
MEMTESTER_S_PER_GIB = 120.0
# stressapptest fills all memory before, and checks it after the time asked for: twice at 5 GB/s.
FILLING_S_PER_GIB = 0.4
# Starting and ending a load; stressapptest's check of cache coherency alone takes 5.
START_S = 6.0
# Between two tests of a port: connecting, and the supervised server's own restart.
PER_PORT_S = 4.0
DIRECTIONS = 3  # out, in, and both at once
WRITE_PASSES = 3  # written, read back, blanked
# A stage's time-out is never nearer to what it should take: a machine somewhat slower than these figures does not hang.
TIMEOUT_LEEWAY = 1.25
_MB_PER_MIB = 1.048576


@dataclass(frozen=True)
class Disk:
    """`kind` is a key of RATES; `tests_itself` whether it has SMART at all."""

    serial: str
    kind: str
    size_mb: int
    tests_itself: bool = True

    def seconds(self, size_mb: float) -> float:
        return size_mb * _MB_PER_MIB / RATES[self.kind]


@dataclass(frozen=True)
class Machine:
    """What is known of a host before it is booted, and which of its disks may be written."""

    memory_mb: int
    disks: tuple[Disk, ...]
    ports: int
    threads: int = 0
    not_expected: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()


def machine_of(host: Host) -> Machine | None:
    """By the newest inventory, else by the expected spec; None where neither says anything."""
    newest = host.runs.with_parts().values_list("inventory", flat=True).first()
    parts = newest or host.expected
    if not parts:
        return None
    expected = host.expected or {}
    ports = expected.get("nics")
    if ports is None:
        ports = [nic for nic in parts.get("nics") or [] if nic.get("link", True)]
    return Machine(
        memory_mb=int((parts.get("memory") or {}).get("total_mb") or 0),
        disks=tuple(_disk(disk) for disk in parts.get("disks") or [] if disk.get("bus") != "usb"),
        ports=len(ports),
        threads=int((parts.get("cpu") or {}).get("threads") or (parts.get("cpu") or {}).get("cores") or 0),
        not_expected=frozenset(expected.get("not_expected") or []),
        writable=frozenset(host.writable_disks.values_list("serial", flat=True)),
    )


def planned(profile: Document, machine: Machine | None) -> Document:
    """A copy of the profile whose `expected_s` are those of this machine; the profile's own where nothing is known. A
    machine so large that a stage would come near its `timeout_s` gets a later one: it is no machine that hangs."""
    plan = copy.deepcopy(profile)
    for name, stage in plan["stages"].items() if machine else ():
        seconds = stage_s(name, profile, machine)
        stage["expected_s"] = round(seconds, 1)
        stage["timeout_s"] = max(float(stage["timeout_s"]), float(round(TIMEOUT_LEEWAY * seconds)))
    return plan


def total_s(profile: Document) -> float:
    """Of a whole run, from being woken to its report."""
    return BOOT_S + sum(durations.plan(profile).values())


def of_host(host: Host, profile: Document) -> float:
    return total_s(planned(profile, machine_of(host)))


def from_stage_s(profile: Document, stage: str) -> float:
    """Of this stage and those after it: a retry goes on to the end."""
    plan = durations.plan(profile)
    later = list(BY_NAME)[list(BY_NAME).index(stage) :]
    return sum(plan.get(name, 0.0) for name in later)


def stage_s(name: str, profile: Document, machine: Machine) -> float:
    """One stage of this profile on this machine."""
    stage = profile["stages"][name]
    if BY_NAME[name].topic in machine.not_expected:
        return 0.0
    try:
        return _CALCULATED[name](stage.get("params") or {}, machine, profile)
    except (LookupError, TypeError, ValueError):
        # A stage that depends on nothing, an unknown part, or a profile that lacks what the agent will ask for.
        return durations.expected_s(stage)


def error_percent(run: Run) -> float | None:
    """By how much a run took longer than it was said to (less: negative); None for one that didn't go to its end."""
    if run.started_at is None or run.ended_at is None or not run.profile.get("stages"):
        return None
    done = {row.name for row in run.stage_runs.all() if row.outcome}
    if not set(run.profile["stages"]) <= done:
        return None
    took_s = (run.ended_at - run.started_at).total_seconds()
    return 100.0 * (took_s / total_s(run.profile) - 1.0)


def _disk(disk: Document) -> Disk:
    """Of a SATA or SAS drive that nobody has seen yet the slower kind is supposed."""
    bus = str(disk.get("bus") or "")
    kinds = {"nvme": "nvme", "virtio": "virtual"}
    kind = kinds.get(bus) or ("hdd" if disk.get("rotational", True) else "ssd")
    return Disk(str(disk.get("serial") or ""), kind, int(disk.get("size_mb") or 0), tests_itself=bus != "virtio")


def _smart(params: Document, machine: Machine, profile: Document) -> float:
    disks = [disk for disk in machine.disks if disk.tests_itself]
    kind = params.get("self_test")
    if not disks or kind == "none":
        return START_S
    return START_S if params["self_test_in_background"] else _self_test(params, machine)


def _self_test(params: Document, machine: Machine) -> float:
    """Of the drives' own tests, side by side. One that would take longer than it may gets the short one."""
    if params["self_test"] != "long":
        return SHORT_TEST_S
    each = (disk.seconds(disk.size_mb) for disk in machine.disks if disk.tests_itself)
    return _slowest(one if one <= params["self_test_long_max_s"] else SHORT_TEST_S for one in each)


def _left_of_self_test(machine: Machine, profile: Document) -> float:
    """What Storage waits for: the long test has run since SMART, while processors and memory were at work."""
    params = (profile["stages"].get("SMART") or {}).get("params") or {}
    if not params.get("self_test_in_background") or params.get("self_test") == "none":
        return 0.0
    meanwhile = sum(stage_s(name, profile, machine) for name in ("CPUStress", "Memory") if name in profile["stages"])
    return max(0.0, _self_test(params, machine) - meanwhile)


def _cpu(params: Document, machine: Machine, profile: Document) -> float:
    """At rest, all cores at once, then each alone."""
    alone = min(params["cores_max_s"], params["core_s"] * machine.threads)
    return START_S + params["idle_s"] + params["duration_s"] + alone


def _memory(params: Document, machine: Machine, profile: Document) -> float:
    if not machine.memory_mb:
        raise LookupError("nobody knows how much memory there is")
    testable_mb = machine.memory_mb * (1 - params["reserve_percent"] / 100)
    gib = min(testable_mb, params["test_max_mb"] or testable_mb) / 1024
    stress_s = min(params["max_duration_s"], params["duration_s"] + params["per_gib_s"] * gib)
    bits_gib = min(gib, (params["memtester_max_mb"] or testable_mb) / 1024)
    bits_s = min(params["memtester_max_s"], params["memtester_loops"] * MEMTESTER_S_PER_GIB * bits_gib)
    return START_S + stress_s + FILLING_S_PER_GIB * gib + bits_s


def _storage(params: Document, machine: Machine, profile: Document) -> float:
    """Surfaces at once, speeds one after the other, writes at once."""
    sample_mb = params["sample_max_mb"]
    surface = _slowest(disk.seconds(min(disk.size_mb, sample_mb or disk.size_mb)) for disk in machine.disks)
    speed = 2 * params["speed_s"] * len(machine.disks)
    targets = [disk for disk in machine.disks if disk.serial in machine.writable]
    if not disk_writes.writes(profile):
        targets = []
    amount = params["write_max_mb"]
    written = _slowest(WRITE_PASSES * disk.seconds(min(disk.size_mb, amount)) for disk in targets)
    waiting = _left_of_self_test(machine, profile)
    return START_S + waiting + min(params["surface_max_s"], surface) + speed + written


def _network(params: Document, machine: Machine, profile: Document) -> float:
    each = DIRECTIONS * params["throughput_duration_s"] + params["ping_count"] * params["ping_interval_s"] + PER_PORT_S
    return START_S + machine.ports * each


def _burn(params: Document, machine: Machine, profile: Document) -> float:
    gib = (machine.memory_mb or 0) * params["memory_percent"] / 100 / 1024
    return START_S + float(params["duration_s"]) + FILLING_S_PER_GIB * gib


def _load(name: str) -> Callable[[Document, Machine, Document], float]:
    return lambda params, machine, profile: START_S + float(params[name])


def _slowest(seconds: Iterable[float]) -> float:
    return max(seconds, default=0.0)


_CALCULATED: dict[str, Callable[[Document, Machine, Document], float]] = {
    "SMART": _smart,
    "CPUStress": _cpu,
    "Memory": _memory,
    "Storage": _storage,
    "Network": _network,
    "Burn": _burn,
    "PSU": _load("load_duration_s"),
}
