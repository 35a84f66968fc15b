"""The part of gdb's remote protocol that QEMU's stub needs from us: threads are CPUs, numbered from 1.

"Debugging with GDB", appendix "GDB Remote Serial Protocol"; the numbers of the registers are those of QEMU's
i386-64bit.xml. While the machine is stopped its clocks stand still, so the guest notices nothing."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

RIP, XMM0 = 16, 49
_INTERRUPT = b"\x03"
_HARDWARE_BREAKPOINT = 1
_THREAD = re.compile(rb"^T[0-9a-f]{2}thread:(?:p[0-9a-f]+\.)?([0-9a-f]+);")


class StubError(Exception):
    """The stub refused a command, or is no longer there."""


@dataclass(frozen=True)
class Stopped:
    """The machine stands still. `cpu` is the processor that caused it, or where an interrupt found it."""

    cpu: int


class Stub:
    """A connection to the stub of one machine. Connecting stops the machine. Nothing is acknowledged: for QEMU, the
    next command does that."""

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        self._timeout_s, self._buffer = timeout_s, b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            # Only who has asked for the description may read single registers.
            self._ask(b"qXfer:features:read:target.xml:0,ffb")
        except OSError as error:
            self.close()
            raise StubError(f"no debugger's stub at {path}: {error}") from error

    def close(self) -> None:
        self._socket.close()

    def detach(self) -> None:
        """Breakpoints go, and the machine runs."""
        self._ask(b"D")
        self.close()

    def go(self, cpu: int | None = None) -> None:
        """All CPUs run, or only that one while the others stand still."""
        self._send(b"vCont;c" + (b"" if cpu is None else b":%x" % (cpu + 1)))

    def interrupt(self) -> Stopped:
        self._put(_INTERRUPT)
        stopped = self.wait(self._timeout_s)
        if stopped is None:
            raise StubError("the machine does not stop")
        return stopped

    def wait(self, timeout_s: float) -> Stopped | None:
        """The next stop; None if there is none within that time."""
        try:
            answer = self._receive(timeout_s)
        except TimeoutError:
            return None
        if not (match := _THREAD.match(answer)):
            raise StubError(f"the stub says {answer[:40]!r} instead of where it stopped")
        return Stopped(int(match[1], 16) - 1)

    def select(self, cpu: int) -> None:
        """Registers and memory are those that this CPU sees from now on."""
        self._need(b"Hg%x" % (cpu + 1))

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self._ask(b"p%x" % number).decode()), "little")

    def set_register(self, number: int, value: int) -> None:
        length = 16 if number >= XMM0 else 8
        self._need(b"P%x=%s" % (number, value.to_bytes(length, "little").hex().encode()))

    def memory(self, address: int, length: int) -> bytes:
        """Empty where nothing is mapped."""
        answer = self._ask(b"m%x,%x" % (address, length))
        return b"" if answer.startswith(b"E") else bytes.fromhex(answer.decode())

    def break_at(self, address: int) -> None:
        self._need(b"Z%d,%x,1" % (_HARDWARE_BREAKPOINT, address))

    def unbreak(self, address: int) -> None:
        self._need(b"z%d,%x,1" % (_HARDWARE_BREAKPOINT, address))

    def _need(self, command: bytes) -> None:
        if (answer := self._ask(command)) != b"OK":
            raise StubError(f"{command.decode()}: {answer[:40]!r}")

    def _ask(self, command: bytes) -> bytes:
        """The answer. What says that the machine has stopped, as after connecting, is none."""
        self._send(command)
        try:
            answer = self._receive(self._timeout_s)
            while _THREAD.match(answer):
                answer = self._receive(self._timeout_s)
            return answer
        except TimeoutError as error:
            raise StubError(f"{command.decode()}: no answer") from error

    def _send(self, command: bytes) -> None:
        self._put(packet(command))

    def _put(self, content: bytes) -> None:
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise StubError(f"the debugger's stub is gone: {error}") from error

    def _receive(self, timeout_s: float) -> bytes:
        """The next packet's content. Raises TimeoutError and StubError."""
        self._socket.settimeout(timeout_s)
        while True:
            content, self._buffer = unpack(self._buffer)
            if content is not None:
                return content
            try:
                received = self._socket.recv(1 << 16)
            except TimeoutError:
                raise
            except OSError as error:
                raise StubError(f"the debugger's stub is gone: {error}") from error
            if not received:
                raise StubError("the debugger's stub is gone")
            self._buffer += received


def packet(content: bytes) -> bytes:
    """`$content#checksum`."""
    return b"$%s#%02x" % (content, sum(content) % 256)


def unpack(buffer: bytes) -> tuple[bytes | None, bytes]:
    """The first whole packet's content and what follows it; None while there is none. Raises StubError for a wrong
    checksum. Acknowledgements before it are skipped."""
    start, end = buffer.find(b"$"), buffer.find(b"#")
    if start < 0 or end < start or len(buffer) < end + 3:
        return None, buffer
    content, checksum = buffer[start + 1 : end], buffer[end + 1 : end + 3]
    if packet(content)[-2:] != checksum.lower():
        raise StubError(f"a packet's checksum is {checksum!r}")
    return content, buffer[end + 3 :]
