"""Opens a device for writing. This is the only code that removes a read-only flag, and it does so only with a grant."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.disk_writes.safety import WriteGrant, still_fresh
from agent.probes.drives import disks

# linux/fs.h
_BLKROSET, _BLKGETSIZE64 = 0x125D, 0x80081272


class NotWritten(Exception):
    """A granted device was not opened. The text says why, and names the gate."""


@contextmanager
def writable(grant: WriteGrant, last_continue_age_s: Callable[[], float], root: Path = Path("/")) -> Iterator[int]:
    """A descriptor of the granted device: exclusive and writable within the block, read-only again after it. Raises
    NotWritten.

    A tool gets the descriptor itself (`pass_fds`, /proc/self/fd/N), never the name. While the descriptor is open, the
    device that was checked can't become another one.
    """
    fd = _open(grant, root)
    try:
        _check_identity(fd, grant, root)
        if not still_fresh(last_continue_age_s()):
            raise NotWritten(
                f"gate 5: {grant.serial}: the orchestrator last answered {last_continue_age_s():.0f} s ago"
            )
        _switch(fd, grant, read_only=False)
        try:
            yield fd
        finally:
            _switch(fd, grant, read_only=True)
    finally:
        os.close(fd)


def make_all_read_only(root: Path = Path("/")) -> list[str]:
    """Make every disk read-only that a killed agent left writable. Returns the names of the disks that refused. Call it
    only in the live image: elsewhere the disks are in use."""
    refused = []
    for name in disks.names(root):
        try:
            _make_read_only(root / "dev" / name)
        except OSError as error:
            refused.append(f"{name}: {error.strerror}")
    return refused


def _make_read_only(device: Path) -> None:
    fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _set_read_only(fd, True)
    finally:
        os.close(fd)


def size_bytes(fd: int) -> int:
    size: int = struct.unpack("Q", fcntl.ioctl(fd, _BLKGETSIZE64, b"\0" * 8))[0]
    return size


def _open(grant: WriteGrant, root: Path) -> int:
    """O_EXCL on a block device fails when anything else holds it: a mount, a volume, a RAID."""
    try:
        return os.open(root / "dev" / grant.name, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise NotWritten(f"gate 4: {grant.name} ({grant.serial}) can't be held alone: {error.strerror}") from None


def _check_identity(fd: int, grant: WriteGrant, root: Path) -> None:
    """Check which device the descriptor belongs to, by its device number and not by its name."""
    number = os.fstat(fd).st_rdev
    seen = disks.identify(root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}")
    actual = (seen.name, seen.serial, seen.wwn, seen.bus, size_bytes(fd) // disks.MIB)
    granted = (grant.name, grant.serial, grant.wwn, grant.bus, grant.size_mb)
    if actual != granted or seen.removable:
        raise NotWritten(f"gate 4: {grant.name} is now {actual}, the grant is for {granted}")


def _switch(fd: int, grant: WriteGrant, *, read_only: bool) -> None:
    """Set or clear the read-only flag. Raises NotWritten if the drive refuses, as one that was pulled may do."""
    try:
        _set_read_only(fd, read_only)
    except OSError as error:
        wanted = "read-only again" if read_only else "writable"
        raise NotWritten(f"{grant.name} ({grant.serial}) could not be made {wanted}: {error.strerror}") from None


def _set_read_only(fd: int, read_only: bool) -> None:
    fcntl.ioctl(fd, _BLKROSET, struct.pack("i", read_only))
