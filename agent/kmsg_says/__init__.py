"""What single lines of the kernel's log mean, one module per kind of part. No I/O here."""

from __future__ import annotations

import re

from agent.kmsg_says import block, buses, controllers, drives, gpus, memory, nics, system
from agent.kmsg_says.pattern import Reader

# Said on healthy machines: at boot, by drivers that introduce themselves, by a virtual machine that lacks a watchdog.
IGNORED = re.compile(
    r"ACPI (?:BIOS )?Error|link is not ready|EDAC MC: Ver|Shutdown timeout set to|EDAC MC\d+: Giving out|"
    r"NMI watchdog: Shutting down hard lockup detector",
    re.IGNORECASE,
)
# The first that answers says what the line is, so the one that names a device stands before the one that can't.
READERS: tuple[Reader, ...] = (
    *memory.PATTERNS,
    *buses.PATTERNS,
    block.ERROR,
    *block.PATTERNS,
    *controllers.PATTERNS,
    *drives.PATTERNS,
    *gpus.READERS,
    *nics.PATTERNS,
    *system.PATTERNS,
)
