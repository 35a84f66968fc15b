"""Disks on USB never fail the host, by whatever name the kernel calls them, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from agent.contract import wire
from tests.agent.kernel_reports import told

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
TAKEN_AWAY = """\
scsi host1: usb-storage 1-1.2:1.0
sd 1:0:0:0: [sdb] Attached SCSI disk
usb 1-1.2: reset high-speed USB device number 5 using dwc_otg
sd 1:0:0:0: Device offlined - not ready after error recovery
usb 1-1.2: USB disconnect, device number 5
I/O error, dev sdb, sector 74466776 op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2
"""
NEVER_NAMED = """\
scsi host2: uas
scsi host2: scsi scan: INQUIRY result too short (5), using 36
scsi 2:0:0:0: Direct-Access     AMI      Virtual HDisk0   1.00 PQ: 0 ANSI: 0 CCS
scsi 2:0:0:0: rejecting I/O to dead device
scsi host2: uas_eh_device_reset_handler start
sd 2:0:0:0: timing out command, waited 180s
"""
# The number of a host that is gone is given to the next one.
THE_NEXT_HOST = """\
scsi host2: usb-storage 1-14:1.0
sd 2:0:0:0: [sda] Attached SCSI removable disk
usb 1-14: USB disconnect, device number 3
scsi host2: Avago SAS based MegaRAID driver
"""
FAILING = "critical medium error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n"


@pytest.mark.parametrize("text", [TAKEN_AWAY, NEVER_NAMED])
def test_a_usb_disk_that_is_named_by_its_address_condemns_nobody(text: str) -> None:
    found = told(text)
    assert found and {severity for _, severity, _ in found} == {WARNING}


@pytest.mark.parametrize("host", ["Avago SAS based MegaRAID driver", "ahci", "uasx"])
def test_a_disk_with_the_same_address_on_another_host_fails(host: str) -> None:
    text = NEVER_NAMED.replace("host2: uas\n", f"host2: {host}\n").replace("uas_eh_device_reset_handler start", "x")
    assert told(text) == [("disk.io_error", CRITICAL, "2:0:0:0")]


def test_a_drive_on_a_host_that_took_the_number_of_a_usb_host_fails() -> None:
    attached = "sd 2:0:0:0: [sda] Attached SCSI disk\n"
    assert told(THE_NEXT_HOST + attached + FAILING) == [("disk.medium_error", CRITICAL, "sda")]
    hung = "sd 2:0:0:0: Device offlined - not ready after error recovery\n"
    assert told(THE_NEXT_HOST + hung) == [("disk.io_error", CRITICAL, "2:0:0:0")]
