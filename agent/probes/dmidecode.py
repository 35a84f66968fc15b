"""What the firmware says about system, board, CPUs, memory modules and power supplies (SMBIOS, DMTF DSP0134)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent import shell, wire
from agent.probes.parsing import ParseError, clean, identifier

_HANDLE = re.compile(r"Handle 0x[0-9A-Fa-f]+, DMI type (\d{1,3})\b")
_SIZE = re.compile(r"(\d{1,12})\s*(kB|MB|GB|TB)")
_MB = {"kB": 1 / 1024, "MB": 1, "GB": 1024, "TB": 1024 * 1024}
_SPEED = re.compile(r"(\d{1,9})\s*(MT/s|MHz)")


@dataclass(frozen=True)
class Structure:
    """One SMBIOS structure: its type, its name and its fields as dmidecode prints them, cleaned."""

    kind: int
    title: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Processor:
    """One socket (type 4)."""

    socket: str
    populated: bool
    model: str
    cores: int


def run(timeout_s: float = 30.0) -> shell.Completed:
    return shell.run(["dmidecode"], timeout_s)


def parse(text: str) -> list[Structure]:
    """All structures of dmidecode's text, in order. Raises ParseError when there is none."""
    structures = [found for block in re.split(r"\n\s*\n", text) if (found := _structure(block.splitlines()))]
    if not structures:
        raise ParseError("dmidecode listed no structure")
    return structures


def _structure(lines: list[str]) -> Structure | None:
    heads = [(n, match) for n, line in enumerate(lines) if (match := _HANDLE.match(line.strip()))]
    if not heads or heads[0][0] + 1 >= len(lines):
        return None
    at, match = heads[0]
    fields: dict[str, str] = {}
    for line in lines[at + 2 :]:
        # Values that span lines (characteristics) are indented twice: nobody here asks for them.
        if line.startswith("\t") and not line.startswith("\t\t") and ":" in line:
            key, _, value = line.strip().partition(":")
            fields.setdefault(key, clean(value))
    return Structure(int(match[1]), clean(lines[at + 1]), fields)


def of_kind(structures: list[Structure], kind: int) -> list[dict[str, str]]:
    return [structure.fields for structure in structures if structure.kind == kind]


def system(structures: list[Structure]) -> wire.System:
    """From types 1 and 2."""
    one = next(iter(of_kind(structures, 1)), {})
    board = next(iter(of_kind(structures, 2)), {})
    return wire.System(
        manufacturer=identifier(one.get("Manufacturer")),
        product=identifier(one.get("Product Name")),
        serial=identifier(one.get("Serial Number")),
        uuid=identifier(one.get("UUID")).lower(),
        board=identifier(board.get("Product Name")),
        board_serial=identifier(board.get("Serial Number")),
    )


def bios(structures: list[Structure]) -> tuple[str, str]:
    """Version and date of the firmware (type 0)."""
    zero = next(iter(of_kind(structures, 0)), {})
    return identifier(zero.get("Version")), identifier(zero.get("Release Date"))


def processors(structures: list[Structure]) -> list[Processor]:
    return [
        Processor(
            socket=fields.get("Socket Designation", ""),
            populated="Unpopulated" not in fields.get("Status", ""),
            model=clean(fields.get("Version")),
            cores=_leading_number(fields.get("Core Count", "")),
        )
        for fields in of_kind(structures, 4)
    ]


def dimms(structures: list[Structure]) -> list[wire.Dimm]:
    """The modules that are there (type 17); empty slots are left out. A locator that stands on several slots, empty
    ones too (many boards say DIMM 0 for each channel), is made unique by its bank: a module's name stays the same when
    its neighbour is dead."""
    slots = of_kind(structures, 17)
    locators = [fields.get("Locator", "") for fields in slots]
    found = []
    for number, fields in enumerate(slots):
        if not size_mb(fields.get("Size", "")):
            continue
        locator = fields.get("Locator", "") or f"slot {number}"
        if locators.count(fields.get("Locator", "")) > 1:
            locator = clean(f"{fields.get('Bank Locator', '')} {locator}")
        found.append(_dimm(locator, fields))
    return found


def _dimm(locator: str, fields: dict[str, str]) -> wire.Dimm:
    speed = _SPEED.match(fields.get("Configured Memory Speed") or fields.get("Configured Clock Speed") or "")
    speed = speed or _SPEED.match(fields.get("Speed", ""))
    return wire.Dimm(
        locator=locator,
        size_mb=size_mb(fields.get("Size", "")),
        serial=identifier(fields.get("Serial Number")),
        part=identifier(fields.get("Part Number")),
        manufacturer=identifier(fields.get("Manufacturer")),
        speed_mts=int(speed[1]) if speed else None,
    )


def has_ecc(structures: list[Structure]) -> bool | None:
    """Whether the memory array corrects errors (type 16); None when the firmware does not say."""
    kinds = [fields.get("Error Correction Type", "") for fields in of_kind(structures, 16)]
    kinds = [kind for kind in kinds if kind and kind not in ("Unknown", "Other")]
    return any("ECC" in kind or "CRC" in kind for kind in kinds) if kinds else None


def power_supplies(structures: list[Structure]) -> list[wire.Psu]:
    """From type 39, by location or name; many boards leave it out or fill it with placeholders."""
    found = []
    for fields in of_kind(structures, 39):
        name = identifier(fields.get("Location")) or identifier(fields.get("Name"))
        status = fields.get("Status", "")
        if name:
            ok = True if "OK" in status else False if "Critical" in status else None
            found.append(wire.Psu(name, present="Not Present" not in status, ok=ok))
    return found


def size_mb(text: str) -> int:
    """`32 GB` → 32768; 0 for an empty slot."""
    match = _SIZE.match(text)
    return round(int(match[1]) * _MB[match[2]]) if match else 0


def _leading_number(text: str) -> int:
    match = re.match(r"\d{1,9}", text)
    return int(match[0]) if match else 0
