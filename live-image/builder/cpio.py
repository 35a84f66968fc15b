"""Writes a directory tree as a newc cpio archive, the same bytes for the same tree.

The format is the one in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

ALIGNMENT = 4


class Out(Protocol):
    """Where an archive goes."""

    def write(self, data: bytes, /) -> int: ...


def write_tree(root: Path, out: Out, mtime: int) -> None:
    """`root` itself and every entry below it, in the order of names, all with the time `mtime`.

    Without an entry of its own "/" would keep the mode of a fresh tmpfs, 1777, which sshd takes for unsafe.
    """
    write_entries(root, [root, *walk(root)], out, mtime)


def write_entries(root: Path, paths: Iterable[Path], out: Out, mtime: int) -> None:
    """Entries named relative to `root`, numbered from 1."""
    numbers: dict[tuple[int, int], int] = {}
    for path in paths:
        found = path.lstat()
        key = (found.st_dev, found.st_ino)
        is_second_name = key in numbers
        number = numbers.setdefault(key, len(numbers) + 1)
        data = b"" if is_second_name else content(path, found)
        out.write(entry(os.fsencode(path.relative_to(root)), found, number, mtime, data))
    out.write(trailer())


def walk(root: Path) -> Iterator[Path]:
    """A directory comes before what it holds, as the kernel creates things in the order of the archive."""
    for path in sorted(root.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)


def content(path: Path, found: os.stat_result) -> bytes:
    if stat.S_ISLNK(found.st_mode):
        return os.fsencode(os.readlink(path))
    return path.read_bytes() if stat.S_ISREG(found.st_mode) else b""


def entry(name: bytes, found: os.stat_result, number: int, mtime: int, data: bytes) -> bytes:
    """Header, name and data of one file; a second name of a file has the first one's number and no data."""
    links = 1 if stat.S_ISDIR(found.st_mode) else found.st_nlink
    device = (os.major(found.st_rdev), os.minor(found.st_rdev))
    numbers = (number, found.st_mode, found.st_uid, found.st_gid, links, mtime, len(data), 0, 0, *device)
    return header(numbers, name) + padded(data)


def trailer() -> bytes:
    return header((0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), b"TRAILER!!!")


def header(numbers: tuple[int, ...], name: bytes) -> bytes:
    fields = (*numbers, len(name) + 1, 0)
    return padded(b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0")


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
