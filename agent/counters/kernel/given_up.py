"""Cards that their driver gave up for a reason that is no fault of the card: a file of firmware is missing in the
system, the driver supports no such module as is plugged in, or udev ended the worker that was starting the driver. The
lines before say so.

Wordings: drivers/base/firmware_loader/main.c, Debian's form of it, and its error -2, no such file; ixgbe_main.c;
drivers/gpu/drm/amd/amdgpu/amdgpu_device.c; drivers/base/dd.c; on_event_timeout in systemd's udev-manager.c."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.rules.pattern import PCI

# Drivers ask for their firmware right before, or wait a minute for a program that never answers.
WITHIN_US = 90_000_000
_NO_FILE = re.compile(
    rf"(?P<pci>{PCI}): (?:Direct firmware load for \S{{1,100}} failed with error -2\b|"
    r"firmware: failed to load \S{1,100} \(-2\))"
)
_NO_MODULE = re.compile(rf"(?P<pci>{PCI}): failed to (?:load|initialize) because an unsupported SFP\+")
_ENDED = re.compile(rf"^systemd-udevd\[\d+\]: (?P<pci>{PCI}): Worker \[\d+\] processing SEQNUM=\d+ killed$")
# amdgpu has its firmware and sets up the chip itself.
_HAS_FIRMWARE = re.compile(r"\bhw_init of IP block <")
# The driver's last word, by what it lacked. A driver that has all it needs gives up with other errors.
_LAST_WORDS = {
    "its firmware is missing in this system": re.compile(r" failed with error -2\b|Fatal error during GPU init"),
    "its driver supports no such module": re.compile(r"\bixgbe\b.{0,60} failed with error -(?:19|95)\b"),
    # A driver that is killed in the middle of its start gives up with EINTR or ERESTARTSYS, or with ENOMEM, since the
    # kernel starts no thread for it.
    "udev ended its start after the time limit": re.compile(r" failed with error -(?:4|12|512)\b"),
}
_FIRMWARE, _MODULE, _CUT_SHORT = _LAST_WORDS
_ADDRESS = re.compile(PCI)


class GivenUp:
    """`look` returns the hit of the record, as a warning if the card was given up for such a reason."""

    def __init__(self) -> None:
        self._reasons: dict[str, tuple[str, int]] = {}

    def note(self, record: Record) -> None:
        """A line that a program wrote, of which only udev's are read."""
        if match := _ENDED.match(record.text):
            self._reasons[match["pci"]] = (_CUT_SHORT, record.time_us + WITHIN_US)

    def look(self, record: Record, hit: Hit | None) -> Hit | None:
        for regex, reason in ((_NO_FILE, _FIRMWARE), (_NO_MODULE, _MODULE)):
            if match := regex.search(record.text):
                self._reasons[match["pci"]] = (reason, record.time_us + WITHIN_US)
        if _HAS_FIRMWARE.search(record.text):
            self._reasons = {pci: one for pci, one in self._reasons.items() if one[0] != _FIRMWARE}
        address = _ADDRESS.search(record.text) if hit is not None and hit.severity is Severity.CRITICAL else None
        if hit is None or address is None:
            return hit
        reason, until_us = self._reasons.get(address[0], ("", -1))
        if not reason or record.time_us > until_us or not _LAST_WORDS[reason].search(record.text):
            return hit
        return replace(hit, severity=Severity.WARNING, said=f"{record.text} ({reason})")
