"""The memory that the firmware lists: arrays (SMBIOS type 16) and the modules in them (type 17), after DMTF DSP0134
7.17 and 7.18 in dmidecode's words.

It separates memory that the system uses as RAM from memory that keeps its content, and a module of unknown size from an
empty slot.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from agent.contract import wire
from agent.contract.placeholders import is_no_name
from agent.parsing import clean, identifier
from agent.probes.board.dmidecode import Structure

# dmidecode writes GiB since 3.7, and GB before.
_SIZE = re.compile(r"(?i)(\d{1,12})\s*(?:(bytes)|([kMGTP])i?B)\b")
_MB = {"bytes": 1 / 1024**2, "k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2, "p": 1024**3}
_BELOW_ANY_MODULE = ("bytes", "k")
_BITS = re.compile(r"(\d{1,5}) bits")
_SPEED = re.compile(r"(\d{1,9})\s*(MT/s|MHz)")
# dmidecode's text for size 0 (before version 2.9: Not Installed).
_EMPTY = ("no module installed", "not installed")
# Where an array is (DSP0134 7.17.1): "CXL Flexbus 1.0" in dmidecode 3.3 to 3.5, "CXL Add-on Card" since then.
_ON_CXL = "CXL "
# Error correction types (7.17.3) that don't say whether errors are corrected. A checksum (CRC) only notices them.
_TELLS_NOTHING = ("Unknown", "Other", "CRC", "<OUT OF SPEC>")
# Arrays that hold no main memory (7.17.2) and types that can't be written like RAM (7.18.2).
_OTHER_USES = ("Video Memory", "Flash Memory", "Non-volatile RAM", "Cache Memory")
_ROM = ("ROM", "Flash", "EEPROM", "FEPROM", "EPROM")
# Memory technologies that keep their content (7.18.6), in the words of dmidecode 3.2 and newer. Older versions say
# Non-Volatile only in the type's details; some boards (Huawei RH2288 V3) say so of plain DRAM.
_PERSISTENT = ("NVDIMM-N", "NVDIMM-F", "NVDIMM-P", "Intel Optane", "Intel persistent")
_OPTANE = ("Intel Optane", "Intel persistent")
_OPTANE_PART = re.compile(r"NM[ABC][0-9]X")  # Intel's part numbers of Optane series 100, 200 and 300
# No memory module has a higher speed than this: a Fujitsu PRIMERGY reports 32768 for 1333.
_SPEED_MOST_MTS = 20_000
# A structure of at least this length has a configured speed (SMBIOS 2.7). An older one has only one speed.
_LENGTH_WITH_CONFIGURED_SPEED = 0x22


@dataclass(frozen=True)
class _Module:
    """`ram_mb` is how much of it the firmware gives to the system as RAM. `handle` is its own, `array` that of its
    array. `has_check_bits`: it has bits for error correction. None if the firmware does not say."""

    dimm: wire.Dimm
    persistent: bool
    is_optane: bool
    ram_mb: int | None
    is_cache: bool
    handle: str
    array: str
    has_check_bits: bool | None


def memory(structures: list[Structure], total_mb: int) -> wire.Memory:
    """`total_mb` is what the kernel sees, 0 if it was not read."""
    modules = _modules(structures)
    installed_mb, is_cached = _installed_mb(modules)
    return wire.Memory(
        total_mb=total_mb,
        installed_mb=installed_mb or 0,
        ecc=has_ecc(structures),
        dimms=[_told(module, is_cached=is_cached) for module in modules],
    )


def dimms(structures: list[Structure]) -> list[wire.Dimm]:
    """The modules, without empty slots."""
    return memory(structures, 0).dimms


def by_handle(structures: list[Structure]) -> dict[str, wire.Dimm]:
    """The modules, without empty slots, by the handle of their structure in upper case."""
    modules = _modules(structures)
    is_cached = _installed_mb(modules)[1]
    return {module.handle: _told(module, is_cached=is_cached) for module in modules}


def has_ecc(structures: list[Structure]) -> bool | None:
    """Whether main memory corrects errors, by its arrays (type 16) and by the width of each module (type 17). None if
    the firmware does not say, or contradicts itself: an array with ECC of which no module has bits for it."""
    modules = _modules(structures)
    of_arrays = _arrays_have_ecc(structures, {module.array for module in modules})
    told = {module.has_check_bits for module in modules if not module.persistent}
    if not of_arrays or False not in told:
        return of_arrays
    return False if True in told else None


def without_check_bits(structures: list[Structure]) -> list[str]:
    """The names of the modules that have no bits for error correction."""
    return [module.dimm.locator for module in _modules(structures) if module.has_check_bits is False]


def _arrays_have_ecc(structures: list[Structure], used: set[str]) -> bool | None:
    """By the arrays of main memory that hold a module, or by all if none is known to."""
    arrays = [one for one in structures if one.kind == 16 and one.fields.get("Use") not in _OTHER_USES]
    arrays = [one for one in arrays if one.handle in used] or arrays
    kinds = [one.fields.get("Error Correction Type", "") for one in arrays]
    kinds = [kind for kind in kinds if kind and kind not in _TELLS_NOTHING]
    return all("ECC" in kind for kind in kinds) if kinds else None


def size_mb(text: str) -> int | None:
    """`32 GB` → 32768. 0 for an empty slot. None for a module of unknown size (0xFFFF, Unknown), and for a text that
    can't be read, since it does not prove that the slot is empty."""
    match = _SIZE.match(text)
    if match:
        size = int(match[1]) * _MB[_unit(match)]
        return max(round(size), 1) if size else 0
    return 0 if text.casefold().startswith(_EMPTY) else None


def _unit(match: re.Match[str]) -> str:
    return (match[2] or match[3]).casefold()


def _modules(structures: list[Structure]) -> list[_Module]:
    arrays = {one.handle: one.fields for one in structures if one.kind == 16}
    placed = [(one, arrays.get(_array(one), {})) for one in structures if one.kind == 17]
    listed = [(one, array) for one, array in placed if not _is_other(one, array)]
    named = zip(_names([one.fields for one, _ in listed]), listed, strict=True)
    return [
        _module(name, one, is_on_cxl=array.get("Location", "").startswith(_ON_CXL))
        for name, (one, array) in named
        if size_mb(one.fields.get("Size", "")) != 0
    ]


def _array(one: Structure) -> str:
    """The handle of the array that the module is in."""
    return one.fields.get("Array Handle", "").upper()


def _is_other(one: Structure, array: dict[str, str]) -> bool:
    """Whether it is no main memory: ROM that the board lists as a module, video memory, cache."""
    is_elsewhere = array.get("Use") in _OTHER_USES and not _is_persistent(one.fields)
    return one.fields.get("Type") in _ROM or is_elsewhere


def _names(slots: list[dict[str, str]]) -> list[str]:
    """A name for each slot: its locator. If several slots have the same locator (many boards say DIMM 0 for each
    channel), the bank is added, and then a number. Empty slots count, too, so that a module keeps its name when its
    neighbour fails."""
    locators = ["" if is_no_name(slot.get("Locator", "")) else slot["Locator"] for slot in slots]
    banks = ["" if is_no_name(slot.get("Bank Locator", "")) else slot["Bank Locator"] for slot in slots]
    shared, names = Counter(locators), []
    for number, (locator, bank) in enumerate(zip(locators, banks, strict=True)):
        full = locator if locator and shared[locator] == 1 else clean(f"{bank} {locator}")
        names.append(full or f"slot {number}")
    twice, seen = Counter(names), Counter[str]()
    for number, name in enumerate(names):
        seen[name] += 1
        names[number] = f"{name} #{seen[name]}" if twice[name] > 1 else name
    return names


def _module(name: str, one: Structure, *, is_on_cxl: bool) -> _Module:
    """The widths of a module on CXL are no DIMM's: its controller corrects errors, not the processor's."""
    fields, size = one.fields, size_mb(one.fields.get("Size", ""))
    cache = _told_mb(fields, "Cache Size") or 0
    persistent = _is_persistent(fields)
    return _Module(
        dimm=wire.Dimm(
            locator=name,
            size_mb=size,
            serial=identifier(fields.get("Serial Number")),
            part=identifier(fields.get("Part Number")),
            manufacturer=identifier(fields.get("Manufacturer")),
            speed_mts=_speed(one),
            persistent=persistent,
            rated_mts=_mts(fields.get("Speed")),
        ),
        persistent=persistent,
        is_optane=persistent and _is_optane(fields),
        ram_mb=_told_mb(fields, "Volatile Size") if persistent else _ram_mb(fields, size, cache, is_on_cxl=is_on_cxl),
        is_cache=cache > 0,
        handle=one.handle,
        array=_array(one),
        has_check_bits=None if is_on_cxl else _has_check_bits(fields),
    )


def _has_check_bits(fields: dict[str, str]) -> bool | None:
    """DSP0134 7.18: both widths are equal if there are no bits for error correction. Some firmware gives 72 for both
    (Dell PowerEdge C6220), or exchanges them."""
    total, data = (_BITS.fullmatch(fields.get(name, "")) for name in ("Total Width", "Data Width"))
    if total is None or data is None:
        return None
    bits = int(data[1])
    return total[1] != data[1] or bits & (bits - 1) != 0


def _ram_mb(fields: dict[str, str], size: int | None, cache_mb: int, *, is_on_cxl: bool) -> int | None:
    """For a module that loses its content without power: its size, less what is cache. Its Volatile Size is not used,
    since many boards leave it at None (Ampere Altra) or give it in another unit (16 kB for 16 GB). High-bandwidth
    memory may be cache as a whole (Xeon Max), CXL memory may be left to a driver, and a DRAM that is called
    non-volatile may be either."""
    doubtful = is_on_cxl or "HBM" in fields.get("Type", "")
    if size is None or ((doubtful or "Non-Volatile" in fields.get("Type Detail", "")) and not cache_mb):
        return None
    return max(size - cache_mb, 0)


def _installed_mb(modules: list[_Module]) -> tuple[int | None, bool]:
    """How much of all modules the kernel should see, None if the firmware does not say; and whether the DRAM is the
    cache of persistent memory (Memory Mode), also if it is not called so."""
    if any(module.ram_mb is None for module in modules):
        return None, False
    optane_mb = sum(module.ram_mb or 0 for module in modules if module.is_optane)
    others_mb = sum(module.ram_mb or 0 for module in modules if not module.is_optane)
    if not optane_mb or any(module.is_cache for module in modules):
        return optane_mb + others_mb, False
    # In Memory Mode there is several times as much Optane as DRAM. Less means a module that was not set up.
    return (optane_mb, True) if optane_mb > others_mb else (None, False)


def _told(module: _Module, *, is_cached: bool) -> wire.Dimm:
    """The module, with the size of its RAM if only a part of it is RAM. If persistent memory does not report it, it
    counts as no RAM."""
    ram_mb = 0 if is_cached and not module.is_optane else module.ram_mb
    ram_mb = 0 if ram_mb is None and module.persistent else ram_mb
    return replace(module.dimm, ram_mb=None if ram_mb == module.dimm.size_mb else ram_mb)


def _is_persistent(fields: dict[str, str]) -> bool:
    technology = fields.get("Memory Technology", "")
    return (
        technology.startswith(_PERSISTENT)
        or fields.get("Type") == "Logical non-volatile device"
        or _OPTANE_PART.match(fields.get("Part Number", "")) is not None
    )


def _is_optane(fields: dict[str, str]) -> bool:
    return fields.get("Memory Technology", "").startswith(_OPTANE) or not fields.get("Memory Technology")


def _told_mb(fields: dict[str, str], name: str) -> int | None:
    """0 if the firmware's text is "None". None if there is no text, "Unknown", or a size below that of any memory
    module."""
    text = fields.get(name, "")
    if text.casefold() == "none":
        return 0
    match = _SIZE.match(text)
    return size_mb(text) if match and _unit(match) not in _BELOW_ANY_MODULE else None


def _speed(one: Structure) -> int | None:
    """The present speed. The highest possible speed is another number, unless the structure is too old to have both."""
    fields = one.fields
    configured = fields.get("Configured Memory Speed", fields.get("Configured Clock Speed"))
    if configured is None and one.length < _LENGTH_WITH_CONFIGURED_SPEED:
        configured = fields.get("Speed")
    return _mts(configured)


def _mts(text: str | None) -> int | None:
    match = _SPEED.match(text or "")
    return int(match[1]) if match and int(match[1]) <= _SPEED_MOST_MTS else None
