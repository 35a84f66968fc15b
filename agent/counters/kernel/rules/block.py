"""Errors of the block layer: a word for the kind of error, the device, the operation.

Arrays: drivers/md/ (raid1.c, raid5.c, raid10.c), drivers/md/dm-mpath.c. Words: blk_errors in block/blk-core.c
(2.6.39 to 6.15); operations: blk_op_name in block/blk-core.c."""

from __future__ import annotations

import re

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.rules.pattern import critical, warning

_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING
_LINE = re.compile(
    r"(?:^|: )(?P<word>[a-z/][a-z/ -]{0,40}) error, dev (?P<dev>[\w!/-]{1,32}), (?:sector|logical block) \d+"
    r"(?: op 0x[0-9a-f]+:\((?P<op>\w{1,20})\))?",
    re.IGNORECASE,
)
_DISK = re.compile(r"(?:sd[a-z]|nvme\d|vd[a-z]|hd[a-z]|xvd[a-z]|mmcblk\d|pmem\d)")
# Empty optical and floppy drives, images, and what lies on another machine.
_NO_PART = re.compile(r"(?:sr|fd|loop|nbd|ram|zram|rbd|ublkb)\d")
# Commands that a drive may refuse: freeing space (discard), and writing zeroes, which the kernel then does without the
# command.
_OPTIONAL = re.compile(r"DISCARD|SECURE_ERASE|WRITE_SAME|WRITE_ZEROES|ZONE_\w+|FLUSH")
# Commands that programs sent. A drive need not know them.
_OF_PROGRAMS = re.compile(r"(?:SCSI|DRV)_(?:IN|OUT)")
_REFUSED = frozenset({"operation not supported", "critical target", "invalid"})
# The kernel tries these again by itself.
_RETRIED = frozenset({"nonblocking retry", "dm internal retry"})
# Errors that a sound drive can give: another host's reservation, a full thin volume, no memory in the host.
_NOT_THE_DRIVE = frozenset(
    {
        "operation not supported", "reservation conflict", "critical nexus", "critical space allocation",
        "kernel resource", "device resource", "open zones exceeded", "active zones exceeded", "zone resource",
        "duration limit exceeded", "invalid",
    }
)  # fmt: skip
_CODES = {
    "critical medium": "disk.medium_error", "recoverable transport": "disk.link_error",
    # The same event before Linux 6.4 and since.
    "critical nexus": "disk.reserved", "reservation conflict": "disk.reserved",
}  # fmt: skip


class BlockError:
    """`critical medium error, dev sda, sector 2048 op 0x0:(READ) …`, with older kernels' words before it."""

    def read(self, record: Record) -> Hit | None:
        match = _LINE.search(record.text)
        if match is None or _NO_PART.match(match["dev"]):
            return None
        word, operation = match["word"].lower(), (match["op"] or "").upper()
        severity = _severity(word, operation)
        if severity is None:
            return None
        names = "blk" if _DISK.match(match["dev"]) else "word"
        return Hit(record, _CODES.get(word, "disk.io_error"), severity, names, match["dev"])


def _severity(word: str, operation: str) -> Severity | None:
    """None for what is no fault. An unknown error counts as the most severe."""
    if word in _RETRIED:
        return None
    if _OPTIONAL.fullmatch(operation):
        if word in _REFUSED:
            return None
        return _WARNING if word in ("i/o", "timeout") and operation != "FLUSH" else _plain(word)
    return _WARNING if _OF_PROGRAMS.fullmatch(operation) else _plain(word)


def _plain(word: str) -> Severity:
    return _WARNING if word in _NOT_THE_DRIVE else _CRITICAL


ERROR = BlockError()
_MD, _OF_MD = r"\bmd/\w{1,10}:\w{1,16}: ", r"(?P<blk>[\w-]{1,32})\)"
_BUFFER = r"Buffer I/O error on dev(?:ice)? "
PATTERNS = (
    critical("disk.io_error", rf"{_BUFFER}(?P<blk>(?:sd[a-z]|nvme\d|vd[a-z]|hd[a-z]|xvd[a-z]|mmcblk\d)\w{{0,16}})"),
    critical("disk.io_error", rf"{_BUFFER}(?!(?:sr|fd|loop|nbd|ram|zram|rbd|ublkb)\d)(?P<word>[\w!-]{{1,32}})"),
    critical("disk.medium_error", rf"{_MD}read error (?:not correctable|NOT corrected!!) \(sector \d+ on {_OF_MD}"),
    # The drive could not read the sector, and the array has written it again.
    warning("disk.medium_error", rf"{_MD}read error corrected \(\d+ sectors at \d+ on {_OF_MD}"),
    warning("disk.io_error", r"device-mapper: multipath: \S{1,16}: Failing path (?P<word>\d+:\d+)"),
    critical("disk.io_error", r"\bmd/\w{1,10}:\w{1,16}: Disk failure on (?P<blk>[\w-]{1,32})"),
    critical("disk.medium_error", rf"{_MD}(?P<blk>[\w-]{{1,32}}): unrecoverable I/O (?:read )?error for block"),
    critical("disk.io_error", r"\bmd/\w{1,10}:(?P<word>\w{1,16}): Cannot continue operation \(\d+/\d+ failed\)"),
)
