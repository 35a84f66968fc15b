"""The kernel's name for a memory module.

EDAC drivers that know the layout of the board make a label of it. With errors from the firmware (ghes_edac, APEI) the
label is the bank locator, a blank, and the device locator, which may itself contain blanks. Sources:
drivers/edac/edac_mc.c (edac_mc_handle_error), drivers/edac/ghes_edac.c, drivers/firmware/efi/cper.c.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

# EDAC's texts for an unknown module, and its separator between several modules that may be meant.
_UNKNOWN_MODULES = frozenset({"any memory", "unknown memory", "unknown label", "memory", "-", ""})
_OR = " or "
# What vendors enter if there is no bank locator.
_NO_BANK = re.compile(
    r"^(?:Not Specified|Not Present|Unknown|None|NULL|N/A|To Be Filled By O\.E\.M\.|_+) +", re.IGNORECASE
)
# A bank locator before a device locator that is unique in the machine.
_BANK = re.compile(r"^(?:BANK|NODE)[ _]?\d+ +(?=\S*DIMM\S*$|DIMM[ _]?\d+$)", re.IGNORECASE)
# A device locator that says more than `DIMM 0`: with a channel, a socket or both.
_UNIQUE = re.compile(
    r"(?=\S*DIMM)(?=\S*(?:DIMM[ _-]?[A-Z]|[A-Z]\d*[_-]?DIMM|P\d|CPU\d))\S*\d\S*$|DIMM[_-]?[A-Z]$", re.IGNORECASE
)

# Two sockets may have a `DIMM_A1` each.
_SOCKET = re.compile(r"(?:CPU|PROC|PROCESSOR|SOCKET)[ _]?\d+", re.IGNORECASE)


def is_nobodys(label: str) -> bool:
    return label.strip().lower() in _UNKNOWN_MODULES


def locator(label: str, known: Collection[str]) -> str:
    """The locator in `known` that the label contains as whole words; if there is none, the label's device locator. A
    name that two modules share is ambiguous without its bank. A label of several modules names none of them."""
    label = label.strip()
    if _OR in label:
        return label
    times = Counter(known)
    matching = [name for name in times if name and times[name] == 1 and _holds(label, name)]
    return max(matching, key=len) if matching else _device_locator(label)


def _holds(label: str, name: str) -> bool:
    at = label.find(name)
    while at >= 0:
        before, after = label[at - 1 : at] if at else "", label[at + len(name) : at + len(name) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = label.find(name, at + 1)
    return False


def _device_locator(label: str) -> str:
    label = _NO_BANK.sub("", label)
    before, _, last = label.rpartition(" ")
    is_unique = _UNIQUE.match(last) and not _SOCKET.fullmatch(before)
    return last if is_unique else _BANK.sub("", label)
