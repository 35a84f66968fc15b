"""What the stage SMART says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.host_facts import START_S, HostFacts, slowest
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec


@dataclass(frozen=True)
class Params:
    self_test: str
    self_test_in_background: bool
    self_test_short_max_s: float
    self_test_long_max_s: float

    @property
    def is_self_tested(self) -> bool:
        return self.self_test in ("short", "long")


@dataclass(frozen=True)
class Limits:
    sata_speed_min_percent: float
    new_drive_h: float
    reallocated_sectors_max: float
    retired_blocks_max: float
    reported_uncorrectable_max: float
    pending_sectors_max: float
    uncorrectable_sectors_max: float
    recent_errors_h: float
    recent_read_errors_max: float
    end_to_end_errors_max: float
    end_to_end_errors_flash_max: float
    spin_retries_max: float
    command_timeouts_told_above: float
    helium_min_percent: float
    spare_min_percent: float
    grown_defects_max: float
    uncorrected_errors_max: float
    background_scan_max: float
    media_errors_max: float
    percentage_used_max: float
    reallocated_sectors_growth_max: float
    reported_uncorrectable_growth_max: float
    grown_defects_growth_max: float
    uncorrected_errors_growth_max: float
    media_errors_growth_max: float
    retired_blocks_growth_warn: float
    retired_blocks_growth_max: float
    crc_errors_growth_warn: float
    command_timeouts_growth_warn: float
    error_log_growth_warn: float
    error_log_growth_max: float
    raid_drives_of_last_good_min_percent: float

    def named(self, name: str) -> float:
        """The limit with this name. Each row of the table of counters names its limit."""
        return float(getattr(self, name))


# A drive without self-tests has the second check instead. Whether a drive answers at all is checked by `health`.
SELF_TEST = RequiredCheck("self_test", "self_test_offered", "smart")
# A drive's own short test: ATA names 1 to 2 minutes, and the log is read before and after.
SHORT_TEST_S = 130.0


def self_test_s(params: Params, host: HostFacts) -> float:
    """The time of the drives' own tests, which run in parallel. A drive whose test would take too long gets the short
    one."""
    if params.self_test != "long":
        return SHORT_TEST_S
    each = (disk.seconds(disk.size_mb) for disk in host.disks if disk.tests_itself)
    return slowest(one if one <= params.self_test_long_max_s else SHORT_TEST_S for one in each)


def is_left_to_storage(plan: Plan) -> bool:
    """Whether Storage sees the end of the drives' tests."""
    return "Storage" in plan.stages and plan.params("SMART", Params).self_test_in_background


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if params.is_self_tested and not is_left_to_storage(plan):
        yield SELF_TEST


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    if params.self_test == "none" or params.self_test_in_background or not any(one.tests_itself for one in host.disks):
        return START_S
    return self_test_s(params, host)


SPEC = StageSpec(
    name="SMART",
    title="Disk health",
    summary="Health, attributes and self-tests of every expected disk",
    after="SpecValidate",
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "nvme",
        "smartctl",
    ),
    codes=(
        "disk.link_slow",
        "disk.locked",
        "smart.background_scan",
        "smart.command_timeouts",
        "smart.crc_errors",
        "smart.critical_warning",
        "smart.drive_warns",
        "smart.end_to_end",
        "smart.error_log",
        "smart.failing",
        "smart.grown_defects",
        "smart.helium",
        "smart.media_errors",
        "smart.past_prefail",
        "smart.pending_sectors",
        "smart.prefail",
        "smart.raid_drive_gone",
        "smart.reallocated_sectors",
        "smart.recent_read_errors",
        "smart.reported_uncorrectable",
        "smart.retired_blocks",
        "smart.self_test_failed",
        "smart.spare",
        "smart.spin_retries",
        "smart.uncorrectable_sectors",
        "smart.uncorrected_errors",
        "smart.wear",
        "smart.write_protected",
    ),
    blind="What the drive does not count or does not report, and drives behind a controller that hides them.",
)
