"""What to do first about a finding, as one word for other programs. The sentence for people is `Code.advice`. Data and
one rule; standard library only."""

from __future__ import annotations

from enum import StrEnum

from agent.contract.codes import CODES
from agent.contract.finding_code import Acts
from agent.contract.wire import Severity


class Action(StrEnum):
    """The ladder, from the least to the most. `reseat` is all that needs no new part: take the part out and put it back
    in its place, with its plugs, leads and cooling. `check_config` is a setting or the expected spec."""

    NONE = "none"
    WATCH = "watch"
    CHECK_BENCH = "check_bench"
    CHECK_CONFIG = "check_config"
    UPDATE_FIRMWARE = "update_firmware"
    RESEAT = "reseat"
    REPLACE_CABLE = "replace_cable"
    REPLACE_PART = "replace_part"


LADDER = tuple(Action)

_FIRST: dict[Action, tuple[str, ...]] = {
    Action.CHECK_CONFIG: (
        "spec.unexpected", "cpu.slower_than_before", "cpu.clock_below_before", "cpu.power_below_before",
        "cpu.slow_clock", "pcie.link_limited", "disk.locked",
        "disk.reserved", "disk.unwritten", "bmc.log_full",
    ),
    Action.UPDATE_FIRMWARE: (
        "system.lockup", "system.kernel_oops", "system.clock_unstable", "gpu.inforom", "firmware.twins_differ",
    ),
    Action.RESEAT: (
        "system.lost", "system.stopped_by_watchdog", "system.overdue", "system.part_gone",
        "spec.missing", "spec.less", "spec.slower", "spec.wrong_bus",
        "cpu.machine_check", "cpu.fault_reported", "cpu.offline",
        "thermal.hot", "thermal.critical", "thermal.throttled", "thermal.rising", "thermal.worse_than_before",
        "sensor.temp_high", "sensor.power_high", "fan.missing", "fan.redundancy_lost",
        "memory.corrected", "memory.fault_reported",
        "pcie.uncorrected", "pcie.corrected", "pcie.link_reduced", "pcie.link_slow",
        "smart.spin_retries", "smart.temperature", "smart.enclosure", "smart.raid_drive_gone",
        "storage.slower_than_before", "storage.slower_than_peers", "storage.slow_random", "storage.slow_writing",
        "disk.controller_error", "disk.fault_reported",
        "network.other_port", "nic.transmit_timeout", "nic.card", "nic.module", "nic.optics",
        "gpu.missing", "gpu.link_width", "gpu.diagnostic", "gpu.throttled", "gpu.too_hot", "gpu.fabric", "gpu.lost",
        "gpu.needs_reset", "gpu.no_power", "gpu.driver_error", "gpu.xid",
        "psu.missing", "psu.redundancy_lost", "psu.share",
    ),
    Action.REPLACE_CABLE: (
        "usb.link_slow", "disk.link_slow", "disk.io_error", "disk.link_error", "disk.link_unsteady",
        "smart.crc_errors", "smart.command_timeouts", "storage.slow",
        "network.no_link", "network.slow_link", "network.half_duplex", "network.slow", "network.loss",
        "network.retransmits", "nic.errors", "nic.link_flap",
    ),
    Action.REPLACE_PART: ("psu.predicted_failure",),
}  # fmt: skip
"""The codes whose action does not follow from who must act and from the severity."""

_BY_CODE = {code: action for action, codes in _FIRST.items() for code in codes}


def action(code: str, severity: str) -> Action:
    """What to do first about a finding of this code and severity. A code that the registry does not have (any more)
    follows from its severity alone."""
    meaning = CODES.get(code)
    if meaning and meaning.acts is Acts.BENCH:
        return Action.CHECK_BENCH
    if severity == Severity.INFO and (code not in _BY_CODE or CODES[code].severity is not Severity.INFO):
        return Action.NONE
    if code in _BY_CODE:
        return _BY_CODE[code]
    if meaning and meaning.acts is Acts.CONFIGURATION:
        return Action.CHECK_CONFIG
    return Action.REPLACE_PART if severity == Severity.CRITICAL else Action.WATCH
