"""Which module answers to which physical address on this host."""

from __future__ import annotations

from pathlib import Path

from agent.parsing import ParseError
from agent.probes.board import dmiaddresses, dmidecode, iomem
from agent.probes.board.dmiaddresses import AddressMap


def of_host(root: Path = Path("/")) -> AddressMap:
    """By the firmware's tables. EDAC is of no use here: its drivers tell the module of an error that they saw, and
    translate no address."""
    done = dmidecode.run()
    try:
        return dmiaddresses.read(dmidecode.parse(done.stdout), iomem.system_ram(iomem.read(root)))
    except (ParseError, OSError) as error:
        return AddressMap(unknown=done.trouble_or(error))
