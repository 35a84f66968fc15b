"""What the rack changes in a profile so that a quick run takes about a minute: times and amounts, never limits."""

from __future__ import annotations

from typing import Any

from tests.rack.machinefile import Machine

SHORT: dict[str, object] = {
    "stages.InventoryCheck.params.link_wait_s": 5,
    "stages.InventoryCheck.params.disk_wait_s": 5,
    "stages.CPUStress.params.duration_s": 6,
    "stages.CPUStress.params.idle_s": 1,
    "stages.CPUStress.params.cores_max_s": 6,
    "stages.CPUStress.params.screen_s": 12,
    "stages.Memory.params.duration_s": 5,
    "stages.Memory.params.max_duration_s": 10,
    "stages.Memory.params.test_max_mb": 384,
    "stages.Memory.params.coverage_min_percent": 5,
    "stages.Storage.params.speed_s": 1,
    "stages.Storage.params.write_max_mb": 256,
    "stages.Network.params.throughput_duration_s": 2,
    "stages.Network.params.ping_count": 200,
    "stages.Burn.params.duration_s": 6,
    "stages.Burn.params.memory_max_mb": 128,
    "stages.Burn.params.waves_s": 2,
    "stages.PSU.params.load_duration_s": 5,
    "stages.PSU.params.waves_s": 3,
}


# Where a cell is bad, it must be under test, and often: stressapptest chooses ones or zeros by chance, so each pass
# sees a stuck bit with a probability of one half. Two emulated processors copy 0.2 to 0.4 GiB/s: 10 to 20 passes.
_ALL_MEMORY: dict[str, object] = {
    "stages.Memory.params.test_max_mb": 0,
    "stages.Memory.params.per_gib_s": 50,
    "stages.Memory.params.max_duration_s": 200,
}


def of(machine: Machine) -> dict[str, object]:
    """What is overridden in the machine's profile."""
    shortened = {**SHORT, **(_ALL_MEMORY if machine.bad_ram else {})} if machine.durations == "short" else {}
    return {**shortened, **machine.overrides}


def as_profiles(overrides: dict[str, object]) -> dict[str, dict[str, Any]]:
    """`short` and `short-write`: the quick profiles with these values by dotted path, as files of one's own would have
    them. For who starts a run from a page, where a profile can only be chosen."""
    values: dict[str, Any] = {}
    for path, value in overrides.items():
        holder = values
        *way, leaf = path.split(".")
        for key in way:
            holder = holder.setdefault(key, {})
        holder[leaf] = value
    short = {"name": "short", "extends": "quick", "title": "Short", "description": "Everything briefly.", **values}
    writes = {"title": "Short, with writes", "description": "As short, and writes.", "storage": {"mode": "write"}}
    return {"short": short, "short-write": {"name": "short-write", "extends": "short", **writes}}
