"""Whether the kernel's driver for the memory controller says that all modules correct errors (EDAC)."""

from __future__ import annotations

import re
from pathlib import Path

from agent.host import sysfs

# This driver reports the firmware's errors, whether the memory has ECC or not. (drivers/edac/ghes_edac.c)
_OF_THE_FIRMWARE = "ghes_edac"
# SECDED, S4ECD4ED and so on. EC is error checking without correction. (EDAC_EC in include/linux/edac.h)
_CORRECTS = re.compile(r"S\d*ECD\d*ED")


def corrects_all(root: Path) -> bool:
    """Whether the mode of each module corrects errors: SECDED, S4ECD4ED and so on do; None, PARITY, EC and Unknown do
    not. (edac_caps in drivers/edac/edac_mc_sysfs.c)"""
    controllers = (root / "sys/devices/system/edac/mc").glob("mc[0-9]*")
    own = [one for one in controllers if sysfs.text(one / "mc_name") != _OF_THE_FIRMWARE]
    modules = [path for one in own for kind in ("dimm", "rank") for path in one.glob(f"{kind}[0-9]*/dimm_edac_mode")]
    return bool(modules) and all(_CORRECTS.fullmatch(sysfs.text(path)) for path in modules)
