"""Keeps the output of a tool in bounded memory."""

from __future__ import annotations


class Capture:
    """The beginning and the end of the output, each up to half of the cap."""

    def __init__(self, cap_bytes: int) -> None:
        self._half = cap_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room < len(chunk) else b""
        if len(self._tail) > 2 * self._half:
            self._trim()

    def text(self) -> str:
        self._trim()
        note = f"\n[… {self._dropped} bytes left out …]\n".encode() if self._dropped else b""
        return (self._head + note + self._tail).decode(errors="replace")

    def _trim(self) -> None:
        excess = max(0, len(self._tail) - self._half)
        del self._tail[:excess]
        self._dropped += excess
