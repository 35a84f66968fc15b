"""Which disks are on USB, as the kernel's log says when it attaches them. Virtual media of a BMC and sticks come and go
while the inventory stays, and are gone from sysfs when their errors are read."""

from __future__ import annotations

import re

from agent.counters.kernel.kmsg_record import Record

_USB_HOST = re.compile(r"\bscsi host(?P<host>\d{1,5}): (?:usb-storage|uas)\b")
_DISK = re.compile(r"\bsd (?P<host>\d{1,5}):\d+:\d+:\d+: \[(?P<name>sd[a-z]{1,4})\]")


class UsbDisks:
    """`names` are the kernel's names of the disks whose newest line is from a USB host."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    def look(self, record: Record) -> None:
        if record.from_user:
            return
        if match := _USB_HOST.search(record.text):
            self._hosts.add(match["host"])
        elif match := _DISK.search(record.text):
            is_usb = match["host"] in self._hosts
            (self._names.add if is_usb else self._names.discard)(match["name"])
