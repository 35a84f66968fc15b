"""The ATA ports of optical drives. An optical drive complains about its disc, in the words of any other drive, and its
port tells first that something is wrong and then with which command.

Wordings: drivers/ata/libata-core.c (ata_dev_configure), libata-eh.c."""

from __future__ import annotations

import re

from agent.counters.kernel.kmsg_record import Record

_PORT = re.compile(
    r"\b(?P<ata>ata\d+)\.\d\d: (?:(?P<optical>ATAPI: |failed command: (?:IDENTIFY )?PACKET)|(?P<disk>ATA-\d|CFA: ))"
)


class OpticalDrives:
    """`names` are the kernel's names of the ports that have an optical drive and no disk."""

    def __init__(self) -> None:
        self._optical: set[str] = set()
        self._of_disks: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._optical - self._of_disks)

    def look(self, record: Record) -> None:
        if not record.from_user and (match := _PORT.search(record.text)):
            (self._of_disks if match["disk"] else self._optical).add(match["ata"])
