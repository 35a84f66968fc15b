"""PCIe errors: the kernel's own module that reports them, for the guest.

QEMU's monitor has `pcie_aer_inject_error`. In QEMU 7.2 it reported no corrected error at all, and no error of an
e1000e or an NVMe disk, since the device control registers of these two enable no report.
"""

from __future__ import annotations

import json
import lzma
import subprocess
from pathlib import Path

from tests.rack.errors import RackBroken

_MODULE = "kernel/drivers/pci/pcie/aer_inject.ko.xz"


def module(image: Path) -> bytes:
    """aer_inject for the image's kernel, from the package that the image was built with. The live image does not have
    it. Raises RackBroken."""
    packages = image.resolve().parent / "image-cache" / "packages" / "cache" / "apt" / "archives"
    try:
        kernel = json.loads((image / "manifest.json").read_text())["kernel"]
        package = next(packages.glob(f"linux-image-{kernel}_*.deb"))
        tree = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
        path = f"./usr/lib/modules/{kernel}/{_MODULE}"
        packed = subprocess.run(["tar", "-xO", path], input=tree, capture_output=True, check=True).stdout
        return lzma.decompress(packed)
    except (OSError, KeyError, ValueError, StopIteration, subprocess.CalledProcessError, lzma.LZMAError) as error:
        where = f"the kernel's package in {packages}, where make image leaves it"
        raise RackBroken(f"the event aer needs {_MODULE} from {where}: {error!r}") from error
