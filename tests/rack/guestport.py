"""Commands inside a running guest, for faults that come from within (a killed agent) and for looking at it in
tests.

The guest's end is guest/port.py, which an archive beside the live image brings in (`boot_files.extra_initrd`,
a setting for development): the image itself is the one that real hosts boot.
"""

from __future__ import annotations

import json
import socket
import stat
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

_GUEST = Path(__file__).parent / "guest"
AER = "usr/lib/vetting-rack/aer.py"
_UNIT = "vetting-rack-port.service"
_requests = count(1)


class GuestSilent(Exception):
    """Nothing in the guest answered in time."""


@dataclass(frozen=True)
class Said:
    status: int
    output: str


def archive(aer_inject: bytes | None = None) -> bytes:
    """A cpio archive with the guest's end and its unit, switched on; and the kernel module for PCIe errors."""
    files = {
        "usr/lib/vetting-rack/port.py": (stat.S_IFREG | 0o644, (_GUEST / "port.py").read_bytes()),
        AER: (stat.S_IFREG | 0o644, (_GUEST / "aer.py").read_bytes()),
        f"etc/systemd/system/{_UNIT}": (stat.S_IFREG | 0o644, (_GUEST / _UNIT).read_bytes()),
        f"etc/systemd/system/sysinit.target.wants/{_UNIT}": (stat.S_IFLNK | 0o777, f"../{_UNIT}".encode()),
    }
    if aer_inject is not None:
        files["usr/lib/vetting-rack/aer_inject.ko"] = (stat.S_IFREG | 0o644, aer_inject)
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    entries = [(folder, stat.S_IFDIR | 0o755, b"") for folder in folders]
    entries += [(name, mode, content) for name, (mode, content) in files.items()]
    members = [_member(number, *entry) for number, entry in enumerate(entries, start=1)]
    return b"".join((*members, _member(0, "TRAILER!!!", 0, b"")))


def _member(number: int, name: str, mode: int, content: bytes) -> bytes:
    """One member in the "newc" format (cpio(5))."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(header) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def run(path: Path, command: list[str], timeout_s: float = 60) -> Said:
    """Runs `command` in the guest behind the socket `path`; raises GuestSilent."""
    request = {"id": next(_requests), "command": command}
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as port:
        try:
            port.connect(str(path))
            port.sendall(b"\n" + json.dumps(request).encode() + b"\n")
            return _answer(port, request["id"], deadline)
        except OSError as error:
            raise GuestSilent(
                f"the guest did not answer to {' '.join(command)} in {timeout_s:.0f} s: {error}"
            ) from error


def _answer(port: socket.socket, request_id: object, deadline: float) -> Said:
    buffered = b""
    while True:
        port.settimeout(max(deadline - time.monotonic(), 0.01))
        received = port.recv(4096)
        if not received:
            raise ConnectionResetError("the machine is off")
        buffered += received
        *lines, buffered = buffered.split(b"\n")
        for line in lines:
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            # Until the guest's end listens, its terminal echoes what was asked.
            if isinstance(answer, dict) and answer.get("id") == request_id and "status" in answer:
                return Said(answer["status"], answer["output"])
