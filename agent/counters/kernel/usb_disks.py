"""Which disks are on USB, as the kernel's log says when it attaches them. Virtual media of a BMC and sticks come and go
while the inventory stays, and are gone from sysfs when their errors are read.

Wordings: scsi_add_host_with_dma in drivers/scsi/hosts.c; drivers/usb/storage/scsiglue.c, uas.c. A host's number is free
again when the host is gone, and another controller may get it."""

from __future__ import annotations

import re

from agent.counters.kernel.kmsg_record import Record

# The scan says the same of all hosts.
_HOST = re.compile(r"\bscsi host(?P<host>\d{1,5}): (?!scsi scan: )(?P<usb>(?:usb-storage|uas)(?![a-z]))?")
# A disk without a name yet, or not any more, has only its address.
_DISK = re.compile(
    r"\b(?:sd|sr|scsi) (?P<address>(?P<host>\d{1,5}):\d{1,5}:\d{1,5}:\d{1,20}): (?:\[(?P<name>sd[a-z]{1,4})\])?"
)


class UsbDisks:
    """`names` are the kernel's names and addresses of the disks whose newest line is from a USB host."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    def look(self, record: Record) -> None:
        if record.from_user:
            return
        if match := _HOST.search(record.text):
            self._note_host(match["host"], is_usb=match["usb"] is not None)
        elif match := _DISK.search(record.text):
            names = {one for one in (match["address"], match["name"]) if one}
            if match["host"] in self._hosts:
                self._names |= names
            else:
                self._names -= names

    def _note_host(self, host: str, *, is_usb: bool) -> None:
        if is_usb:
            self._hosts.add(host)
        else:
            self._hosts.discard(host)
            self._names = {name for name in self._names if not name.startswith(f"{host}:")}
