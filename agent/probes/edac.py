"""Whether the kernel's driver for the memory controller says that all modules correct errors (EDAC)."""

from __future__ import annotations

from pathlib import Path

from agent.host import sysfs

# It reports what the firmware handles, with ECC or without. (drivers/edac/ghes_edac.c)
_OF_THE_FIRMWARE = "ghes_edac"


def corrects_all(root: Path) -> bool:
    """By the mode of each module: SECDED, S4ECD4ED and so on, else None, PARITY or Unknown. (edac_caps in
    drivers/edac/edac_mc_sysfs.c)"""
    controllers = (root / "sys/devices/system/edac/mc").glob("mc[0-9]*")
    own = [one for one in controllers if sysfs.text(one / "mc_name") != _OF_THE_FIRMWARE]
    modules = [path for one in own for kind in ("dimm", "rank") for path in one.glob(f"{kind}[0-9]*/dimm_edac_mode")]
    return bool(modules) and all("EC" in sysfs.text(path) for path in modules)
