"""A machine's own network boot, as far as DHCP and TFTP go: raw frames from any MAC, no address needed."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from tests.pxe.network import CLIENT_INTERFACE

ETH_P_IP = 0x0800
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
UEFI, BIOS, UEFI_HTTP = 7, 0, 16


@dataclass(frozen=True)
class Answer:
    """A DHCP reply: `address` is yiaddr, `options` by number; `boot_file` from option 67 or the fixed
    field."""

    address: str
    server: str
    options: dict[int, bytes]
    boot_file: str

    @property
    def kind(self) -> int:
        return self.options[53][0]


def discover(mac: str, architecture: int | None = UEFI, ipxe: bool = False, wait_s: float = 5.0) -> Answer | None:
    """What a DISCOVER of this MAC is answered, None when nothing comes within `wait_s`."""
    with _Wire(mac) as wire:
        return wire.ask(DISCOVER, wait_s, _identity(architecture, ipxe))


def lease(mac: str, architecture: int | None = UEFI, ipxe: bool = False, wait_s: float = 5.0) -> Answer | None:
    """The whole exchange, DISCOVER to ACK."""
    with _Wire(mac) as wire:
        offer = wire.ask(DISCOVER, wait_s, _identity(architecture, ipxe))
        if offer is None:
            return None
        wanted = {50: IPv4Address(offer.address).packed, 54: offer.options[54]}
        return wire.ask(REQUEST, wait_s, _identity(architecture, ipxe) | wanted)


def _identity(architecture: int | None, ipxe: bool) -> dict[int, bytes]:
    """Without an architecture: as an operating system asks."""
    if architecture is None:
        return {55: bytes([1, 3, 6])}
    prefix = "HTTPClient" if architecture == UEFI_HTTP else "PXEClient"
    options = {
        55: bytes([1, 3, 6, 43, 54, 60, 66, 67]),
        60: f"{prefix}:Arch:{architecture:05d}:UNDI:003016".encode(),
        93: struct.pack("!H", architecture),
        94: b"\x01\x03\x10",
        97: b"\x00" + bytes(range(16)),
    }
    return options | ({77: b"iPXE", 175: b"\xb1\x01\x01\xff"} if ipxe else {})


class _Wire:
    def __init__(self, mac: str) -> None:
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.xid = int(time.monotonic_ns() & 0xFFFFFFFF)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.socket.bind((CLIENT_INTERFACE, ETH_P_IP))

    def __enter__(self) -> _Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, kind: int, wait_s: float, options: dict[int, bytes]) -> Answer | None:
        """Asked again every second, as firmware does."""
        ends = time.monotonic() + wait_s
        while (now := time.monotonic()) < ends:
            self.socket.send(self._frame(kind, options))
            if answer := self._wait(min(ends, now + 1.0), OFFER if kind == DISCOVER else ACK):
                return answer
        return None

    def _wait(self, until: float, kind: int) -> Answer | None:
        """Passes over late answers to what was asked before."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(4096)
            except TimeoutError:
                return None
            if (payload := _udp_payload(frame)) and struct.unpack("!I", payload[4:8])[0] == self.xid:
                answer = _parse(payload)
                if answer.kind == kind:
                    return answer
        return None

    def _frame(self, kind: int, options: dict[int, bytes]) -> bytes:
        body = struct.pack("!BBBBIHH", 1, 1, 6, 0, self.xid, 0, 0x8000) + b"\0" * 16
        body += self.mac.ljust(16, b"\0") + b"\0" * 192 + COOKIE + bytes([53, 1, kind])
        body += b"".join(bytes([number, len(value)]) + value for number, value in options.items()) + b"\xff"
        udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4
        )  # fmt: skip
        header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
        return b"\xff" * 6 + self.mac + struct.pack("!H", ETH_P_IP) + header + udp


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _udp_payload(frame: bytes) -> bytes | None:
    """Of a DHCP server's packet (source port 67 or 4011), None for anything else."""
    header_length = (frame[14] & 0x0F) * 4
    udp = frame[14 + header_length :]
    is_answer = frame[23] == 17 and len(udp) > 248 and struct.unpack("!H", udp[:2])[0] in (67, 4011)
    return udp[8:] if is_answer and udp[8] == 2 else None


def _parse(payload: bytes) -> Answer:
    options: dict[int, bytes] = {}
    rest = payload[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    field = payload[108:236].split(b"\0")[0]
    boot_file = options.get(67, b"").rstrip(b"\0") or field
    return Answer(
        str(IPv4Address(payload[16:20])), str(IPv4Address(payload[20:24])), options, boot_file.decode()
    )  # fmt: skip


def tftp_get(server: str, name: str, timeout_s: float = 3.0) -> bytes:
    """RFC 1350, blocks of 512 bytes. Raises FileNotFoundError with the server's words when it sends an
    error."""
    content = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.sendto(b"\0\x01" + name.encode() + b"\0octet\0", (server, 69))
        while True:
            packet, peer = sock.recvfrom(2048)
            if packet[:2] == b"\0\x05":
                raise FileNotFoundError(packet[4:].rstrip(b"\0").decode())
            content += packet[4:]
            sock.sendto(b"\0\x04" + packet[2:4], peer)
            if len(packet) < 516:
                return content
