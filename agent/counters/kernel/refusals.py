"""Errors of the block layer that are a drive's refusal and no fault: a locked drive gives no access, a namespace may be
write-protected by its owner, and some drives give nothing where nothing was written. The line before says so, by the
drive's own status.

Wordings: nvme_log_error in drivers/nvme/host/core.c, with status codes of NVM Express base specification 2.0, figure
97; sd_print_sense_hdr with the additional sense 20h/02h of SPC-5. The block layer calls both NVMe statuses a critical
medium error (nvme_error_status)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record

WITHIN_US = 1_000_000
_REFUSAL = re.compile(
    r"\b(?P<nvme>nvme\d+(?:c\d+)?n\d+): .{1,120}\((?:sct 0x2 / sc 0x(?P<status>86|87)|sct 0x0 / sc 0x20)\)|"
    r"\bsd \d+:\d+:\d+:\d+: \[(?P<sd>sd[a-z]{1,4})\].{0,60}Add\. Sense: Access denied - no access rights"
)
_PATH = re.compile(r"c\d+(?=n\d)")
_UNWRITTEN = "87"


@dataclass
class _Refusal:
    time_us: int
    code: str
    explains: set[str]


class Refusals:
    """Each refusal explains one error of the block layer and one of the buffer cache, of the same drive and at the same
    time. Whatever else the drive reports keeps its severity."""

    def __init__(self) -> None:
        self._newest: dict[str, _Refusal] = {}

    def look(self, record: Record, hit: Hit | None) -> Hit | None:
        """The hit of this record, as a warning if it is a refusal."""
        if match := _REFUSAL.search(record.text):
            code = "disk.io_error" if match["status"] == _UNWRITTEN else "disk.locked"
            self._newest[_drive(match["nvme"] or match["sd"])] = _Refusal(record.time_us, code, {"Buffer", "block"})
        elif hit is not None and hit.names == "blk" and hit.severity is Severity.CRITICAL:
            return self._explained(record, hit)
        return hit

    def _explained(self, record: Record, hit: Hit) -> Hit:
        refusal = self._newest.get(_drive(hit.name))
        kind = "Buffer" if "Buffer I/O error" in record.text else "block" if " error, dev " in record.text else ""
        if refusal is None or kind not in refusal.explains or abs(record.time_us - refusal.time_us) > WITHIN_US:
            return hit
        refusal.explains.discard(kind)
        return replace(hit, code=refusal.code, severity=Severity.WARNING, said=f"{record.text} (refused by the drive)")


def _drive(name: str) -> str:
    return _PATH.sub("", name)
