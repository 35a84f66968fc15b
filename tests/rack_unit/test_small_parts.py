"""Magic packets, the archive for the guest, SMBIOS structures, boot scripts, packet loss."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from wakeonlan import create_magic_packet

from tests.rack import directboot, guestport, machinefile, packetloss, smbios
from tests.rack.errors import RackBroken
from tests.rack.machinefile import Dimm
from tests.rack.wake import woken_mac

DIMM = Dimm(locator="DIMM_A1", size_mb=1536, serial="D-1", part="P-1")


def test_a_magic_packet_wakes_its_mac_wherever_in_the_packet_it_stands() -> None:
    assert woken_mac(b"junk" + create_magic_packet("52:54:00:12:34:56")) == "52:54:00:12:34:56"


@pytest.mark.parametrize("packet", [b"", b"\xff" * 6 + b"abcdef" * 15, b"\xff" * 6 + b"abcdef" * 15 + b"abcdeg"])
def test_anything_else_wakes_nobody(packet: bytes) -> None:
    assert woken_mac(packet) is None


@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is not installed")
def test_the_guests_end_unpacks_with_cpio_and_is_switched_on(tmp_path: Path) -> None:
    subprocess.run(["cpio", "-idm", "--quiet"], input=guestport.archive(), cwd=tmp_path, check=True)
    unit = tmp_path / "etc/systemd/system/sysinit.target.wants/vetting-rack-port.service"
    assert unit.is_symlink() and "ExecStart=/usr/bin/python3 /usr/lib/vetting-rack/port.py" in unit.read_text()
    assert (tmp_path / "usr/lib/vetting-rack/port.py").is_file()


def test_a_memory_module_has_its_size_and_strings_where_smbios_wants_them() -> None:
    table = smbios.memory_device(1, DIMM)
    assert table[:4] == struct.pack("<BBH", 17, 40, 0x1101)
    assert struct.unpack_from("<H", table, 0x0C) == (1536,)
    assert table[40:].split(b"\0")[:5] == [b"DIMM_A1", b"BANK 0", b"ACME", b"D-1", b"P-1"]
    assert table.endswith(b"\0\0")


def test_a_memory_module_may_say_anything_but_nothing() -> None:
    table = smbios.memory_device(0, DIMM.model_copy(update={"serial": "", "part": "Ä\x1b"}))
    assert table[40:].split(b"\0")[3:5] == [b" ", "Ä\x1b".encode()]
    assert smbios.as_listed("Ä\x1b1 ") == "...1"


def test_the_memory_array_counts_its_modules_and_has_no_ecc() -> None:
    table = smbios.memory_array([DIMM, DIMM])
    assert table[:4] == struct.pack("<BBH", 16, 23, 0x1000)
    assert table[6] == 3
    assert struct.unpack_from("<H", table, 0x0D) == (2,)


def test_the_firmware_says_which_addresses_are_whose() -> None:
    dimms = [{"locator": f"DIMM_{n}", "size_mb": 1536, "serial": f"D-{n}"} for n in "AB"]
    nics = [{"model": "virtio", "mac": "52:54:00:00:00:01"}]
    content = {"name": "m", "memory_mb": 3072, "dimms": dimms, "nics": nics, "outcome": {}}
    tables = smbios.memory(machinefile.parse(content, "m.yaml"))
    assert [table[0] for table in tables] == [16, 17, 17, 19, 19, 20, 20, 20]
    assert [table[1] for table in tables if table[0] in (19, 20)] == [31, 31, 35, 35, 35]
    handles = [struct.unpack_from("<H", table, 2)[0] for table in tables]
    assert len(set(handles)) == len(tables)
    mib, gib = 1024, 1024 * 1024  # in KiB, as the structures have it
    of_array = [struct.unpack_from("<IIH", table, 4) for table in tables if table[0] == 19]
    assert of_array == [(0, 2 * gib - 1, handles[0]), (4 * gib, 5 * gib - 1, handles[0])]
    assert [struct.unpack_from("<IIHH", table, 4) for table in tables if table[0] == 20] == [
        (0, 1536 * mib - 1, handles[1], handles[3]),
        (1536 * mib, 2 * gib - 1, handles[2], handles[3]),
        (4 * gib, 5 * gib - 1, handles[2], handles[4]),
    ]


def test_the_firmware_says_which_modules_are_interleaved() -> None:
    dimms = [{"locator": f"DIMM_{n}", "size_mb": 1024, "serial": f"D-{n}"} for n in "AB"]
    nics = [{"model": "virtio", "mac": "52:54:00:00:00:01"}]
    content = {"name": "m", "memory_mb": 2048, "interleaving_kb": 4, "dimms": dimms, "nics": nics, "outcome": {}}
    tables = smbios.memory(machinefile.parse(content, "m.yaml"))
    assert [table[0x0E] for table in tables if table[0] == 19] == [2]
    of_modules = [table for table in tables if table[0] == 20]
    assert [struct.unpack_from("<II", table, 4) for table in of_modules] == [(0, 2 * 1024 * 1024 - 1)] * 2
    assert [tuple(table[0x10:0x13]) for table in of_modules] == [(1, 1, 1), (1, 2, 1)]


class Files:
    """Stands where the orchestrator's boot files are."""

    def get(self, path: str, port: int) -> tuple[int, bytes]:
        return (404, b"") if "missing" in path else (200, path.encode())


SCRIPT = """#!ipxe
kernel http://10.77.0.1:8001/boot/vmlinuz?run=1 initrd=initrd.magic vetting.run=1 console=tty0 || goto again
initrd http://10.77.0.1:8001/boot/a || goto again
initrd http://10.77.0.1:8001/boot/bb || goto again
boot || goto again
"""


def gather(script: str, directory: Path) -> Any:
    return directboot.gather(script, Files(), directory)  # type: ignore[arg-type]


def test_a_direct_boot_takes_what_the_script_names(tmp_path: Path) -> None:
    boot = gather(SCRIPT, tmp_path)
    assert boot.command_line == "vetting.run=1 console=tty0"
    assert boot.kernel.read_bytes() == b"/boot/vmlinuz?run=1"
    assert boot.initrd.read_bytes() == b"/boot/a\0/boot/bb"


def test_a_script_that_boots_nothing_breaks_the_rack(tmp_path: Path) -> None:
    with pytest.raises(RackBroken, match="boots nothing"):
        gather("#!ipxe\nexit 1\n", tmp_path)


def test_a_boot_file_that_is_not_there_breaks_the_rack(tmp_path: Path) -> None:
    with pytest.raises(RackBroken, match="404"):
        gather(SCRIPT.replace("/boot/a", "/boot/missing"), tmp_path)


def test_the_share_of_lost_packets_is_a_threshold_of_32_bits() -> None:
    half = packetloss.program(50)
    assert len(half) == 7 * 8
    assert struct.unpack_from("<I", half, 12) == (2**31,)
    assert struct.unpack_from("<I", packetloss.program(100), 12) == (2**32 - 1,)
