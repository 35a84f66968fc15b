"""PCIe errors that only say that a device did not accept a request: one that it does not support, or that access
control (ACS) refused. They tell of settings in firmware, kernel or driver, not of a damaged card: messages about
latency (LTR) or time (PTM) that the port above has not enabled, a card that sleeps. A card that no longer works is
reported by its driver, too.

AER logs several lines for an error. The first ones give its severity, a later one its kind, as a bit of the register
"Uncorrectable Error Status" (PCI Express base specification 5.0, 7.8.4.2). Wordings: drivers/pci/pcie/aer.c (the second
form of the status is for errors that the firmware reports) and err.c."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.rules.pattern import PCI

# The lines of one error follow each other within this time.
WITHIN_US = 1_000_000
_REFUSED = 1 << 20 | 1 << 21
_STATUS = re.compile(
    r"(?:error status/mask=|\baer_status: 0x)(?P<status>[0-9a-f]{8})(?:/|, aer_mask: 0x)(?P<mask>[0-9a-f]{8})\b", re.I
)
_HELD = re.compile(r"\(Non-Fatal\)", re.IGNORECASE)
_RECOVERY = re.compile(r"AER: .{0,20}recovery failed")
# Whose message a port received. The recovery follows, in which the link may be reset, and its failure is told of the
# bridge above that device (pcie_do_recovery in err.c).
_SENDER = re.compile(rf"error (?:message )?received(?: from|:) (?P<pci>{PCI})", re.IGNORECASE)
_RECOVERED_WITHIN_US = 60_000_000
_ADDRESS = re.compile(PCI)
# Older kernels give the device as its bus, and its number and function in one byte.
_ID = re.compile(r"\bid=(?P<bus>[0-9a-f]{2})(?P<function>[0-9a-f]{2})\b", re.IGNORECASE)


def is_refusal(status: int, mask: int) -> bool:
    """Whether the bits of "Uncorrectable Error Status" that are reported are only about requests that the device did
    not accept."""
    reported = status & ~mask
    return reported != 0 and reported & ~_REFUSED == 0


class PcieRequests:
    """`look` takes each record with its hit. It returns the hits whose severity is known by now; `flush` returns the
    rest, as severe as they were."""

    def __init__(self) -> None:
        self._held: list[Hit] = []
        self._refused_until_us = -1
        self._sender, self._sender_until_us = "", -1

    def look(self, record: Record, hit: Hit | None) -> list[Hit]:
        done = self.flush() if self._held and self._held[0].record.time_us + WITHIN_US < record.time_us else []
        if match := _STATUS.search(record.text):
            return [*done, *self._decide(record, is_refusal(int(match["status"], 16), int(match["mask"], 16)))]
        if hit is None:
            return done
        if hit.code != "pcie.uncorrected":
            return [*done, hit]
        hit = self._of_its_device(record, hit)
        if _HELD.search(record.text):
            self._held.append(hit)
            return done
        is_of_refusal = record.time_us <= self._refused_until_us and _RECOVERY.search(record.text)
        return [*done, _lowered(hit) if is_of_refusal else hit]

    def _of_its_device(self, record: Record, hit: Hit) -> Hit:
        """A recovery that failed is of the device that sent the error, not of the port that tells it."""
        if match := _SENDER.search(record.text):
            self._sender, self._sender_until_us = match["pci"], record.time_us + _RECOVERED_WITHIN_US
        elif _RECOVERY.search(record.text) and record.time_us <= self._sender_until_us:
            return replace(hit, names="pci", name=self._sender)
        return hit

    def flush(self) -> list[Hit]:
        held, self._held = self._held, []
        return held

    def _decide(self, record: Record, refused: bool) -> list[Hit]:
        """The hits of this error, which the lines of another device's may stand between. If the devices' drivers have
        no way to recover from it, the kernel says so after it."""
        self._refused_until_us = record.time_us + WITHIN_US if refused else -1
        if not refused:
            return self.flush()
        found = _ADDRESS.search(record.text)
        of_this = [hit for hit in self._held if found and _is_about(hit.record.text, found[0])]
        self._held = [hit for hit in self._held if hit not in of_this]
        return [_lowered(hit) for hit in of_this]


def _is_about(text: str, address: str) -> bool:
    short = _ID.search(text)
    if address in text or short is None:
        return address in text
    function = int(short["function"], 16)
    return address.endswith(f":{short['bus'].lower()}:{function >> 3:02x}.{function & 7}")


def _lowered(hit: Hit) -> Hit:
    return replace(hit, severity=Severity.WARNING)
