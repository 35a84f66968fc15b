"""The agent as a second initrd: a `newc` cpio archive of this checkout's `agent/`, the same bytes for the
same sources.

Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Every number is eight
hexadecimal digits; names and contents are padded to four bytes; the archive ends with an entry named
`TRAILER!!!`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from pxe.paths import paths
from runs.files import atomic

TARGET = "usr/lib/vetting"
LOOK_S = 1.0
_lock = threading.Lock()
_newest: tuple[Any, Path, float] = (None, Path(), 0.0)
DIRECTORY_MODE, FILE_MODE = 0o040755, 0o100644


def current() -> Path:
    """The archive of the checkout as it is now, or was a second ago. Anybody in the hosts' network may ask for it, and
    packing it keeps the process from all else for 20 ms: so that is done once a second, however many ask."""
    global _newest
    key = settings.BASE_DIR, paths().root
    with _lock:
        known, path, at = _newest
        if known != key or time.monotonic() - at >= LOOK_S or not path.exists():
            path = _packed()
            _newest = key, path, time.monotonic()
        return path


def _packed() -> Path:
    """`<data>/pxe/agent-<hash>.cpio`; made if there is none yet, older ones removed.

    Several processes may do this at once: each writes the same bytes, and a process that still sends an older file
    keeps it open.
    """
    archive = pack(sources(settings.BASE_DIR / "agent"))
    path = paths().root / f"agent-{hashlib.sha256(archive).hexdigest()[:16]}.cpio"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, archive)
        for old in set(path.parent.glob("agent-*.cpio")) - {path}:
            old.unlink(missing_ok=True)
    return path


def sources(package: Path) -> list[tuple[str, bytes]]:
    """Name and content of every `*.py` of the package, in order of name."""
    files = sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)
    return [(f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes()) for path in files]


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The archive that places `files` below /usr/lib/vetting, owned by root, with no times."""
    files = [(f"{TARGET}/{name}", content) for name, content in files]
    directories = sorted({str(parent) for name, _ in files for parent in Path(name).parents} - {"."})
    entries = [(name, DIRECTORY_MODE, b"") for name in directories]
    entries += [(name, FILE_MODE, content) for name, content in files]
    body = b"".join(_entry(number, *entry) for number, entry in enumerate(entries, start=1))
    return body + _entry(0, "TRAILER!!!", 0, b"")


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    name_bytes = name.encode() + b"\0"
    links = 2 if mode == DIRECTORY_MODE else 1
    numbers = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name_bytes), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name_bytes) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
