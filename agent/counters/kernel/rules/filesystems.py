"""Data that a file system, or the layer below it, found damaged. The disk, memory, or an earlier loss of power can be
the cause, and the live image mounts no file system of the host: a warning.

Wordings: fs/ext4/super.c, fs/jbd2/, fs/xfs/ (xfs_error.c, xfs_buf.c, xfs_fsops.c), fs/btrfs/ (inode.c, volumes.c,
disk-io.c, scrub.c), drivers/md/dm-integrity.c, dm-verity-target.c; OpenZFS, module/zfs/zio.c."""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import warning

# A disk or a partition of one, else the name of a mapped device or an array.
_NAME = r"(?:(?P<blk>(?:sd[a-z]|nvme\d|vd[a-z]|hd[a-z]|xvd[a-z]|mmcblk\d)\w{0,16})|(?P<word>[\w-]{1,32}))"
_BTRFS = r"\bBTRFS (?:warning|error|critical) \(device "
_IN = rf"{_BTRFS}{_NAME}(?: state \w{{1,8}})?\): .{{0,60}}"
# One of several devices of the file system.
_OF = rf"(?:/dev/)?(?:mapper/)?{_NAME}"
_DAMAGED = (
    r"(?:csum failed|checksum (?:verify failed|error)|parent transid verify failed|bad tree block|"
    r"corrupt (?:leaf|node)|fixed up error|unable to fixup)"
)
_CODE = "storage.corruption"
PATTERNS = (
    # A device's counters: errors of writing, reading and flushing, then what was read and was wrong.
    warning(
        "disk.io_error", rf"{_BTRFS}.{{1,60}}\): bdev {_OF} errs: (?:wr [1-9]|wr 0, rd [1-9]|wr 0, rd 0, flush [1-9])"
    ),
    warning(
        _CODE, rf"{_BTRFS}.{{1,60}}\): bdev {_OF} errs: wr 0, rd 0, flush 0, (?:corrupt [1-9]|corrupt 0, gen [1-9])"
    ),
    warning(_CODE, rf"{_BTRFS}.{{1,60}}\): .{{0,60}}{_DAMAGED}.{{0,60}} on dev(?:ice)? {_OF}"),
    warning(_CODE, rf"{_IN}{_DAMAGED}"),
    warning(_CODE, rf"\bEXT[234]-fs error \(device {_NAME}\)"),
    warning(
        "disk.io_error", rf"\bJBD2: (?:Detected IO errors while flushing file data on|I/O error .{{0,60}}) {_NAME}"
    ),
    warning(
        _CODE,
        rf"\bXFS \({_NAME}\): (?:Metadata (?:CRC error|corruption) detected|Internal error |"
        r"Corruption (?:detected|of (?:in-memory data|on-disk metadata)))",
    ),
    warning("disk.io_error", rf"\bXFS \({_NAME}\): (?:metadata I/O error|log I/O error|Log I/O Error)"),
    # ZFS waits for its disks to come back.
    warning("disk.io_error", r"\bPool '(?P<word>[^']{1,64})' has encountered an uncorrectable I/O failure"),
    warning(_CODE, r"\bdevice-mapper: integrity: (?P<word>\S{1,32}): Checksum failed at sector"),
    warning(_CODE, r"\bdevice-mapper: verity: (?P<word>\S{1,32}): (?:data|metadata) block \d+ is corrupted"),
)
