"""Another DHCP server is found by a real DISCOVER, and only what answers this very request counts."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pxe import daemon, dhcpservers
from pxe.dhcpservers import CanNotAsk, Server, offer
from tests.pxe.network import CLIENT_INTERFACE, SERVER_ADDRESS, SERVER_INTERFACE, Network

MAC, XID = bytes.fromhex("525400120001"), 0x01020304


def answer(
    *, kind: int = 2, xid: int = XID, mac: bytes = MAC, options: bytes = b"", ports: tuple[int, int] = (67, 68)
) -> bytes:
    """An OFFER of 10.0.0.50 by 10.0.0.1, as a frame."""
    body = struct.pack("!BBBBIHH", 2, 1, 6, 0, xid, 0, 0) + bytes(4) + bytes([10, 0, 0, 50]) + bytes(8)
    body += mac.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"
    udp = struct.pack("!HHHH", *ports, 8 + len(body), 0) + body
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes([10, 0, 0, 1]) + b"\xff" * 4
    return b"\xff" * 6 + bytes(6) + b"\x08\x00" + header + udp


def test_an_offer_names_its_server_and_what_it_lets_boot() -> None:
    plain, named = answer(), answer(options=bytes([54, 4, 10, 0, 0, 9, 67, 5]) + b"a.efi")
    assert offer(plain, MAC, XID) == Server(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.50"))
    assert offer(named, MAC, XID) == Server(IPv4Address("10.0.0.9"), IPv4Address("10.0.0.50"), "a.efi")


@pytest.mark.parametrize(
    "frame",
    [
        answer(kind=5),
        answer(xid=7),
        answer(mac=bytes(6)),
        answer(ports=(68, 67)),
        answer()[:200],
        b"",
        b"\0" * 60,
        dhcpservers.request(MAC, XID),
    ],
)
def test_what_answers_something_else_is_no_offer(frame: bytes) -> None:
    assert offer(frame, MAC, XID) is None


def test_every_beginning_of_an_answer_and_every_changed_byte_is_survived() -> None:
    whole = answer(options=bytes([54, 4, 10, 0, 0, 9, 67, 5]) + b"a.efi")
    for length in range(len(whole)):
        offer(whole[:length], MAC, XID)
        offer(whole[:length] + bytes([whole[length] ^ 0xFF]) + whole[length + 1 :], MAC, XID)


@contextmanager
def dnsmasq(network: Network, folder: Path, *words: str) -> Iterator[None]:
    """Another server on the wire, which answers everybody."""
    program = daemon.which("dnsmasq")
    if program is None:
        pytest.skip("dnsmasq is not installed: apt install dnsmasq-base")
    common = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping", "--user=root", "--bind-dynamic"]
    files = [f"--pid-file={folder}/other.pid", f"--dhcp-leasefile={folder}/leases", f"--interface={SERVER_INTERFACE}"]
    with network.on_server():
        process = subprocess.Popen([program, *common, *files, *words], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=5)


def found(network: Network, wait_s: float) -> list[Server]:
    with network.on_client():
        return dhcpservers.find(CLIENT_INTERFACE, wait_s)


def test_another_server_on_the_wire_is_found(network: Network, tmp_path: Path) -> None:
    words = ("--dhcp-range=10.77.0.50,10.77.0.60", "--dhcp-boot=other.efi")
    with dnsmasq(network, tmp_path, *words):
        (server,) = found(network, 8)
    assert (str(server.address), server.boot_file) == (SERVER_ADDRESS, "other.efi")
    assert 50 <= int(server.offers) & 0xFF <= 60


def test_where_there_is_none_none_is_found(network: Network) -> None:
    assert found(network, 0.5) == []


def test_our_own_server_does_not_answer_for_itself(network: Network, tmp_path: Path) -> None:
    with dnsmasq(network, tmp_path, "--dhcp-range=10.77.0.50,10.77.0.60", "--dhcp-ignore=tag:!known"):
        assert found(network, 2.5) == []


def test_an_interface_that_is_not_there_is_said(network: Network) -> None:
    with network.on_client(), pytest.raises(CanNotAsk, match="nosuch0 can't send: No such device"):
        dhcpservers.find("nosuch0")


def test_without_the_right_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(dhcpservers.socket, "socket", refused)
    with pytest.raises(CanNotAsk, match="needs root"):
        dhcpservers.find("eth0")
