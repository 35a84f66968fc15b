"""The DHCP servers of a network, found by asking: a DISCOVER as a machine's firmware sends it, and every OFFER.

The DISCOVER has the interface's own MAC address, since switches and bridges may drop frames with another. No address is
taken: a server forgets its offer when no REQUEST follows. Our own dnsmasq does not answer, since this MAC is not
registered. [RFC 2131; options: RFC 2132, RFC 4578]
"""

from __future__ import annotations

import re
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

# A server may first try for 3 s whether somebody has the address (dnsmasq), so that an offer comes after that.
WAIT_S = 5.0
MOST_SERVERS = 16
_AGAIN_S, _AFTER_FIRST_S = 2.0, 1.5
_IPV4, _UDP, _SERVER_PORT, _CLIENT_PORT = 0x0800, 17, 67, 68
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER = 1, 2
_BROADCAST = 0x8000
_TYPE, _SERVER, _BOOT_FILE, _END, _PAD = 53, 54, 67, 255, 0
_UEFI_X64 = 7


class CanNotAsk(Exception):
    """Nothing is known of other servers; the message says why."""


class NeedsRoot(CanNotAsk):
    """This process may not send such packets."""


@dataclass(frozen=True)
class Server:
    """Who answered. `offers` is 0.0.0.0 for a server that gives no addresses and only says what to boot. `boot_file`
    is empty if it says nothing of booting."""

    address: IPv4Address
    offers: IPv4Address
    boot_file: str = ""

    @property
    def gives_addresses(self) -> bool:
        return int(self.offers) != 0

    @property
    def words(self) -> str:
        what = f"offers {self.offers}" if self.gives_addresses else "gives no addresses"
        return f"{self.address} ({what}{f', and lets machines boot {self.boot_file!r}' if self.boot_file else ''})"


def find(interface: str, wait_s: float = WAIT_S) -> list[Server]:
    """The servers that answer on this interface within `wait_s` seconds. Needs CAP_NET_RAW. Raises CanNotAsk."""
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_IPV4)) as wire:
            wire.bind((interface, _IPV4))
            mac: bytes = wire.getsockname()[4]
            if len(mac) != 6:
                raise CanNotAsk(f"{interface} has no Ethernet address")
            return list(_ask(wire, mac, wait_s).values())
    except PermissionError:
        raise NeedsRoot("asking for DHCP servers needs root") from None
    except OSError as error:
        raise CanNotAsk(f"{interface} can't send: {error.strerror}") from None


def _ask(wire: socket.socket, mac: bytes, wait_s: float) -> dict[IPv4Address, Server]:
    """Ask again every two seconds. Once a server has answered, wait a little for a second one."""
    xid, found = secrets.randbits(32), dict[IPv4Address, Server]()
    sent_at, ends = -_AGAIN_S, time.monotonic() + wait_s
    while (now := time.monotonic()) < ends and len(found) < MOST_SERVERS:
        if now - sent_at >= _AGAIN_S:
            wire.send(request(mac, xid))
            sent_at = now
        for server in _answers(wire, mac, xid, min(ends, sent_at + _AGAIN_S)):
            if not found:
                ends = min(ends, time.monotonic() + _AFTER_FIRST_S)
            found[server.address] = server
    return found


def _answers(wire: socket.socket, mac: bytes, xid: int, until: float) -> Iterator[Server]:
    while (left := until - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            frame = wire.recv(4096)
        except TimeoutError:
            return
        if server := offer(frame, mac, xid):
            yield server
            return


def request(mac: bytes, xid: int) -> bytes:
    """The whole Ethernet frame of a DISCOVER that asks for an answer by broadcast."""
    body = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, _BROADCAST) + bytes(16) + mac.ljust(16, b"\0") + bytes(192)
    options = {
        _TYPE: bytes([_DISCOVER]),
        55: bytes([1, 3, 43, 54, 60, 66, 67]),
        60: f"PXEClient:Arch:{_UEFI_X64:05d}:UNDI:003016".encode(),
        93: struct.pack("!H", _UEFI_X64),
        94: b"\x01\x03\x10",
    }
    body += _COOKIE + b"".join(bytes([code, len(value)]) + value for code, value in options.items()) + bytes([_END])
    udp = struct.pack("!HHHH", _CLIENT_PORT, _SERVER_PORT, 8 + len(body), 0) + body
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, bytes(4), b"\xff" * 4)
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return b"\xff" * 6 + mac + struct.pack("!H", _IPV4) + header + udp


def offer(frame: bytes, mac: bytes, xid: int) -> Server | None:
    """The server whose OFFER to this request the frame is; None for every other frame."""
    reply = _reply(frame)
    if len(reply) < 240 or reply[0] != 2 or reply[236:240] != _COOKIE:
        return None
    if struct.unpack("!I", reply[4:8])[0] != xid or reply[28:34] != mac:
        return None
    options = _options(reply[240:])
    if options.get(_TYPE) != bytes([_OFFER]):
        return None
    named = options.get(_SERVER, b"")
    sender = IPv4Address(named if len(named) == 4 else frame[26:30])
    return Server(sender, IPv4Address(reply[16:20]), _boot_file(options.get(_BOOT_FILE, b""), reply[108:236]))


def _reply(frame: bytes) -> bytes:
    """What UDP carries from a server to a client; empty for everything else."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != _UDP:
        return b""
    udp = frame[14 + 4 * (frame[14] & 0x0F) :]
    return udp[8:] if len(udp) > 8 and struct.unpack("!HH", udp[:4]) == (_SERVER_PORT, _CLIENT_PORT) else b""


def _options(rest: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while rest and rest[0] != _END:
        if rest[0] == _PAD:
            rest = rest[1:]
        elif len(rest) < 2 or len(rest) < 2 + rest[1]:
            break
        else:
            found.setdefault(rest[0], rest[2 : 2 + rest[1]])
            rest = rest[2 + rest[1] :]
    return found


def _boot_file(option: bytes, field: bytes) -> str:
    name = option.split(b"\0")[0] or field.split(b"\0")[0]
    with suppress(UnicodeDecodeError):
        return re.sub(r"[^\x20-\x7e]", "?", name.decode("ascii"))[:128]
    return "a name that is no text"


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
