"""What lies on a disk is recognised by the system's own tools, by kind and by name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rack import content
from tests.rack.content import gpt

MIB = 1024 * 1024
SIZE = 160 * MIB


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def blkid(path: Path) -> dict[str, str]:
    done = subprocess.run(["blkid", "-p", "-o", "export", str(path)], capture_output=True, text=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("kind", "known_as"),
    [
        ("ceph", {"TYPE": "ceph_bluestore"}),
        ("ext4", {"TYPE": "ext4", "LABEL": "guests"}),
        ("gpt", {"PTTYPE": "gpt"}),
        ("lvm", {"TYPE": "LVM2_member"}),
        ("raid", {"TYPE": "linux_raid_member", "VERSION": "1.2", "LABEL": "rack:0"}),
        ("zfs-partition", {"PTTYPE": "gpt"}),
    ],
)
def test_blkid_knows_the_content(image: Path, kind: str, known_as: dict[str, str]) -> None:
    content.put(kind, image)
    assert known_as.items() <= blkid(image).items()


def test_a_blank_disk_is_all_zeros(image: Path) -> None:
    content.put("blank", image)
    assert not any(image.read_bytes())


def test_the_partition_of_the_zfs_disk_is_a_member_of_the_pool(image: Path, tmp_path: Path) -> None:
    content.put("zfs-partition", image)
    start, length = gpt.partition(image, gpt.ZFS)
    member = tmp_path / "member.img"
    with image.open("rb") as whole:
        whole.seek(start)
        member.write_bytes(whole.read(length))
    assert {"TYPE": "zfs_member", "LABEL": "rpool"}.items() <= blkid(member).items()


@pytest.mark.skipif(not shutil.which("pvck"), reason="lvm2 is not installed")
def test_lvm_reads_the_volume_group_and_its_volume(image: Path) -> None:
    content.put("lvm", image)
    done = subprocess.run(["pvck", "--dump", "metadata", str(image)], capture_output=True, text=True)
    assert "# vgname rackvg seqno 2" in done.stdout
    assert "logical_volumes {\n\nguest {" in done.stdout


@pytest.mark.skipif(not shutil.which("mdadm"), reason="mdadm is not installed")
def test_mdadm_finds_the_checksum_correct(image: Path) -> None:
    content.put("raid", image)
    done = subprocess.run(["mdadm", "--examine", str(image)], capture_output=True, text=True)
    assert "- correct" in done.stdout and "Raid Level : raid1" in done.stdout


@pytest.mark.skipif(not shutil.which("sgdisk"), reason="gdisk is not installed")
def test_sgdisk_finds_no_fault_in_the_partition_table(image: Path) -> None:
    content.put("gpt", image)
    done = subprocess.run(["sgdisk", "-v", str(image)], capture_output=True, text=True)
    assert "No problems found" in done.stdout
