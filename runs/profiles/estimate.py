"""How long a profile takes on a particular host, from its memory, disks and ports. Each stage says how its time follows
from them (`agent/contract/stage_spec.py`).

The plan is frozen into a run with its profile, so that it can be compared with the time that the run took. A time-out
still grows once the run's own inventory is known."""

from __future__ import annotations

import copy
from typing import Any

from agent.contract import stage_values
from agent.contract.host_facts import EARLY_TEST_USUAL_S_PER_GIB, TIMEOUT_LEEWAY, DiskFacts, HostFacts
from agent.contract.stage_spec import Plan
from hosts.models import Host
from runs import disk_writes
from runs.models import Run
from runs.profiles import durations
from runs.stages import BY_NAME

Document = dict[str, Any]

# From waking to the agent's claim. The firmware of a server alone takes one to two minutes.
BOOT_S = 90.0


def machine_of(host: Host) -> HostFacts | None:
    """The facts of a host from its newest inventory, else from its expected spec; None without both."""
    newest = host.runs.with_parts().values_list("inventory", flat=True).first()
    parts = newest or host.expected
    if not parts:
        return None
    writable = frozenset(host.writable_disks.values_list("serial", flat=True))
    return _facts(parts, host.expected or {}, writable)


def timeout_of_run_s(run: Run, name: str) -> float:
    """How long a stage of this run may take: the frozen time-out, or more if the run's own inventory says that the host
    is larger than was known when the run was queued. 0 if the profile does not have the stage."""
    return _timeout_s(name, run.profile, _machine_of_run(run))


def _machine_of_run(run: Run) -> HostFacts | None:
    """None before InventoryCheck has found it."""
    if not run.inventory:
        return None
    writable = frozenset(str(disk["serial"]) for disk in run.disks if disk["may_be_written"])
    return _facts(run.inventory, run.expected or {}, writable)


def _facts(parts: Document, expected: Document, writable: frozenset[str]) -> HostFacts:
    ports = expected.get("nics")
    if ports is None:
        ports = [nic for nic in parts.get("nics") or [] if nic.get("link", True)]
    ports = [nic for nic in ports if not (nic.get("spare") or nic.get("other_network"))]
    return HostFacts(
        memory_mb=int((parts.get("memory") or {}).get("total_mb") or 0),
        disks=tuple(_disk(disk) for disk in parts.get("disks") or [] if disk.get("bus") != "usb"),
        ports=len(ports),
        threads=int((parts.get("cpu") or {}).get("threads") or (parts.get("cpu") or {}).get("cores") or 0),
        not_expected=frozenset(expected.get("not_expected") or []),
        writable=writable,
    )


def planned(profile: Document, machine: HostFacts | None) -> Document:
    """A copy of the profile with the `expected_s` and the time-outs of this host, and with the time of its boot
    (`boot_s`); or with its own if nothing is known of the host."""
    plan = copy.deepcopy(profile)
    if machine is None:
        return plan
    for name, stage in plan["stages"].items():
        stage["expected_s"] = round(stage_s(name, profile, machine), 1)
        stage["timeout_s"] = _timeout_s(name, profile, machine)
    plan["boot_s"] = round(BOOT_S + early_test_s(profile, machine), 1)
    return plan


def early_test_s(profile: Document, machine: HostFacts) -> float:
    """Seconds by which the kernel's early test of memory makes the boot longer, if the profile orders it. It fills and
    reads each GiB once for each pattern, on one processor. The rate is that of 8 GB/s for both: a usual one for one
    processor of a server. The boot's deadline reckons with four times as long (`EARLY_TEST_S_PER_GIB`)."""
    memory = profile["stages"].get("Memory") or {}
    patterns = (memory.get("params") or {}).get("early_test_patterns", 0)
    return float(patterns) * machine.memory_mb / 1024 * EARLY_TEST_USUAL_S_PER_GIB


def _timeout_s(name: str, profile: Document, machine: HostFacts | None) -> float:
    """If a stage would come near its `timeout_s` on a large host, it gets more time."""
    least_s = float((profile.get("stages", {}).get(name) or {}).get("timeout_s", 0))
    if machine is None or not least_s:
        return least_s
    return max(least_s, float(round(TIMEOUT_LEEWAY * stage_s(name, profile, machine))))


def total_s(profile: Document) -> float:
    """Seconds of a whole run, from waking the host to the report."""
    return float(profile.get("boot_s", BOOT_S)) + sum(durations.plan(profile).values())


def of_host(host: Host, profile: Document) -> float:
    return total_s(planned(profile, machine_of(host)))


def from_stage_s(profile: Document, stage: str) -> float:
    """Seconds of this stage and all that follow: a retry goes on to the end of the run."""
    plan = durations.plan(profile)
    later = list(BY_NAME)[list(BY_NAME).index(stage) :]
    return sum(plan.get(name, 0.0) for name in later)


def stage_s(name: str, profile: Document, machine: HostFacts) -> float:
    """Seconds of one stage of this profile on this host."""
    stage, spec = profile["stages"][name], BY_NAME[name]
    if spec.topic in machine.not_expected:
        return 0.0
    if spec.duration_s is None:
        return durations.expected_s(stage)
    plan = Plan(profile["stages"], disk_writes.writes(profile), {}, lambda other: stage_s(other, profile, machine))
    try:
        params: Any = stage_values.read(spec.params, stage.get("params") or {}, f"stages.{name}.params")
        return spec.duration_s(params, machine, plan)
    except (LookupError, TypeError, ValueError):
        # An unknown part, or a profile that lacks what the agent will ask for.
        return durations.expected_s(stage)


def error_percent(run: Run) -> float | None:
    """By how many percent a run took longer than estimated (negative: less). None for a run that did not go to its
    end."""
    if run.started_at is None or run.ended_at is None or not run.frozen.stages:
        return None
    done = {row.name for row in run.stage_runs.all() if row.outcome}
    if not set(run.frozen.stages) <= done:
        return None
    took_s = (run.ended_at - run.started_at).total_seconds()
    return 100.0 * (took_s / total_s(run.profile) - 1.0)


def _disk(disk: Document) -> DiskFacts:
    """The facts of a disk. A SATA or SAS drive whose kind is not known counts as the slower kind, a hard disk."""
    bus = str(disk.get("bus") or "")
    kinds = {"nvme": "nvme", "virtio": "virtual"}
    kind = kinds.get(bus) or ("hdd" if disk.get("rotational", True) else "ssd")
    return DiskFacts(str(disk.get("serial") or ""), kind, int(disk.get("size_mb") or 0), tests_itself=bus != "virtio")
