"""Errors of the block layer that are a drive's refusal and no fault: a locked drive gives no access, another host may
have reserved the drive, a namespace may be write-protected by its owner, and some drives give nothing where nothing was
written. The line before says so, by the drive's own status, or the block layer itself by its word.

Wordings: nvme_log_error in drivers/nvme/host/core.c, with status codes of NVM Express base specification 2.0, figures
95 and 97; sd_print_sense_hdr with the additional sense 20h/02h of SPC-5. The block layer calls two of the NVMe statuses
a critical medium error (nvme_error_status)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record

WITHIN_US = 1_000_000
_REFUSAL = re.compile(
    r"\b(?P<nvme>nvme\d+(?:c\d+)?n\d+): .{1,120}\(sct 0x(?P<status>2 / sc 0x8[67]|0 / sc 0x(?:20|83))\)|"
    r"\bsd \d+:\d+:\d+:\d+: \[(?P<sd>sd[a-z]{1,4})\].{0,60}Add\. Sense: Access denied - no access rights"
)
# Without the path of a namespace with several (`nvme0c1n1`), and without the number of a partition.
_DISK = re.compile(r"(nvme\d+)(?:c\d+)?(n\d+)(?:p\d+)?|(sd[a-z]{1,4})\d{0,3}")
_RESERVED = "disk.reserved"
_CODES = {"2 / sc 0x87": "disk.unwritten", "0 / sc 0x83": _RESERVED}


@dataclass(frozen=True)
class _Refusal:
    """`is_told` is whether the block layer has told this one already."""

    time_us: int
    code: str
    is_told: bool


class Refusals:
    """A refusal explains one error of the block layer, of the same drive and at the same time, and the errors of the
    buffer cache until the block layer's next one, since the cache repeats them. Whatever else the drive reports keeps
    its severity."""

    def __init__(self) -> None:
        self._newest: dict[str, _Refusal] = {}

    def look(self, record: Record, hit: Hit | None) -> Hit | None:
        """The hit of this record, as a warning if it is a refusal."""
        if match := _REFUSAL.search(record.text):
            code = _CODES.get(match["status"] or "", "disk.locked")
            self._newest[_drive(match["nvme"] or match["sd"])] = _Refusal(record.time_us, code, is_told=False)
        elif hit is not None and hit.names == "blk" and hit.code == _RESERVED:
            self._newest[_drive(hit.name)] = _Refusal(record.time_us, _RESERVED, is_told=True)
        elif hit is not None and hit.names == "blk" and hit.severity is Severity.CRITICAL:
            return self._explained(record, hit)
        return hit

    def _explained(self, record: Record, hit: Hit) -> Hit:
        drive = _drive(hit.name)
        refusal = self._newest.get(drive)
        if refusal is None or abs(record.time_us - refusal.time_us) > WITHIN_US:
            return hit
        if " error, dev " in record.text:
            if refusal.is_told:
                del self._newest[drive]
                return hit
            self._newest[drive] = replace(refusal, is_told=True)
        elif "Buffer I/O error" not in record.text:
            return hit
        return replace(hit, code=refusal.code, severity=Severity.WARNING, said=f"{record.text} (refused by the drive)")


def _drive(name: str) -> str:
    match = _DISK.fullmatch(name)
    return "".join(part or "" for part in match.groups()) if match else name
