"""Silent corruption, seen through QEMU's own NBD client."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack.bay import Bay
from tests.rack.corruption import CorruptingImage, NbdServer
from tests.rack.machinefile import Disk
from tests.rack.qemu import blockdev

pytestmark = pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-utils is not installed")
BAD, GOOD = 4096 * 512, 4097 * 512


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    bay = Bay(tmp_path)
    bay.image(0).write_bytes(bytes(8 * 1024 * 1024))
    model = Disk(
        bus="sata", size_mb=8, serial="S", corrupt_after_write=(4096,), bad_sectors=(5000,), bad_writes=(6000,)
    )
    server = NbdServer(CorruptingImage(bay.image(0), model.corrupt_after_write), bay.nbd_socket(0))
    node = {key: value for key, value in blockdev(model, bay, 0).items() if key != "node-name"}
    yield "json:" + json.dumps(node)
    server.close()


def qemu_io(disk: str, *commands: str) -> str:
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", *words, disk], capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


def test_a_sector_reads_as_it_was_until_it_is_written(disk: str) -> None:
    assert "Pattern verification failed" not in qemu_io(disk, f"read -P 0 {BAD} 512")


def test_a_corrupting_sector_gives_back_other_bytes_without_an_error(disk: str) -> None:
    said = qemu_io(disk, f"write -P 7 {BAD} 512", f"read -P 7 {BAD} 512")
    assert "Pattern verification failed at offset 2097152" in said and "Input/output error" not in said


def test_its_neighbour_is_sound(disk: str) -> None:
    said = qemu_io(disk, f"write -P 7 {BAD} 1024", f"read -P 7 {GOOD} 512")
    assert "Pattern verification failed" not in said


def test_a_bad_sector_fails_reads_and_takes_writes(disk: str) -> None:
    at = 5000 * 512
    assert "read failed: Input/output error" in qemu_io(disk, f"read {at} 512")
    assert "write failed" not in qemu_io(disk, f"write {at} 512")


def test_a_bad_write_fails_writes_and_takes_reads(disk: str) -> None:
    at = 6000 * 512
    assert "write failed: Input/output error" in qemu_io(disk, f"write {at} 512")
    assert "read failed" not in qemu_io(disk, f"read {at} 512")
