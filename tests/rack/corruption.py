"""Silent corruption: a disk image served over NBD that gives back other bytes than were written at certain
sectors.

QEMU is the only client. The fixed-newstyle handshake with an export of any name, and the four commands it
uses (NBD protocol, proto.md).
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

SECTOR_BYTES = 512
_GREETING = b"NBDMAGICIHAVEOPT" + struct.pack(">H", 1)
_OPTION_REPLY_MAGIC, _REPLY_MAGIC = 0x3E889045565A9, 0x67446698
_OPTION_EXPORT_NAME, _OPTION_ABORT, _OPTION_GO = 1, 2, 7
_REPLY_ACK, _REPLY_INFO, _REPLY_UNSUPPORTED = 1, 3, 0x80000001
_HAS_FLAGS, _CAN_FLUSH = 1, 4
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_INVALID = 22


class CorruptingImage:
    """An image whose `bad` sectors (LBAs) flip one bit of every read once they have been written to."""

    def __init__(self, image: Path, bad: Iterable[int]) -> None:
        self._descriptor = os.open(image, os.O_RDWR)
        self._bad = frozenset(bad)
        self._written: set[int] = set()
        self.size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        content = bytearray(os.pread(self._descriptor, length, offset))
        for lba in self._written:
            at = lba * SECTOR_BYTES - offset
            if 0 <= at < length:
                content[at] ^= 0x01
        return bytes(content)

    def write(self, offset: int, content: bytes) -> None:
        os.pwrite(self._descriptor, content, offset)
        sectors = range(offset // SECTOR_BYTES, (offset + len(content) - 1) // SECTOR_BYTES + 1)
        self._written |= {lba for lba in self._bad if lba in sectors}

    def flush(self) -> None:
        os.fdatasync(self._descriptor)


class NbdServer:
    """Serves one image on a unix socket until closed; the machine may be switched off and on."""

    def __init__(self, image: CorruptingImage, path: Path) -> None:
        self._image = image
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, name="nbd", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """To be called with the machine off."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._image.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with client, client.makefile("rb") as received:
                try:
                    if self._shake_hands(client, received):
                        self._transmit(client, received)
                except (OSError, EOFError):
                    continue

    def _shake_hands(self, client: socket.socket, received: BinaryIO) -> bool:
        client.sendall(_GREETING)
        _take(received, 4)  # the client's flags
        while True:
            _, option, length = struct.unpack(">QII", _take(received, 16))
            _take(received, length)
            flags = _HAS_FLAGS | _CAN_FLUSH
            if option == _OPTION_GO:
                export = struct.pack(">HQH", 0, self._image.size, flags)
                client.sendall(_option_reply(option, _REPLY_INFO, export) + _option_reply(option, _REPLY_ACK))
                return True
            if option == _OPTION_EXPORT_NAME:
                client.sendall(struct.pack(">QH", self._image.size, flags) + bytes(124))
                return True
            client.sendall(_option_reply(option, _REPLY_ACK if option == _OPTION_ABORT else _REPLY_UNSUPPORTED))
            if option == _OPTION_ABORT:
                return False

    def _transmit(self, client: socket.socket, received: BinaryIO) -> None:
        while True:
            _, _, command, handle, offset, length = struct.unpack(">IHH8sQI", _take(received, 28))
            if command == _DISCONNECT:
                return
            payload = _take(received, length) if command == _WRITE else b""
            error, content = self._execute(command, offset, length, payload)
            client.sendall(struct.pack(">II8s", _REPLY_MAGIC, error, handle) + content)

    def _execute(self, command: int, offset: int, length: int, payload: bytes) -> tuple[int, bytes]:
        if command == _READ:
            return 0, self._image.read(offset, length)
        if command == _WRITE:
            self._image.write(offset, payload)
        elif command == _FLUSH:
            self._image.flush()
        else:
            return _INVALID, b""
        return 0, b""


def _option_reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", _OPTION_REPLY_MAGIC, option, kind, len(data)) + data


def _take(received: BinaryIO, length: int) -> bytes:
    """Exactly `length` bytes; raises EOFError when the stream ends before."""
    content = received.read(length)
    if len(content) < length:
        raise EOFError
    return content
