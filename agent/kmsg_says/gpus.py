"""GPUs: NVIDIA's Xid and SXid errors, and what the drivers say of cards that failed.

Numbers: NVIDIA, "Xid Errors", catalog of the GPU deployment and management documentation (r570). Wordings: the same,
and drivers/gpu/drm/amd/, drivers/gpu/drm/i915/."""

from __future__ import annotations

import re

from agent.kmsg_record import Hit, Record
from agent.kmsg_says.pattern import PCI, critical, warning
from agent.wire import Severity

_XID = re.compile(
    r"NVRM: Xid \((?:PCI:)?(?P<gpu>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?)\): (?P<number>\d{1,4})\b", re.I
)
# What a program or the driver can do to a sound card. 13 and 31 to 45: exceptions, faults and stops of a program's
# work; 65 to 71, 75, 76, 83 to 86, 96 to 108: those of one engine (copy, video, JPEG).
_OF_PROGRAMS = frozenset(
    {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 19, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
        36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 49, 50, 51, 52, 53, 59, 65, 66, 67, 68, 69, 70, 71, 73, 75, 76,
        77, 82, 83, 84, 85, 86, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 137,
    }
)  # fmt: skip
# 92: many corrected errors. 93: wear of the card's settings. 121: corrected errors of a link to the CPU. 154: says what
# is to be done after another. 156 and 160: a resource was taken out of use, and the rest works.
_TO_WATCH = frozenset({92, 93, 121, 154, 156, 160})
_REMAP_PENDING, _REMAP_FAILED = 63, 64
# Of a card that fell off the bus, or that would not start; the address stands before the words or in them.
_CARD = rf"NVRM: .{{0,60}}?(?P<gpu>{PCI})"


class Xid:
    """One that is not in the lists, a newer one, counts as the hardware's."""

    def read(self, record: Record) -> Hit | None:
        match = _XID.search(record.text)
        if match is None:
            return None
        code, severity = _weighed(int(match["number"]))
        return Hit(record, code, severity, "gpu", match["gpu"])


def _weighed(number: int) -> tuple[str, Severity]:
    if number == _REMAP_PENDING:
        return "gpu.remap_pending", Severity.WARNING
    if number == _REMAP_FAILED:
        return "gpu.remap_failed", Severity.CRITICAL
    is_mild = number in _OF_PROGRAMS or number in _TO_WATCH
    return "gpu.xid", Severity.WARNING if is_mild else Severity.CRITICAL


READERS = (
    Xid(),
    critical("gpu.driver_error", rf"{_CARD}.{{0,200}}fallen off the bus"),
    critical("gpu.driver_error", r"NVRM: .{0,100}fallen off the bus"),
    critical("gpu.driver_error", rf"{_CARD}.{{0,40}}RmInitAdapter failed"),
    critical("gpu.driver_error", rf"nvidia-nvswitch\d+: SXid \(PCI:(?P<pci>{PCI})\): \d+, Fatal"),
    warning("gpu.driver_error", rf"nvidia-nvswitch\d+: SXid \(PCI:(?P<pci>{PCI})\): \d+, Non-fatal"),
    critical(
        "gpu.driver_error",
        rf"amdgpu (?P<gpu>{PCI}): .{{0,80}}(?:[1-9]\d* uncorrectable hardware error|ring \S+ timeout|GPU reset begin|"
        r"over temperature range|Critical Temperature Fault)",
    ),
    critical("gpu.driver_error", r"\[drm:amdgpu_job_timedout.{0,20}\] \*ERROR\* ring \S+ timeout"),
    warning("gpu.driver_error", r"\bGPU HANG: ecode"),
)
