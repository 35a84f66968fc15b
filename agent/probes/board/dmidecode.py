"""What the firmware reports about system, board, CPUs and power supplies (SMBIOS, DMTF DSP0134). `dmimemory` reads the
memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.contract import wire
from agent.host import shell
from agent.parsing import ParseError, clean, identifier

_HANDLE = re.compile(r"Handle (0x[0-9A-Fa-f]{1,8}), DMI type (\d{1,3})\b(?:, (\d{1,5}) bytes)?")
# dmidecode 2.6 and older.
_OLD_HANDLE = re.compile(r"(?m)^Handle (0x[0-9A-Fa-f]{1,8})\n[ \t]{1,16}DMI type (\d{1,3}), (\d{1,5}) bytes\.?$")


@dataclass(frozen=True)
class Structure:
    """One SMBIOS structure: its type, its name and its fields as dmidecode prints them, cleaned. `handle` is in upper
    case, `length` in bytes, 0 if not given."""

    kind: int
    title: str
    fields: dict[str, str] = field(default_factory=dict)
    handle: str = ""
    length: int = 0


@dataclass(frozen=True)
class Processor:
    """One socket (type 4). `enabled` is False for a processor that was switched off."""

    socket: str
    populated: bool
    enabled: bool
    model: str
    cores: int | None


def run(timeout_s: float = 30.0) -> shell.Completed:
    return shell.run(["dmidecode"], timeout_s)


def parse(text: str) -> list[Structure]:
    """All structures of dmidecode's text, in order. It may be indented by tabs, or by blanks as in a report. Raises
    ParseError if there is none."""
    blocks: list[list[str]] = []
    for line in _OLD_HANDLE.sub(r"Handle \1, DMI type \2, \3 bytes", text).split("\n"):
        if _HANDLE.match(line.strip()):
            blocks.append([line.strip()])
        elif blocks and line.strip():
            blocks[-1].append(line.rstrip())
    structures = [_structure(block) for block in blocks if len(block) > 1]
    if not structures:
        raise ParseError("dmidecode listed no structure")
    return structures


def _structure(lines: list[str]) -> Structure:
    match = _HANDLE.match(lines[0])
    assert match is not None
    fields: dict[str, str] = {}
    indent = _indent(lines[2]) if len(lines) > 2 else 0
    for line in lines[2:]:
        # Values of several lines (characteristics) are indented twice. Nothing here needs them.
        if ":" in line and _indent(line) == indent:
            key, _, value = line.strip().partition(":")
            fields.setdefault(key, clean(value))
    return Structure(int(match[2]), clean(lines[1]), fields, match[1].upper(), int(match[3] or 0))


def _indent(line: str) -> int:
    return len(line[: min(len(line) - len(line.lstrip()), 80)].expandtabs())


def of_kind(structures: list[Structure], kind: int) -> list[dict[str, str]]:
    return [structure.fields for structure in structures if structure.kind == kind]


def system(structures: list[Structure]) -> wire.System:
    """The system, from types 1 and 2."""
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
            enabled="Disabled" not in fields.get("Status", ""),
            model=clean(fields.get("Version")),
            cores=_cores(fields),
        )
        for fields in of_kind(structures, 4)
    ]


def power_supplies(structures: list[Structure]) -> list[wire.Psu]:
    """From type 39, by location or name. Many boards leave it out or fill it with placeholders."""
    found = []
    for fields in of_kind(structures, 39):
        name = identifier(fields.get("Location")) or identifier(fields.get("Name"))
        status = fields.get("Status", "")
        if name:
            ok = True if "OK" in status else False if "Critical" in status else None
            found.append(wire.Psu(name, present="Not Present" not in status, ok=ok))
    return found


def cpu(structures: list[Structure]) -> wire.Cpu | None:
    """The processors of all sockets together, None if the firmware lists none. Each enabled socket counts as one,
    however many dies it has. Only for recordings: a run asks the kernel. Threads are not given."""
    found = [one for one in processors(structures) if one.populated and one.enabled]
    if not found:
        return None
    counts = [one.cores for one in found]
    cores = 0 if None in counts else sum(count or 0 for count in counts)
    return wire.Cpu(sockets=len(found), cores=cores, model=found[0].model)


def _cores(fields: dict[str, str]) -> int | None:
    """The number of cores, if all of them are enabled. If not, the firmware's numbers are often wrong: 40 of a
    processor of 32 (EPYC 7502P on Supermicro), 1 enabled of 4 (Phytium)."""
    count, enabled = (_leading_number(fields.get(name, "")) for name in ("Core Count", "Core Enabled"))
    return count or None if enabled in (0, count) else None


def _leading_number(text: str) -> int:
    match = re.match(r"\d{1,9}", text)
    return int(match[0]) if match else 0
