"""What the stage Storage says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.contract.host_facts import START_S, DiskFacts, HostFacts, on_shared_link_s, together_s
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec
from agent.stages.smart import spec as smart


@dataclass(frozen=True)
class Params:
    sample_max_mb: int
    segment_mb: int
    surface_max_s: float
    bad_sectors_give_up: int
    speed_s: float
    write_max_mb: int
    wipe_full_scan_mb: int
    wipe_samples: int
    wipe_probe_max_s: float


@dataclass(frozen=True)
class Limits:
    surface_min_percent: float
    slowest_read_max_ms: float
    hdd_read_min_mb_s: float
    ssd_read_min_mb_s: float
    nvme_read_min_mb_s: float
    virtual_read_min_mb_s: float
    hdd_write_min_mb_s: float
    ssd_write_min_mb_s: float
    nvme_write_min_mb_s: float
    virtual_write_min_mb_s: float
    smr_write_min_mb_s: float
    seq_read_mb_s_of_last_good_warn_percent: float
    seq_read_mb_s_of_last_good_min_percent: float
    seq_read_mb_s_of_peers_warn_percent: float
    seq_read_mb_s_of_peers_sigmas: float
    hdd_random_min_iops: float
    ssd_random_min_iops: float
    nvme_random_min_iops: float
    virtual_random_min_iops: float

    def read_min_mb_s(self, kind: str) -> float:
        """The lowest read speed for a kind of disk: hdd, ssd, nvme or virtual."""
        return float(getattr(self, f"{kind}_read_min_mb_s"))

    def write_min_mb_s(self, kind: str) -> float:
        """The lowest write speed for a kind of disk, or smr for a disk with overlapping tracks."""
        return float(getattr(self, f"{kind}_write_min_mb_s"))

    def random_min_iops(self, kind: str) -> float:
        """The lowest rate of random reads for a kind of disk."""
        return float(getattr(self, f"{kind}_random_min_iops"))


_WRITE_PASSES = 3  # written, read back, blanked


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if smart.is_left_to_storage(plan) and plan.params("SMART", smart.Params).is_self_tested:
        yield smart.SELF_TEST
    if plan.writes:
        yield RequiredCheck("verified_write")


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    """All surfaces are read at once, speeds are measured one disk after the other, and all writes are done at once."""
    targets = [disk for disk in host.disks if plan.writes and disk.serial in host.writable]
    limits = (plan.stages.get("Storage") or {}).get("limits") or {}
    read_s = surface_s(params, host.disks, float(limits.get("surface_min_percent", 100)))
    waits_s = START_S + _left_of_self_test_s(host, plan)
    return waits_s + read_s + after_reading_s(params, host.disks, targets)


def surface_s(params: Params, disks: Sequence[DiskFacts], min_percent: float) -> float:
    """How long reading takes. It ends after `surface_max_s`, but disks that share a link read on until `min_percent` of
    the plan was read."""
    sampled = [(disk, float(min(disk.size_mb, params.sample_max_mb or disk.size_mb))) for disk in disks]
    enough_s = on_shared_link_s(sampled) * min_percent / 100
    return min(together_s(sampled), max(params.surface_max_s, enough_s))


def after_reading_s(params: Params, disks: Sequence[DiskFacts], targets: Sequence[DiskFacts]) -> float:
    """How long Storage takes after reading the surfaces of `disks`. Of these, `targets` are written."""
    written = [(disk, float(_WRITE_PASSES * min(disk.size_mb, params.write_max_mb))) for disk in targets]
    return 2 * params.speed_s * len(disks) + together_s(written)


def _left_of_self_test_s(host: HostFacts, plan: Plan) -> float:
    """How long Storage still waits for the long test, which has run since SMART during the stages in between."""
    before = plan.params("SMART", smart.Params)
    if not before.self_test_in_background or before.self_test == "none":
        return 0.0
    meanwhile_s = sum(plan.seconds(name) for name in ("CPUStress", "Memory") if name in plan.stages)
    return max(0.0, smart.self_test_s(before, host) - meanwhile_s)


SPEC = StageSpec(
    name="Storage",
    title="Storage",
    summary="Surface, verified writes where allowed, speed",
    after="Memory",
    writes=True,
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "blkid",
        "fio",
        "nvme",
        "smartctl",
        "wipefs",
    ),
    codes=(
        "smart.self_test_failed",
        "storage.corruption",
        "storage.hesitates",
        "storage.patterns_left",
        "storage.read_error",
        "storage.slow",
        "storage.slow_random",
        "storage.slow_writing",
        "storage.write_error",
    ),
    blind=(
        "Without writes: whether the disk returns what is written to it. The places that a sample leaves out. "
        "The drive's spare blocks."
    ),
)
