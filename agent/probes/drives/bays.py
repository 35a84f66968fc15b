"""The drives behind RAID controllers: which bays there are, and which drive answers in each.

A bay is only asked for its drive's identity, for a limited time. A bay that does not answer is named.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.host import shell
from agent.parsing import ParseError, clean, identifier, integer, mapping, parse_json, sequence
from agent.probes.drives import raid, turns
from agent.probes.drives.raid import Controller
from agent.probes.smart.smartctl import OPEN_FAILED, Device

# smartctl(8): cciss,N from 0 to 127. N counts in the controller's list of its physical devices, enclosures among them.
CCISS_PLACES = 128
# A sound drive answers within seconds, also one that spins up. The kernel gives up on a command after 30 s.
IDENTITY_S = 30.0
# For all bays of a host. Empty ones take milliseconds.
ALL_S = 180.0
_AT_ONCE = 8


@dataclass(frozen=True)
class Bay:
    """A place for a drive behind a controller. `listed` means that the controller says there is a drive. A drive that
    answers has a serial number, one that can't be judged has `trouble`, an empty bay has neither."""

    device: Device
    host: int
    listed: bool = False
    serial: str = ""
    trouble: str = ""

    @property
    def label(self) -> str:
        """`cciss,20 of sda`, close to smartctl's arguments; `sg3` for a SCSI device."""
        of = self.device.path.removeprefix("/dev/")
        return f"{self.device.device_type} of {of}" if self.device.device_type else of


@dataclass(frozen=True)
class Identity:
    """What `smartctl -i` says about the device. `is_disk` is None if it does not say."""

    status: int
    serial: str = ""
    is_disk: bool | None = None
    words: str = ""


@dataclass
class Found:
    """`unknown` says why the bays of a controller are not known, by its host number."""

    bays: list[Bay] = field(default_factory=list)
    unknown: dict[int, str] = field(default_factory=dict)


def behind(controllers: Iterable[Controller], root: Path = Path("/")) -> Found:
    """Every bay behind these controllers, with its drive's identity."""
    found, wanted = Found(), list(controllers)
    scanned, trouble = _scanned(wanted)
    for one in wanted:
        places = _places(one, scanned, root)
        found.bays += places
        if not places:
            found.unknown[one.host] = trouble if one.kind.reach == raid.SCAN else ""
    until = time.monotonic() + ALL_S
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bays") as pool:
        found.bays = list(pool.map(lambda bay: _asked(bay, until), found.bays))
    return found


def _scanned(controllers: list[Controller]) -> tuple[list[Device], str]:
    if not any(one.kind.reach == raid.SCAN for one in controllers):
        return [], ""
    done = raid.run_scan()
    try:
        return raid.parse_scan(done.stdout), "" if done.ended else done.trouble
    except ParseError as error:
        return [], done.trouble_or(error)


def _places(one: Controller, scanned: list[Device], root: Path) -> list[Bay]:
    if one.kind.reach == raid.SCAN:
        return [Bay(way, one.host, listed=True) for way in scanned if raid.scanned_host(way) == one.host]
    if one.kind.reach == raid.MEMBERS:
        return [_member(name, address, one.host) for name, address in raid.members(one.host, root)]
    # All volumes of one controller lead to the same drives.
    door = next(iter(one.disks), "") or raid.generic(one.host, root)
    numbers = range(CCISS_PLACES) if one.kind.reach == raid.NUMBERS and door else ()
    return [Bay(Device(f"/dev/{door}", f"cciss,{number}"), one.host) for number in numbers]


def _member(name: str, address: str, host: int) -> Bay:
    trouble = "" if name else "the kernel has no generic SCSI device of it (module sg)"
    return Bay(Device(f"/dev/{name}" if name else address), host, listed=True, trouble=trouble)


def run_identity(device: Device, timeout_s: float) -> shell.Completed:
    with turns.of(device.path, device.device_type):
        return shell.run(["smartctl", "-j", "-i", *device.words], timeout_s)


def parse_identity(text: str) -> Identity:
    """Raises ParseError for anything that is not smartctl's JSON."""
    data = parse_json(text, "smartctl")
    head = mapping(data.get("smartctl"))
    status = integer(head.get("exit_status"))
    if status is None:
        raise ParseError("smartctl's JSON has no exit_status")
    kind, serial = integer(mapping(data.get("device_type")).get("scsi_value")), data.get("serial_number")
    words = "; ".join(clean(mapping(row).get("string")) for row in sequence(head.get("messages")))
    named = identifier(serial) if isinstance(serial, str) else ""
    return Identity(status, named, None if kind is None else kind == 0, words[:500])


def _asked(bay: Bay, until: float) -> Bay:
    if bay.trouble:
        return bay
    if time.monotonic() > until:
        return replace(bay, trouble=f"it was not asked, since others took more than {ALL_S:.0f} s to answer")
    done = run_identity(bay.device, IDENTITY_S)
    try:
        who = parse_identity(done.stdout) if done.ended else None
    except ParseError:
        who = None
    return _judged(bay, who, done)


def _judged(bay: Bay, who: Identity | None, done: shell.Completed) -> Bay:
    if who is None:
        # smartctl always says why it could not open a device that exists.
        empty = done.ended and done.status == OPEN_FAILED and not bay.listed
        return bay if empty else replace(bay, trouble=done.trouble or "smartctl gives no answer")
    if who.is_disk is False or (not bay.listed and _is_empty(who)):
        return bay
    if who.serial:
        return replace(bay, serial=who.serial)
    return replace(bay, trouble=f"it gives smartctl no serial number{f': {who.words}' if who.words else ''}")


def _is_empty(who: Identity) -> bool:
    """Whether the number is past the end of the controller's list: ENXIO, in smartmontools' cciss.cpp."""
    return bool(who.status & OPEN_FAILED) and ("No such device" in who.words or not who.words)
