"""What a stage's result is set beside: the host's earlier runs, and equal parts of other hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent import wire
from runs import trends, twins
from runs.machine import State
from runs.models import Outcome, Run, StageRun

RUNS_BACK = 50
# So many inventories are read inside the answer to a result: enough to know what is usual.
PEER_RUNS = 30
# What such a disk reads in a second depends on its neighbours, not on itself.
_VIRTUAL = ("QEMU", "VMware", "VBOX", "Virtual", "Msft")


def judged(stage_run: StageRun) -> list[wire.Finding]:
    """What a stage's result says beside others. No query for a stage that compares with nothing."""
    if stage_run.name == State.FIRMWARE:
        return _firmware(stage_run.run)
    return _numbers(stage_run)


def _firmware(run: Run) -> list[wire.Finding]:
    """Beside the newest inventory of each other host."""
    rows = Run.objects.filter(inventory__isnull=False).exclude(host_id=run.host_id).order_by("-pk")
    newest: dict[int, Any] = {}
    for host, inventory in rows.values_list("host_id", "inventory")[:PEER_RUNS]:
        newest.setdefault(host, inventory)
    return twins.differing(run.inventory or {}, newest.values())


def _numbers(stage_run: StageRun) -> list[wire.Finding]:
    run = stage_run.run
    limits = run.profile.get("stages", {}).get(stage_run.name, {}).get("limits", {})
    if not stage_run.numbers or not trends.concern(limits):
        return []
    disks = _disks(run.inventory)
    own = stage_run.numbers
    numbers = {key: value for key, value in own.items() if _is_comparable(key, disks) and _has_a_clock(key, own)}
    before, peers = _before(run, stage_run.name), _peers(run, stage_run.name, numbers)
    return trends.judge(numbers, limits, before, peers, _setting(run))


def _setting(run: Run) -> str:
    """What a CPU's numbers depend on beside the CPU: how long and with what it was worked, and what it runs on."""
    inventory = run.inventory or {}
    cpu, firmware = inventory.get("cpu") or {}, inventory.get("firmware") or {}
    stage = run.profile.get("stages", {}).get("CPUStress", {}).get("params", {})
    facts = (cpu.get("model"), cpu.get("microcode"), firmware.get("bios"), stage.get("duration_s"))
    return " | ".join(map(str, facts))


def _has_a_clock(key: str, numbers: trends.Numbers) -> bool:
    """A CPU that tells no clock is a virtual one: what it does in a second depends on its neighbours."""
    name, _, part = key.partition(".")
    return name != "cpu_bogo_ops_s" or f"clock_load_mhz.{part}" in numbers


def _before(run: Run, stage: str) -> list[trends.Earlier]:
    """One per run, of its last attempt, the newest first."""
    rows = StageRun.objects.filter(run__host_id=run.host_id, run_id__lt=run.pk, name=stage).exclude(numbers={})
    newest: dict[int, trends.Earlier] = {}
    needed = ("attempt", "outcome", "numbers", "run__created_at", "run__profile", "run__inventory")
    for row in rows.select_related("run").only(*needed).order_by("-run_id", "-attempt")[:RUNS_BACK]:
        when, passed = row.run.created_at.strftime("%Y-%m-%d"), row.outcome == Outcome.PASSED
        newest.setdefault(row.run_id, trends.Earlier(row.run_id, when, passed, row.numbers, _setting(row.run)))
    return list(newest.values())


@dataclass(frozen=True)
class _Reading:
    """One pace of one disk whose model is known."""

    name: str
    part: str
    model: str
    value: float


def _peers(run: Run, stage: str, numbers: trends.Numbers) -> dict[str, list[float]]:
    """For each of our paces, those of other disks of the model: in this host, and in others where the stage has
    passed, each disk once."""
    ours = _readings(numbers, run.inventory)
    if not ours:
        return {}
    rows = StageRun.objects.filter(outcome=Outcome.PASSED, name=stage).exclude(run__host_id=run.host_id)
    newest_first = rows.order_by("-run_id").values_list("numbers", "run__inventory")[:PEER_RUNS]
    others = [one for theirs, inventory in newest_first for one in _readings(theirs, inventory)]
    by_disk: dict[tuple[str, str], _Reading] = {}
    for one in (*ours, *others):
        by_disk.setdefault((one.name, one.part), one)
    return {f"{mine.name}.{mine.part}": _equals(mine, by_disk.values()) for mine in ours}


def _equals(mine: _Reading, all_there_are: Iterable[_Reading]) -> list[float]:
    wanted = (mine.name, mine.model)
    return [one.value for one in all_there_are if (one.name, one.model) == wanted and one.part != mine.part]


def _readings(numbers: trends.Numbers, inventory: dict[str, Any] | None) -> list[_Reading]:
    disks = [disk for disk in _disks(inventory) if not _virtual(disk)]
    models = {disk.get("serial"): disk.get("model") for disk in disks}
    split = [(*key.partition(".")[::2], value) for key, value in numbers.items()]
    return [
        _Reading(name, part, models[part], value)
        for name, part, value in split
        if name in trends.PACES and models.get(part)
    ]


def _is_comparable(key: str, disks: list[dict[str, Any]]) -> bool:
    """A disk without a serial number can't be told from another; a virtual one has no pace of its own."""
    name, _, part = key.partition(".")
    nameless = {disk.get("name") for disk in disks if not disk.get("serial")}
    virtual = {disk.get("serial") for disk in disks if _virtual(disk)}
    return part not in nameless and not (name in trends.PACES and part in virtual)


def _disks(inventory: dict[str, Any] | None) -> list[dict[str, Any]]:
    return (inventory or {}).get("disks") or []


def _virtual(disk: dict[str, Any]) -> bool:
    return disk.get("bus") == "virtio" or any(word in (disk.get("model") or "") for word in _VIRTUAL)
