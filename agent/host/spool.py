"""Log lines and measurements, kept in files in memory (tmpfs) until the orchestrator has them.

A batch is stored with its number before it is sent, and it is always sent as the same bytes. So a number never stands
for anything else, after a lost answer, a long outage or a restart of the agent.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

LOG_CAP_BYTES = 16 * 1024 * 1024
SENSOR_CAP_BYTES = 32 * 1024 * 1024
# tmpfs uses whole pages, so this is what a batch costs.
PAGE_BYTES = 4096


class Spool:
    """Numbered batches of one kind, oldest first, in `directory`. Above `cap_bytes` the oldest are
    dropped and counted in `dropped_batches`. Safe to use from several threads."""

    def __init__(self, directory: Path, cap_bytes: int) -> None:
        self.directory = directory
        self.cap_bytes = cap_bytes
        self.dropped_batches = 0
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        self._kept = deque((seq, _pages(self._file(seq).stat().st_size)) for seq in self._numbers())
        self._last_seq = max(self._read_last(), *(seq for seq, _ in self._kept), 0)

    def put(self, encode: Callable[[int], bytes]) -> int:
        """Keep the batch that `encode` makes for its number, and return the number (from 1)."""
        with self._lock:
            seq = self._last_seq + 1
            body = encode(seq)
            self._last_seq = seq
            write_whole(self.directory / "last", str(seq).encode())
            write_whole(self._file(seq), body)
            self._kept.append((seq, _pages(len(body))))
            self._drop_excess()
        return seq

    def oldest(self) -> tuple[int, bytes] | None:
        """The batch to send next, exactly as it was stored."""
        with self._lock:
            while self._kept:
                seq = self._kept[0][0]
                try:
                    return seq, self._file(seq).read_bytes()
                except OSError:
                    self._forget_oldest()
        return None

    def delivered(self, seq: int) -> None:
        """The orchestrator has everything up to `seq`."""
        with self._lock:
            while self._kept and self._kept[0][0] <= seq:
                self._forget_oldest()

    def take_dropped(self) -> int:
        """How many batches were dropped since the last call."""
        with self._lock:
            dropped, self.dropped_batches = self.dropped_batches, 0
        return dropped

    def __len__(self) -> int:
        return len(self._kept)

    def _drop_excess(self) -> None:
        while len(self._kept) > 1 and sum(size for _, size in self._kept) > self.cap_bytes:
            self._forget_oldest()
            self.dropped_batches += 1

    def _forget_oldest(self) -> None:
        seq, _ = self._kept.popleft()
        self._file(seq).unlink(missing_ok=True)

    def _file(self, seq: int) -> Path:
        return self.directory / f"{seq:012d}.json"

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self.directory.glob("*.json") if path.stem.isdigit())

    def _read_last(self) -> int:
        try:
            return int((self.directory / "last").read_text())
        except (OSError, ValueError):
            return 0


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file, whole or not at all. Only this user can read it."""
    draft = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
    os.replace(draft, path)


def _pages(size_bytes: int) -> int:
    return -(-max(size_bytes, 1) // PAGE_BYTES) * PAGE_BYTES
