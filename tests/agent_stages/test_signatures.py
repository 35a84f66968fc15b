"""The wipe probe on real content: what formatting tools and the rack's writers leave on a disk."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.disk_writes import signatures, wipe_probe
from agent.disk_writes.safety import UNKNOWN_DATA
from agent.disk_writes.wipe_probe import Partition, Thoroughness
from tests.rack import content

MIB = 1024 * 1024
SIZE = 160 * MIB
EFFORT = Thoroughness(full_scan_bytes=0, samples=64, time_limit_s=30)


def image(directory: Path, size: int = SIZE) -> Path:
    path = directory / "disk.img"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def words(path: Path, base: int = 0, size: int = 0) -> list[str]:
    fd = os.open(path, os.O_RDONLY)
    try:
        marks = signatures.scan(lambda at, length: os.pread(fd, length, base + at), size or path.stat().st_size - base)
    finally:
        os.close(fd)
    return [mark.words for mark in marks]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ext4", "ext file system guests"),
        ("lvm", "LVM physical volume of volume group rackvg"),
        ("ceph", "Ceph OSD (BlueStore)"),
        ("gpt", "GPT partition table"),
        ("raid", "Linux RAID member"),
    ],
)
def test_content_of_the_rack_is_told_in_words(kind: str, said: str, tmp_path: Path) -> None:
    path = image(tmp_path)
    content.put(kind, path)
    assert any(one.startswith(said) for one in words(path)), words(path)


def test_a_pool_is_named_inside_its_partition(tmp_path: Path) -> None:
    path = image(tmp_path)
    content.put("zfs-partition", path)
    size = (SIZE - MIB - 34 * 512) // MIB * MIB
    assert "ZFS member of pool rpool" in words(path, MIB, size)


def test_a_pool_is_still_named_when_only_its_last_label_is_left(tmp_path: Path) -> None:
    path = image(tmp_path)
    content.put("zfs-partition", path)
    with path.open("r+b") as file:
        file.seek(MIB)
        file.write(bytes(4 * MIB))
    size = (SIZE - MIB - 34 * 512) // MIB * MIB
    assert "ZFS member of pool rpool" in words(path, MIB, size)


def test_a_backup_table_at_the_end_is_found_when_the_first_is_gone(tmp_path: Path) -> None:
    path = image(tmp_path)
    content.put("gpt", path)
    with path.open("r+b") as file:
        file.write(bytes(MIB))
    assert words(path) == ["backup GPT partition table"]


@pytest.mark.parametrize(
    ("tool", "argv", "said"),
    [
        ("mkswap", ["-L", "swap0"], "swap space swap0"),
        ("mkfs.ext2", ["-q", "-F", "-L", "old"], "ext file system old"),
        ("mkfs.xfs", ["-q", "-L", "x"], "XFS file system x"),
        ("mkfs.btrfs", ["-q", "-L", "b"], "btrfs file system b"),
        ("mkfs.vfat", ["-F", "32", "-n", "BOOT"], "FAT file system BOOT"),
    ],
)
def test_what_formatting_tools_leave_is_told(tool: str, argv: list[str], said: str, tmp_path: Path) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    path = image(tmp_path, 512 * MIB)
    subprocess.run([tool, *argv, path], check=True, capture_output=True)
    assert said in words(path)


@pytest.mark.skipif(not shutil.which("cryptsetup"), reason="cryptsetup is not installed")
def test_an_encrypted_volume_is_told(tmp_path: Path) -> None:
    path = image(tmp_path)
    command = [
        "cryptsetup",
        "luksFormat",
        "-q",
        "--pbkdf",
        "pbkdf2",
        "--pbkdf-force-iterations",
        "1000",
        "--label",
        "vault",
    ]
    subprocess.run([*command, path, "-"], input=b"x", check=True, capture_output=True)
    assert "LUKS encrypted volume vault" in words(path)


def test_a_blank_disk_carries_nothing(tmp_path: Path) -> None:
    path = image(tmp_path)
    assert words(path) == []
    assert wipe_probe._data(path, [], EFFORT) == []


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4096, 100_000, MIB])
def test_a_tiny_disk_is_no_trouble(size: int, tmp_path: Path) -> None:
    assert words(image(tmp_path, size)) == []


@pytest.mark.parametrize("fill", [b"\xff", b"\x01", b"\x00\x01", b"LABELONE", b"EFI PART", b"\xfc\x4e\x2b\xa9"])
def test_garbage_is_recognised_as_nothing_or_something_and_never_raises(fill: bytes, tmp_path: Path) -> None:
    path = image(tmp_path, 4 * MIB)
    path.write_bytes(fill * (4 * MIB // len(fill)))
    words(path)


@pytest.mark.parametrize("at", [0, 5, MIB, SIZE - 1, SIZE - 4 * MIB])
def test_a_single_byte_at_either_end_is_data(at: int, tmp_path: Path) -> None:
    path = image(tmp_path)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x01")
    assert [one.kind for one in wipe_probe._data(path, [], EFFORT)] == [UNKNOWN_DATA]


def test_a_small_disk_is_read_whole(tmp_path: Path) -> None:
    path = image(tmp_path)
    with path.open("r+b") as file:
        file.seek(SIZE // 2 + 12345)
        file.write(b"\x01")
    whole = Thoroughness(full_scan_bytes=SIZE, samples=1, time_limit_s=30)
    assert [one.kind for one in wipe_probe._data(path, [], whole)] == [UNKNOWN_DATA]


def test_other_content_in_the_same_place_gives_another_label(tmp_path: Path) -> None:
    labels = set()
    for byte in (b"\x01", b"\x02"):
        path = image(tmp_path)
        with path.open("r+b") as file:
            file.write(byte)
        labels.add(wipe_probe._data(path, [], EFFORT)[0].label)
    assert len(labels) == 2


def test_samples_cover_both_ends_and_every_partition() -> None:
    size, part = 4 << 40, Partition(1, 7 * MIB, 1 << 40, "sda1")
    places = wipe_probe.sample_places(size, [part], Thoroughness(MIB, 4096, 1))
    assert places[0][0] == 0
    assert max(at + length for at, length in places) == size
    assert (part.start, wipe_probe.SAMPLE_BYTES) in places
    assert 4096 <= len(places) <= 4200
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(places)]
    assert max(gaps) <= size // 4000


def test_a_disk_that_is_not_there_is_unreadable_and_not_blank(tmp_path: Path) -> None:
    kinds = {one.kind for one in wipe_probe.probe("no-such-disk", EFFORT, tmp_path).found}
    assert kinds == {"unreadable"}


def disk_without_holders(root: Path) -> None:
    (root / "dev").mkdir()
    image(root / "dev")
    (root / "sys/block/disk.img/holders").mkdir(parents=True)


def test_a_probe_without_its_tools_is_not_blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_without_holders(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    found = wipe_probe.probe("disk.img", EFFORT, tmp_path).found
    assert {(one.kind, one.label) for one in found} == {("not_probed", "wipefs"), ("not_probed", "blkid")}


@pytest.mark.skipif(not shutil.which("wipefs"), reason="util-linux is not installed")
def test_a_blank_disk_with_all_tools_is_blank(tmp_path: Path) -> None:
    disk_without_holders(tmp_path)
    assert wipe_probe.probe("disk.img", EFFORT, tmp_path).found == ()


def test_a_search_that_takes_too_long_is_not_blank(tmp_path: Path) -> None:
    slow = Thoroughness(full_scan_bytes=SIZE, samples=1, time_limit_s=-1)
    assert [one.kind for one in wipe_probe._data(image(tmp_path), [], slow)] == ["not_probed"]
