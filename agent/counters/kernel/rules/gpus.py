"""GPUs: NVIDIA's Xid and SXid errors, and messages of the drivers about failed cards.

Numbers: NVIDIA, "Xid Errors", catalog of the GPU deployment and management documentation (r580). Wordings: the same,
and drivers/gpu/drm/: amd/ (amdgpu_ras.c, amdgpu_ras_eeprom.c), i915/, xe/, nouveau/nvkm/subdev/therm/temp.c.
"""

from __future__ import annotations

import re

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.rules.pattern import PCI, critical, warning

_XID = re.compile(
    r"NVRM: Xid \((?:PCI:)?(?P<gpu>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?)\): (?P<number>\d{1,4})\b", re.I
)
# Xids for which NVIDIA advises "restart the application" or "ignore", and those without a meaning today: a program or
# the driver can cause them on a sound card. Without 46 and 109 (reset the GPU), 80 (corrupted data) and 94 (memory
# error).
_OF_PROGRAMS = frozenset(
    {
        *range(1, 46), 47, *range(49, 54), 60, *range(65, 74), *range(75, 79), *range(82, 87), 88, 89, *range(96, 109),
        *range(126, 136), 137, 139, 141, 142, 151, 152, 153, 159,
    }
)  # fmt: skip
# 92: many corrected errors. 93: wear of the card's settings. 121: corrected errors of a link to the CPU. 154: says what
# is to be done after another. 156 and 160: a resource was taken out of use, and the rest works. 162 to 165: power
# smoothing.
_TO_WATCH = frozenset({92, 93, 121, 154, 156, 160, *range(162, 166)})
# The message of an NVLink 5 error says whether it is fatal.
_NVLINK5 = range(144, 151)
_REMAP_PENDING, _REMAP_FAILED, _RECOVERY = 63, 64, 154
# The action that the driver asks for in Xid 154. `Drain and Reset` is for repairs that only wait, `None` says that it
# is over.
_MUST_RESET = re.compile(r"changed from .{1,60} to 0x[0-9a-f]+ \((?:GPU Reset|Node Reboot|Drain P2P)", re.IGNORECASE)
# A card that fell off the bus, or that did not start. The address stands before the text or in it.
_CARD = rf"NVRM: .{{0,60}}?(?P<gpu>{PCI})"
_AMD = rf"amdgpu (?P<gpu>{PCI}): .{{0,80}}\b"


class Xid:
    """An Xid error. One that is in no list, so a newer one, counts as a hardware fault."""

    def read(self, record: Record) -> Hit | None:
        match = _XID.search(record.text)
        if match is None:
            return None
        code, severity = _weighed(int(match["number"]), record.text)
        return Hit(record, code, severity, "gpu", match["gpu"])


def _weighed(number: int, text: str) -> tuple[str, Severity]:
    if number == _REMAP_PENDING:
        return "gpu.remap_pending", Severity.WARNING
    if number == _REMAP_FAILED:
        return "gpu.remap_failed", Severity.CRITICAL
    if number == _RECOVERY and _MUST_RESET.search(text):
        return "gpu.needs_reset", Severity.CRITICAL
    is_mild = number in _OF_PROGRAMS or number in _TO_WATCH or (number in _NVLINK5 and "Nonfatal" in text)
    return "gpu.xid", Severity.WARNING if is_mild else Severity.CRITICAL


READERS = (
    Xid(),
    critical("gpu.driver_error", rf"{_CARD}.{{0,200}}fallen off the bus"),
    critical("gpu.driver_error", r"NVRM: .{0,100}fallen off the bus"),
    critical("gpu.no_power", rf"{_CARD}.{{0,40}}does not have the necessary power cables"),
    critical("gpu.driver_error", rf"{_CARD}.{{0,40}}(?:RmInitAdapter|rm_init_adapter) failed"),
    critical("gpu.driver_error", r"NVRM: (?:RmInitAdapter|rm_init_adapter(?:\(\d+\))?) failed"),
    critical("gpu.driver_error", r"NVRM: .{0,60}encountered global fatal error"),
    # The part of the chip that sets clocks and power does not answer.
    warning("gpu.driver_error", rf"{_AMD}SMU: I'm not done with your (?:previous )?command"),
    # The firmware gave the card no addresses: a setting (above 4G decoding), or a worse fault of board or card.
    warning("gpu.driver_error", rf"NVRM: BAR\d is 0M @ 0x0 \(PCI:(?P<gpu>{PCI})\)"),
    critical("gpu.driver_error", rf"nvidia-nvswitch\d+: SXid \(PCI:(?P<pci>{PCI})\): \d+, Fatal"),
    warning("gpu.driver_error", rf"nvidia-nvswitch\d+: SXid \(PCI:(?P<pci>{PCI})\): \d+, Non-fatal"),
    critical(
        "gpu.driver_error",
        rf"{_AMD}(?:[1-9]\d* (?:new )?(?:uncorrectable|deferred) hardware error|uncorrectable hardware error\(|"
        r"ring \S+ timeout|GPU reset begin|over temperature range|Critical Temperature Fault|device lost from bus|"
        r"Fatal error during GPU init|RAS records:\d+ exceed threshold)",
    ),
    warning("gpu.driver_error", rf"{_AMD}[1-9]\d* (?:new )?correctable hardware error"),
    # The thresholds are the card's own. Above "fanboost" it only turns its fan faster.
    critical(
        "gpu.too_hot",
        rf"\bnouveau (?P<gpu>{PCI}): therm: temperature \(\d+ C\) hit the '(?:critical|shutdown)' threshold",
    ),
    warning("gpu.too_hot", rf"\bnouveau (?P<gpu>{PCI}): therm: temperature \(\d+ C\) hit the 'downclock' threshold"),
    critical("gpu.driver_error", rf"\bXe has declared device (?P<gpu>{PCI}) as wedged"),
    critical("gpu.driver_error", r"\[drm:amdgpu_job_timedout.{0,20}\] \*ERROR\* ring \S+ timeout"),
    warning("gpu.driver_error", r"\bGPU HANG: ecode"),
    # The driver gives the card up. Without its firmware in the system it does so, too.
    warning("gpu.driver_error", rf"\bi915 (?P<gpu>{PCI}): .{{0,60}}declaring it wedged"),
    warning("gpu.driver_error", rf"\bradeon (?P<gpu>{PCI}): GPU lockup \("),
)
