"""An optical drive never fails the host, by its port's name either, and no disk is taken for one."""

from __future__ import annotations

import pytest

from agent.contract import wire
from tests.agent.kernel_reports import told

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
TRAY = """\
ata3.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen
ata3.00: failed command: IDENTIFY PACKET DEVICE
ata3.00: status: { DRDY }
ata3: hard resetting link
"""
BY_ITS_BOOT = """\
ata3.00: ATAPI: HL-DT-ST DVDRAM GU90N, A1C2, max UDMA/133
ata3.00: exception Emask 0x10 SAct 0x0 SErr 0x400000 action 0x6 frozen
"""


@pytest.mark.parametrize("text", [TRAY, TRAY.replace("IDENTIFY PACKET DEVICE", "PACKET"), BY_ITS_BOOT])
def test_an_optical_drive_condemns_nobody(text: str) -> None:
    assert told(text) == [("disk.link_error", WARNING, "ata3")]


@pytest.mark.parametrize(
    "text",
    [
        TRAY.replace("IDENTIFY PACKET DEVICE", "READ DMA EXT"),
        BY_ITS_BOOT.replace("ATAPI: ", "ATA-10: "),
        # The port of the disk is another one.
        BY_ITS_BOOT.replace("ata3.00: exception", "ata4.00: exception"),
        # Two drives at one port: the line about the port may be about either.
        "ata3.01: ATA-8: ST500DM002-1BD142, KC45, max UDMA/100\n" + TRAY,
    ],
)
def test_the_port_of_a_disk_condemns(text: str) -> None:
    assert CRITICAL in {severity for _, severity, _ in told(text)}
