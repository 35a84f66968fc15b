"""Flash drives that could not load their firmware.

The controller's own loader then answers, with a name of its own. Such a drive may report no capacity, or a few
megabytes that can be read, and its health as passed. The names are from public reports of such drives.
"""

from __future__ import annotations

import re

# Phison: SATAFIRM S11, SATABURN S11. SandForce: SandForce{200026BB}. Samsung: ERRORMOD, in the place of the firmware.
_MODEL = re.compile(r"\bSATA(?:FIRM|BURN)\b|^SandForce\{[0-9A-Fa-f]{8}\}|^ERRORMOD$")
_FIRMWARE = re.compile(r"ERRORMOD")
# Intel: BAD_CTX 0000013F.
_SERIAL = re.compile(r"BAD_CTX [0-9A-Fa-f]{8}")


def sign(model: str, serial: str, firmware: str) -> str:
    """The name that shows this state. Empty for any other drive."""
    if _MODEL.search(model):
        return model
    if _SERIAL.fullmatch(serial):
        return serial
    return firmware if _FIRMWARE.fullmatch(firmware) else ""
