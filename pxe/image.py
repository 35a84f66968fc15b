"""The built live image, as files: kernel, initrd, iPXE's binaries, manifest."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from runs.files import atomic
from runs.wording import remedies

KERNEL, INITRD = "vmlinuz", "initrd.zst"
LOADERS = ("snponly.efi", "ipxe.efi", "undionly.kpxe")


def directory() -> Path:
    return settings.IMAGE_DIR


def problem() -> tuple[str, str]:
    """Why no host can boot the image, and what to do; two empty texts if it can be read. The files are opened, since
    one that is there but can't be read boots no host either."""
    absent, refused = [], []
    for path in _needed():
        try:
            path.open("rb").close()
        except FileNotFoundError:
            absent.append(path.name)
        except OSError as error:
            refused.append(f"{path}: {error.strerror}")
    if refused:
        fix = f"web and worker must be able to read it: chmod -R u=rwX,go=rX {directory()}"
        return f"the live image can't be read ({'; '.join(refused)})", fix
    if absent:
        names = " and no ".join(absent)
        return f"the live image has no {names} in {directory()}", f"{remedies.build_image()} builds it"
    return "", ""


def _needed() -> list[Path]:
    manifest = directory() / "manifest.json"  # an image without one boots, with fewer arguments
    return [directory() / KERNEL, directory() / INITRD, *([manifest] if os.path.lexists(manifest) else [])]


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
