"""The output directory: archive, manifest, and the step by which a new image takes the old one's place."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from builder import BuildError, cpio

MANIFEST, INITRD = "manifest.json", "initrd.zst"
COMPRESSION = {"fast": 3, "small": 19}
IPXE = {"snponly.efi": "snponly.efi", "ipxe.efi": "ipxe-amd64.efi", "undionly.kpxe": "undionly.kpxe"}
INITRD_ALIGN = 4
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def pack(tree: Path, to: Path, level: str, mtime: int) -> int:
    """Write the tree as a zstd-compressed cpio archive; returns its size before compression, in bytes."""
    with subprocess.Popen(_packer(to, level), stdin=subprocess.PIPE) as packer:
        assert packer.stdin is not None
        counted = CountingWriter(packer.stdin)
        cpio.write_tree(tree, counted, mtime)
        packer.stdin.close()
    if packer.returncode != 0:
        raise BuildError(f"zstd ended with status {packer.returncode} while writing {to}")
    align(to)
    return counted.written_bytes


def recompress(image: Path, level: str) -> str:
    """Put an image of this level in the place of `image`, with the same bytes inside its archive; what was done, in a
    sentence. Raises BuildError; then the old one stays."""
    manifest = json.loads((image / MANIFEST).read_text())
    if manifest["level"] == level:
        return f"{image} is compressed like that already"
    new = image.with_name(f".{image.name}.recompressed")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(image, new)
    if (bytes_read := _repack(image / INITRD, new / INITRD, level)) != manifest["unpacked_bytes"]:
        shutil.rmtree(new)
        raise BuildError(
            f"{image / INITRD} has {bytes_read} bytes inside, its manifest says other ones: build it again"
        )
    align(new / INITRD)
    before = (image / INITRD).stat().st_size
    write_manifest(new, {**manifest, "level": level, "files": file_facts(new)})
    put_in_place(new, image)
    return f"{image}: level {level}, initrd {before / 1e6:.0f} to {(image / INITRD).stat().st_size / 1e6:.0f} MB"


def _repack(archive: Path, to: Path, level: str) -> int:
    """How many bytes were in it. (zstd's status says nothing here: it complains of the zeros behind an archive.)"""
    command = ["zstd", "--quiet", "--decompress", "--stdout", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacker,
        subprocess.Popen(_packer(to, level), stdin=subprocess.PIPE) as packer,
    ):
        assert unpacker.stdout is not None and packer.stdin is not None
        counted = CountingWriter(packer.stdin)
        shutil.copyfileobj(unpacker.stdout, counted, 1 << 20)
        packer.stdin.close()
    if packer.returncode != 0:
        raise BuildError(f"zstd ended with status {packer.returncode} while writing {to}")
    return counted.written_bytes


def _packer(to: Path, level: str) -> list[str]:
    return ["zstd", "--quiet", "--force", "--threads=0", f"-{COMPRESSION[level]}", "-o", str(to)]


def align(archive: Path) -> None:
    """Lengthen it with zeros to a multiple of four bytes: the kernel takes a second archive from such a place only,
    and passes zeros over. Under the iPXE of older network cards' ROMs the next one follows without a gap, and the
    agent in it was lost ("Initramfs unpacking failed: invalid magic at start of compressed archive")."""
    with archive.open("ab") as opened:
        opened.write(bytes(-opened.tell() % INITRD_ALIGN))


class CountingWriter:
    """Passes bytes on and counts them."""

    def __init__(self, out: IO[bytes]) -> None:
        self.write_on = out.write
        self.written_bytes = 0

    def write(self, data: bytes) -> int:
        self.written_bytes += len(data)
        return self.write_on(data)


def copy_boot_loaders(package: Path, to: Path) -> None:
    to.mkdir()
    for name, packaged in IPXE.items():
        shutil.copyfile(package / "usr/lib/ipxe" / packaged, to / name)


def kernel_args(definition: Path) -> list[str]:
    lines = (definition / "kernel-args.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def file_facts(directory: Path) -> dict[str, dict[str, int | str]]:
    """Size and SHA-256 of each file of an image, by its path."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != MANIFEST)
    names = [str(path.relative_to(directory)) for path in files]
    facts: list[dict[str, int | str]] = [{"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files]
    return dict(zip(names, facts, strict=True))


def sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_manifest(directory: Path, facts: dict[str, object]) -> None:
    (directory / MANIFEST).write_text(json.dumps(facts, indent=2) + "\n")


def is_current(output: Path, inputs_sha256: str, level: str) -> bool:
    """Whether `output` is a whole image that was made from these inputs; a small one does for fast, too."""
    try:
        manifest = json.loads((output / MANIFEST).read_text())
        sizes = {name: facts["bytes"] for name, facts in manifest["files"].items()}
        present = {name: (output / name).stat().st_size for name in sizes}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    is_same = manifest.get("inputs_sha256") == inputs_sha256 and manifest.get("level") in (level, "small")
    return bool(sizes) and is_same and sizes == present


def archive_date(output: Path) -> str | None:
    """Of the image that is there; None if there is none, or it has none."""
    try:
        date = json.loads((output / MANIFEST).read_text()).get("archive_date")
    except (OSError, ValueError, AttributeError):
        return None
    return date if isinstance(date, str) else None


def put_in_place(new: Path, output: Path) -> None:
    """Make `new` the output directory in one step: a reader sees the whole old image or the whole new one."""
    if not output.exists():
        new.rename(output)
        return
    try:
        exchange(new, output)
    except OSError as refused:
        if refused.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
        old = new.with_name(f"{new.name}.old")
        output.rename(old)
        new.rename(output)
        shutil.rmtree(old)
        return
    shutil.rmtree(new)


def exchange(one: Path, other: Path) -> None:
    """Swap two names (renameat2 with RENAME_EXCHANGE); some file systems can't and answer EINVAL."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))
