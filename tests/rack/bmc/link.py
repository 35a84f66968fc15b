"""How QEMU's ipmi-bmc-extern talks to a controller: OpenIPMI's "VM" serial protocol (QEMU,
hw/ipmi/ipmi_bmc_extern.c).

A message is sequence number, network function and unit, command, data, checksum, with three bytes escaped,
and ends with a byte of its own; hardware commands end with another one and ask for no answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.rack.bmc.controller import Controller

END_OF_MESSAGE, END_OF_COMMAND, ESCAPE = 0xA0, 0xA1, 0xAA
_ESCAPED_BIT = 0x10
_RESPONSE_BIT = 0x04


def frame(message: bytes) -> bytes:
    """`message` with its checksum, escaped and ended."""
    framed = bytearray()
    for byte in message + bytes([-sum(message) & 0xFF]):
        framed += (
            bytes([ESCAPE, byte | _ESCAPED_BIT]) if byte in (END_OF_MESSAGE, END_OF_COMMAND, ESCAPE) else bytes([byte])
        )
    return bytes(framed) + bytes([END_OF_MESSAGE])


class Unframer:
    """Takes the stream in pieces; gives the messages whose checksum is right, without it."""

    def __init__(self) -> None:
        self._message = bytearray()
        self._escaped = False

    def feed(self, received: bytes) -> Iterator[bytes]:
        for byte in received:
            if byte == END_OF_COMMAND:
                self._message.clear()
            elif byte == END_OF_MESSAGE:
                if len(self._message) > 3 and sum(self._message) & 0xFF == 0:
                    yield bytes(self._message[:-1])
                self._message.clear()
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._message.append(byte & ~_ESCAPED_BIT if self._escaped else byte)
                self._escaped = False


def respond(controller: Controller, message: bytes) -> bytes:
    """The answer's frame."""
    sequence, function_and_unit, command = message[:3]
    code, data = controller.answer(function_and_unit >> 2, command, message[3:])
    return frame(bytes([sequence, function_and_unit | _RESPONSE_BIT, command, code]) + data)


class Link:
    """Serves one controller on a unix socket until closed, in a thread of its own; the machine may come and
    go."""

    def __init__(self, controller: Controller, path: Path) -> None:
        self._controller = controller
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        threading.Thread(target=self._serve, name="bmc", daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                machine, _ = self._listener.accept()
            except OSError:  # closed
                return
            with machine:
                self._converse(machine)

    def _converse(self, machine: socket.socket) -> None:
        unframer = Unframer()
        try:
            while received := machine.recv(4096):
                for message in unframer.feed(received):
                    machine.sendall(respond(self._controller, message))
        except OSError:  # the machine was switched off in the middle of a word
            return
