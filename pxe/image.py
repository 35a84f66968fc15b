"""The built live image, as files: kernel, initrd, iPXE's binaries, manifest."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from runs.files import atomic

KERNEL, INITRD = "vmlinuz", "initrd.zst"
LOADERS = ("snponly.efi", "ipxe.efi", "undionly.kpxe")


def directory() -> Path:
    return settings.IMAGE_DIR


def missing() -> list[str]:
    return [name for name in (KERNEL, INITRD) if not (directory() / name).is_file()]


def unaligned() -> int:
    """The size of an initrd that a second initrd can't follow with every loader (live-image/builder/output.py); 0 if it
    can."""
    path = directory() / INITRD
    size = path.stat().st_size if path.is_file() else 0
    return size if size % 4 else 0


def loader(name: str) -> Path:
    return directory() / "ipxe" / name


def kernel_args() -> tuple[str, ...]:
    """The image's arguments (`kernel_args` of its manifest: a list or one text), then the configuration's."""
    wanted = atomic.read_json(directory() / "manifest.json").get("kernel_args", [])
    words = wanted.split() if isinstance(wanted, str) else [str(word) for word in wanted]
    return (*words, *settings.VETTING.boot_files.extra_args.split())
