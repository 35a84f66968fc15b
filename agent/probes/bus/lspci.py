"""PCI devices with their classes and drivers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.parsing import ParseError, clean

_ID = re.compile(r"\[([0-9a-fA-F]{4})\]\s*$")


@dataclass(frozen=True)
class PciDevice:
    """`slot` with its domain (0000:01:00.0). The `…_id` are four lower-case hex digits, '' if lspci gave none."""

    slot: str
    class_id: str
    class_name: str
    vendor_id: str
    vendor: str
    device_id: str
    device: str
    driver: str = ""


def run(timeout_s: float = 30.0) -> shell.Completed:
    return shell.run(["lspci", "-D", "-vmmnnk"], timeout_s)


def parse(text: str) -> list[PciDevice]:
    """Raises ParseError if there is no device in it."""
    records = [_record(block) for block in re.split(r"\n\s*\n", text.strip())]
    devices = [_device(record) for record in records if record.get("Slot")]
    if not devices:
        raise ParseError("lspci listed no device")
    return devices


def _record(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
    found: dict[str, str] = {}
    for key, _, value in pairs:
        found.setdefault(key.strip(), clean(value))
    return found


def _device(record: dict[str, str]) -> PciDevice:
    slot = record["Slot"]
    class_name, class_id = _named(record.get("Class", ""))
    vendor, vendor_id = _named(record.get("Vendor", ""))
    device, device_id = _named(record.get("Device", ""))
    full = slot if slot.count(":") > 1 else f"0000:{slot}"
    return PciDevice(full, class_id, class_name, vendor_id, vendor, device_id, device, record.get("Driver", ""))


def _named(text: str) -> tuple[str, str]:
    match = _ID.search(text)
    return (text[: match.start()].strip(), match[1].lower()) if match else (text, "")
