"""Compare a stage's result with the host's earlier runs, and with equal parts of other hosts. Reads the rows that
`trends` and `peer_firmware` need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform

from agent.contract import wire
from runs.frozen_profile import FrozenStage
from runs.judging import peer_firmware, trends
from runs.machine import State
from runs.models import Outcome, Run, StageRun

RUNS_BACK = 50
# How many are read inside the answer to a result: enough to know what is usual.
PEER_RUNS = PEER_HOSTS = 30
# What a CPU's numbers depend on, apart from the CPU: firmware, microcode, and how long the load ran.
_SETTING = (
    ("inventory", "cpu", "model"),
    ("inventory", "cpu", "microcode"),
    ("inventory", "firmware", "bios"),
    ("profile", "stages", "CPUStress", "params", "duration_s"),
)
# Models of virtual disks. How fast they read depends on their neighbours.
_VIRTUAL = ("QEMU", "VMware", "VBOX", "Virtual", "Msft")


def findings_of(stage_run: StageRun) -> list[wire.Finding]:
    """The findings of comparing this attempt with others. Makes no query for a stage without such limits."""
    if stage_run.name == State.FIRMWARE:
        return _firmware(stage_run.run)
    return _numbers(stage_run)


def _firmware(run: Run) -> list[wire.Finding]:
    """Compare firmware with the newest inventory of each other host. The database begins with the newest run and stops
    when it has found enough hosts."""
    known = Run.objects.filter(inventory__isnull=False)
    newer = known.filter(host=OuterRef("host"), pk__gt=OuterRef("pk"))
    newest = known.exclude(host_id=run.host_id).exclude(Exists(newer)).order_by("-pk")
    others = newest.values_list("inventory", flat=True)[:PEER_HOSTS]
    return peer_firmware.differing(run.inventory or {}, [one for one in others if one is not None])


def _numbers(stage_run: StageRun) -> list[wire.Finding]:
    run = stage_run.run
    limits = run.frozen.stages.get(stage_run.name, FrozenStage()).limits
    if not stage_run.numbers or not trends.need_other_runs(limits):
        return []
    disks = _disks(run.inventory)
    own = stage_run.numbers
    numbers = {key: value for key, value in own.items() if _is_comparable(key, disks) and _has_a_clock(key, own)}
    in_setting = trends.need_setting(numbers, limits)
    before = _before(run, stage_run.name, in_setting)
    peers = _peers(run, stage_run.name, numbers) if trends.need_peers(numbers, limits) else {}
    return trends.judge(numbers, limits, before, peers, _setting_of(run) if in_setting else "")


def _setting_of(run: Run) -> str:
    return _words(_at(run, path) for path in _SETTING)


def _at(run: Run, path: tuple[str, ...]) -> Any:
    field, *keys = path
    return reduce(lambda value, key: (value or {}).get(key), keys, getattr(run, field))


def _in_database(path: tuple[str, ...]) -> Combinable:
    """The same value as text, read by the database from the run of a row."""
    field, *keys = path
    start: F | KeyTextTransform = F(f"run__{field}")
    return reduce(lambda value, key: KeyTextTransform(key, value), keys, start)


def _words(facts: Iterable[Any]) -> str:
    return " | ".join(map(str, facts))


def _has_a_clock(key: str, numbers: trends.Numbers) -> bool:
    """Whether the CPU reports its clock. One that does not is virtual: its speed depends on its neighbours."""
    name, _, part = key.partition(".")
    return name != "cpu_bogo_ops_s" or f"clock_load_mhz.{part}" in numbers


def _before(run: Run, stage: str, in_setting: bool) -> list[trends.EarlierRun]:
    """The numbers of the last attempt of each earlier run, newest first. Reads no whole inventory or profile: this runs
    inside the answer to a result, while no other result can be written."""
    rows = StageRun.objects.filter(run__host_id=run.host_id, run_id__lt=run.pk, name=stage).exclude(numbers={})
    if run.compared_since:
        rows = rows.filter(run__created_at__gte=run.compared_since)
    setting = {f"setting_{n}": _in_database(path) for n, path in enumerate(_SETTING if in_setting else ())}
    rows = rows.annotate(**setting).order_by("-run_id", "-attempt")
    newest: dict[int, trends.EarlierRun] = {}
    for number, at, outcome, numbers, *facts in rows.values_list(
        "run_id", "run__created_at", "outcome", "numbers", *setting
    )[:RUNS_BACK]:
        passed, when = outcome == Outcome.PASSED, at.strftime("%Y-%m-%d")
        newest.setdefault(number, trends.EarlierRun(number, when, passed, numbers, _words(facts)))
    return list(newest.values())


@dataclass(frozen=True)
class _Reading:
    """One number of one disk whose model is known. The size is compared too, since a RAID controller gives all of its
    volumes one model."""

    name: str
    part: str
    model: str
    size_mb: int
    value: float


def _peers(run: Run, stage: str, numbers: trends.Numbers) -> dict[str, list[float]]:
    """For each of our numbers, those of other disks of the same model: in this host, and in others where the stage has
    passed. Each disk once."""
    ours = _readings(numbers, _disks(run.inventory))
    if not ours:
        return {}
    rows = StageRun.objects.filter(outcome=Outcome.PASSED, name=stage).exclude(run__host_id=run.host_id)
    newest_first = rows.order_by("-run_id").values_list("numbers", "run__inventory__disks")[:PEER_RUNS]
    others = [one for theirs, disks in newest_first for one in _readings(theirs, disks or [])]
    by_disk: dict[tuple[str, str], _Reading] = {}
    for one in (*ours, *others):
        by_disk.setdefault((one.name, one.part), one)
    return {f"{mine.name}.{mine.part}": _equals(mine, by_disk.values()) for mine in ours}


def _equals(mine: _Reading, all_there_are: Iterable[_Reading]) -> list[float]:
    return [
        one.value
        for one in all_there_are
        if (one.name, one.model) == (mine.name, mine.model)
        and one.part != mine.part
        # Makers' firmwares of one model differ by a few sectors.
        and abs(one.size_mb - mine.size_mb) * 100 <= mine.size_mb
    ]


def _readings(numbers: trends.Numbers, disks: list[dict[str, Any]]) -> list[_Reading]:
    known = {disk.get("serial"): disk for disk in disks if not _virtual(disk) and disk.get("model")}
    split = [(*key.partition(".")[::2], value) for key, value in numbers.items()]
    return [
        _Reading(name, part, known[part]["model"], known[part].get("size_mb") or 0, value)
        for name, part, value in split
        if name in trends.METRICS and part in known
    ]


def _is_comparable(key: str, disks: list[dict[str, Any]]) -> bool:
    """Whether this number can be compared: not of a disk without a serial number, nor the speed of a virtual disk."""
    name, _, part = key.partition(".")
    nameless = {disk.get("name") for disk in disks if not disk.get("serial")}
    virtual = {disk.get("serial") for disk in disks if _virtual(disk)}
    return part not in nameless and not (name in trends.METRICS and part in virtual)


def _disks(inventory: dict[str, Any] | None) -> list[dict[str, Any]]:
    return (inventory or {}).get("disks") or []


def _virtual(disk: dict[str, Any]) -> bool:
    return disk.get("bus") == "virtio" or any(word in (disk.get("model") or "") for word in _VIRTUAL)
