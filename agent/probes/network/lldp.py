"""The device at the other end of a cable, from the frames in which switches announce their name and port (IEEE
802.1AB)."""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.parsing import ParseError, clean

ETHERTYPE = 0x88CC
_NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
_ETHERNET_BYTES = 14
_FRAME_CAP_BYTES = 9216
_MOST_NEIGHBOURS = 50
# linux/if_packet.h
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0
_END, _CHASSIS, _PORT, _TIME_TO_LIVE, _PORT_WORDS, _SYSTEM_NAME = 0, 1, 2, 3, 4, 5
_MAC_SUBTYPE = {_CHASSIS: 4, _PORT: 3}
_ADDRESS_SUBTYPE = {_CHASSIS: 5, _PORT: 4}
# IANA's numbers of address families.
_ADDRESS_BYTES = {b"\x01": 4, b"\x02": 16}


@dataclass(frozen=True)
class Neighbour:
    """`system` is the switch's name, or its chassis if it gives none. `port` is its own name for the port."""

    system: str
    port: str
    port_words: str = ""

    def __str__(self) -> str:
        words = f" ({self.port_words})" if self.port_words not in ("", self.port) else ""
        return f"{self.system} {self.port}{words}"


def parse(frame: bytes) -> Neighbour:
    """Raises ParseError for anything but a whole LLDP frame, and for one with which a switch takes its announcement
    back. That one has no name of the switch, and a time to live of 0 (IEEE 802.1AB, shutdown LLDPDU)."""
    if len(frame) < _ETHERNET_BYTES or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        raise ParseError("no LLDP frame")
    values = _values(frame[_ETHERNET_BYTES:])
    if _CHASSIS not in values or _PORT not in values:
        raise ParseError("an LLDP frame without chassis or port")
    if not any(values.get(_TIME_TO_LIVE, b"\x01")):
        raise ParseError("an LLDP frame that ends an announcement")
    system = clean(values.get(_SYSTEM_NAME, b"").decode(errors="replace"))
    return Neighbour(
        system or _identifier(_CHASSIS, values[_CHASSIS]),
        _identifier(_PORT, values[_PORT]),
        clean(values.get(_PORT_WORDS, b"").decode(errors="replace")),
    )


def _values(text: bytes) -> dict[int, bytes]:
    """Type → the first value of that type."""
    found: dict[int, bytes] = {}
    while len(text) >= 2:
        head = int.from_bytes(text[:2], "big")
        kind, length = head >> 9, head & 0x1FF
        value, text = text[2 : 2 + length], text[2 + length :]
        if kind == _END:
            break
        if len(value) < length:
            raise ParseError("an LLDP frame that was cut short")
        found.setdefault(kind, value)
    return found


def _identifier(kind: int, value: bytes) -> str:
    if value[:1] == bytes([_MAC_SUBTYPE[kind]]) and len(value) == 7:
        return value[1:].hex(":")
    if value[:1] == bytes([_ADDRESS_SUBTYPE[kind]]) and len(value) - 2 == _ADDRESS_BYTES.get(value[1:2]):
        return str(ipaddress.ip_address(value[2:]))
    return clean(value[1:].decode(errors="replace"))


def _opened(name: str) -> socket.socket:
    member = struct.pack("iHH8s", socket.if_nametoindex(name), _MULTICAST, 6, _NEAREST_BRIDGE)
    # Protocol 0 until it is bound: a new socket would otherwise receive the frames of every card.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        opened.bind((name, ETHERTYPE))
        opened.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, member)
    except OSError:
        opened.close()
        raise
    return opened


class Listener:
    """Listens from its creation on. `all_heard` are the neighbours so far, each once, the newest last. Behind a hub or
    a simple switch there are several. `trouble` says why it can't listen."""

    def __init__(self, name: str) -> None:
        self.trouble = ""
        self.all_heard: list[Neighbour] = []
        self._socket: socket.socket | None = None
        try:
            self._socket = _opened(name)
        except OSError as error:
            self.trouble = f"{name}: LLDP can't be heard: {error.strerror or error}"

    def heard(self, wait_s: float = 0.0, fits: Callable[[Neighbour], bool] = lambda _: True) -> Neighbour | None:
        """The newest neighbour that fits, or else the first one within `wait_s`. Without any that fits, the newest."""
        until = time.monotonic() + wait_s
        self._listen()
        while not any(map(fits, self.all_heard)) and self._socket and (left_s := until - time.monotonic()) > 0:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                selector.select(left_s)
            self._listen()
        return next(filter(fits, reversed(self.all_heard)), self.all_heard[-1] if self.all_heard else None)

    def _listen(self) -> None:
        while self._socket is not None:
            try:
                frame = self._socket.recv(_FRAME_CAP_BYTES)
            except OSError:
                return
            with contextlib.suppress(ParseError):
                newest = parse(frame)
                self.all_heard = [*[one for one in self.all_heard if one != newest][-_MOST_NEIGHBOURS:], newest]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
