"""The health log of an NVMe drive (NVM Express base specification 1.4, figure 194)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.parsing import mapping, sequence
from agent.probes.smart.gaps import MOST_NVME, Gaps, whole

TEMPERATURE_BIT = 1 << 1
# Status code type 2, "media and data integrity errors": write fault, unrecovered read error. The others there are the
# host's own (comparison, access denied, deallocated block) or may be (checksums that it sent).
_OF_THE_MEDIUM = frozenset({(2, 0x80), (2, 0x81)})
_NAMESPACE, _CONTROLLER = re.compile(r"(nvme[0-9]{1,5})n[0-9]{1,9}"), re.compile(r"nvme[0-9]{1,5}")


@dataclass(frozen=True)
class NvmeHealth:
    """A value that was not read is None. `media_errors` is the larger of the drive's count and of those that its error
    log lists: some firmware forgets to count."""

    critical_warning: int | None
    media_errors: int | None
    percentage_used: int | None
    spare_percent: int | None
    spare_threshold_percent: int | None

    @property
    def bits(self) -> int:
        return self.critical_warning or 0


def of(data: dict[str, Any], gaps: Gaps) -> NvmeHealth | None:
    """None without such a log. smartctl prints the critical warning twice: a bit that is set in either counts. A log
    with nothing but zeros was not filled in, by a bridge or a virtual disk: a real one has at least a temperature."""
    if "nvme_smart_health_information_log" not in data:
        return None
    log = mapping(data["nvme_smart_health_information_log"])
    if log and not any(map(_is_above_zero, log.values())):
        gaps.note("the health log is blank: no value in it is above 0")
    told = whole(mapping(mapping(data.get("smart_status")).get("nvme")).get("value"), 255)
    warning = gaps.needed(log, "critical_warning", "the critical warning", 255)
    if warning is not None or told:
        warning = (warning or 0) | (told or 0)
    return NvmeHealth(
        critical_warning=warning,
        media_errors=_media_errors(data, gaps.needed(log, "media_errors", "the number of media errors", MOST_NVME)),
        percentage_used=gaps.needed(log, "percentage_used", "the percentage used", 255),
        spare_percent=gaps.needed(log, "available_spare", "the available spare", 100),
        spare_threshold_percent=gaps.needed(log, "available_spare_threshold", "the threshold of the spare", 100),
    )


def _is_above_zero(value: object) -> bool:
    """The temperature of a blank log is -273, and -1 is the number of all namespaces."""
    return bool(whole(value, MOST_NVME))


def _media_errors(data: dict[str, Any], counted: int | None) -> int | None:
    rows = sequence(mapping(data.get("nvme_error_information_log")).get("table"))
    fields = [mapping(mapping(row).get("status_field")) for row in rows]
    listed = sum((field.get("status_code_type"), field.get("status_code")) in _OF_THE_MEDIUM for field in fields)
    return max(listed, counted or 0) if listed else counted


def node(name: str, root: Path = Path("/")) -> str:
    """The controller of a namespace (`nvme0` of `nvme0n1`), and the name itself of any other disk. With several paths
    the kernel numbers namespaces by their subsystem, which lists its controllers."""
    if (match := _NAMESPACE.fullmatch(name)) is None:
        return name
    device = (root / "sys/block" / name / "device").resolve()
    if _CONTROLLER.fullmatch(device.name):
        return device.name
    controllers = sorted(one.name for one in device.glob("nvme*") if _CONTROLLER.fullmatch(one.name))
    return controllers[0] if controllers else match[1]
