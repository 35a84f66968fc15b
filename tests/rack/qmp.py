"""A QEMU monitor (QMP): one command, one answer."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any


class QmpError(Exception):
    """QEMU refused a command, or is no longer there."""


class Monitor:
    """A connection to one machine's monitor, for one thread at a time."""

    def __init__(self, path: Path, timeout_s: float = 10) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._next_message()  # the greeting
            self.execute("qmp_capabilities")
        except OSError as error:
            self.close()
            raise QmpError(f"no monitor at {path}: {error}") from error

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """The command's return value; raises QmpError when QEMU refuses it or has ended."""
        request = {"execute": command, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = self._next_message()
            while "event" in answer:
                answer = self._next_message()
        except OSError as error:
            raise QmpError(f"{command}: the monitor is gone: {error}") from error
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def human(self, line: str) -> str:
        """A command of the human monitor, for what QMP has no command of its own (`mce`)."""
        return self.execute("human-monitor-command", **{"command-line": line})

    def quit(self) -> None:
        """The power cut. QEMU may be gone before it has answered."""
        try:
            self.execute("quit")
        except QmpError:
            return

    def _next_message(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("end of stream")
        return json.loads(line)
