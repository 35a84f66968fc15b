"""Runs in the guest, on the rack only: `aer.py MAC-OR-SERIAL corrected|uncorrected` lets the kernel's own aer_inject
report an error of the link of that card or NVMe disk: a damaged packet, or an answer that did not come.

QEMU's NVMe disk has no error reporting (AER): then the root port above it reports the error, as the other end of the
link. Standard library only: it lies in the live image as a single file.
"""

import struct
import subprocess
import sys
from pathlib import Path

MODULE = Path("/usr/lib/vetting-rack/aer_inject.ko")
DEVICE = Path("/dev/aer_inject")
# Bits of the registers "Uncorrectable" and "Correctable Error Status" (PCI Express 5.0, 7.8.4): uncorrected, corrected.
COMPLETION_TIMEOUT, BAD_TLP = 0x4000, 0x40
ERRORS = {"corrected": (0, BAD_TLP), "uncorrected": (COMPLETION_TIMEOUT, 0)}


def function_of(target: str, sysfs: Path = Path("/sys")) -> Path:
    """The PCIe function of a card or disk."""
    said = [*(sysfs / "class/net").glob("*/address"), *(sysfs / "class/nvme").glob("*/serial")]
    for file in said:
        if file.read_text().strip().lower() == target.lower() and (file.parent / "device").exists():
            # A virtio card is a device below the function.
            way = (file.parent / "device").resolve()
            return next(path for path in (way, *way.parents) if (path / "config").exists())
    raise SystemExit(f"nothing here is called {target}")


def reporter(function: Path) -> Path:
    """The function itself, or the root port above it."""
    return next(path for path in (function, *function.parents) if (path / "aer_dev_correctable").exists())


def record(address: str, kind: str) -> bytes:
    """struct aer_error_inj of drivers/pci/pcie/aer_inject.c."""
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    where = (int(bus, 16), int(slot, 16), int(function, 16))
    return struct.pack("<BBBxII4II", *where, *ERRORS[kind], 0, 0, 0, 0, int(domain, 16))


def main(target: str, kind: str) -> None:
    if not DEVICE.exists():
        subprocess.run(["insmod", str(MODULE)], check=True)
    address = reporter(function_of(target)).name
    DEVICE.write_bytes(record(address, kind))
    print(f"{kind} error of {address}")


if __name__ == "__main__":
    main(*sys.argv[1:])
