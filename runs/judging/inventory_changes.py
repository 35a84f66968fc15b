"""What changed in a host since its last run, by serial number. Takes two inventories, returns changes; no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hosts import bmc_version, setup_settings

Inventory = dict[str, Any]
_VERSIONS = frozenset({"microcode", "BIOS", "BMC firmware"})


@dataclass(frozen=True)
class Change:
    """`what` is added, removed, replaced (same place, other serial) or changed (same part, another value)."""

    component_kind: str
    component: str
    what: str
    before: str
    after: str

    @property
    def words(self) -> str:
        if self.what == "added":
            return f"{self.component}: new, {self.after}"
        if self.what == "removed":
            return f"{self.component}: gone, was {self.before}"
        return f"{self.component}: {self.what}, {self.before} → {self.after}"


def compare(before: Inventory, after: Inventory) -> list[Change]:
    """The differences of two `wire.Inventory` documents. Parts with a serial number are matched by it, DIMMs and the
    board by their place."""
    return [
        *_by_place("dimm", _dimms(before), _dimms(after)),
        *_by_serial("disk", _keyed(before, "disks", "serial", _disk), _keyed(after, "disks", "serial", _disk)),
        *_by_serial("nic", _keyed(before, "nics", "mac", _nic), _keyed(after, "nics", "mac", _nic)),
        *_by_serial("gpu", *_gpus(before, after)),
        *_by_serial("infiniband", *_ports(before, after)),
        *_by_serial("adapter", *_accelerators(before, after)),
        *_by_serial("psu", _keyed(before, "psus", "name", _psu), _keyed(after, "psus", "name", _psu)),
        *_by_serial("fan", _keyed(before, "fans", "name", _fan), _keyed(after, "fans", "name", _fan)),
        *_adapters(before, after),
        *_by_place("system", _system(before), _system(after)),
        *_by_place("system", *_bmc(before, after)),
        *_settings(before, after),
    ]


def as_rows(changes: Iterable[Change]) -> list[dict[str, str]]:
    return [{**asdict(change), "words": change.words} for change in changes]


def _by_serial(kind: str, before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Change(kind, name, "added" if old is None else "removed", old or "", new or "")
        elif old != new:
            yield Change(kind, name, "changed", old, new)


def _by_place(kind: str, before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Change(kind, name, _both(name) if old and new else "removed" if old else "added", old, new)


def _both(name: str) -> str:
    """The word for another value in the same place: firmware is changed, a part is replaced."""
    return "changed" if name in _VERSIONS else "replaced"


def _keyed(inventory: Inventory, list_name: str, key: str, words: Any) -> dict[str, str]:
    """The parts of this list by their key. Parts without one can't be matched and are left out."""
    return {entry[key]: words(entry) for entry in inventory.get(list_name) or [] if entry.get(key)}


def _dimms(inventory: Inventory) -> dict[str, str]:
    dimms = (inventory.get("memory") or {}).get("dimms") or []
    return {d["locator"]: _joined(_size(d), d.get("part"), _serial(d)) for d in dimms if d.get("size_mb") != 0}


def _size(dimm: Inventory) -> str:
    return f"{dimm['size_mb']} MB" if dimm.get("size_mb") else "size unknown"


def _disk(disk: Inventory) -> str:
    return _joined(disk.get("model"), f"{disk.get('size_mb', 0)} MB", disk.get("bus"), _firmware(disk))


def _nic(nic: Inventory) -> str:
    return _joined(nic.get("model") or nic.get("driver"), _firmware(nic)) or "network card"


def _gpus(before: Inventory, after: Inventory) -> tuple[dict[str, str], dict[str, str]]:
    """GPUs by UUID. A card without one (no driver, or AMD's) is matched by its PCI address. Then only the address is
    compared, since lspci and the driver name a model differently."""
    sides = [inventory.get("gpus") or [] for inventory in (before, after)]
    nameless = {gpu.get("pci") for side in sides for gpu in side if not gpu.get("uuid")}
    return _gpus_of(sides[0], sides[1], nameless), _gpus_of(sides[1], sides[0], nameless)


def _gpus_of(own: list[Inventory], other: list[Inventory], nameless: set[str]) -> dict[str, str]:
    there = {gpu.get("pci"): gpu for gpu in other}
    found = {}
    for gpu in own:
        pci, twin = gpu.get("pci") or "", there.get(gpu.get("pci"), {})
        is_one_told = pci in nameless and bool(gpu.get("uuid")) != bool(twin.get("uuid")) and bool(twin)
        name = gpu.get("uuid") or twin.get("uuid") or (f"GPU at {pci}" if pci else "")
        if name:
            found[name] = pci if is_one_told else _gpu(gpu)
    return found


def _gpu(gpu: Inventory) -> str:
    return _joined(gpu.get("model"), gpu.get("pci")) or "GPU"


def _ports(before: Inventory, after: Inventory) -> tuple[dict[str, str], dict[str, str]]:
    """InfiniBand ports by GUID, if both inventories list them: older ones do not."""
    if not all("infiniband" in inventory for inventory in (before, after)):
        return {}, {}
    return _keyed(before, "infiniband", "guid", _port), _keyed(after, "infiniband", "guid", _port)


def _port(port: Inventory) -> str:
    return port.get("model") or port.get("name") or "InfiniBand port"


def _accelerators(before: Inventory, after: Inventory) -> tuple[dict[str, str], dict[str, str]]:
    """Adapters that are not for storage. (Storage adapters are compared with their firmware.)"""
    old, new = before.get("adapters"), after.get("adapters")
    if old is None or new is None:
        return {}, {}
    named = [
        {
            f"{one.get('kind')} at {one['slot']}": one.get("model") or "adapter"
            for one in side
            if one.get("kind") != "storage"
        }
        for side in (old, new)
    ]
    return named[0], named[1]


def _psu(psu: Inventory) -> str:
    words = {True: "present", False: "not present", None: "its sensor gives no reading"}
    return words[psu.get("present", True)]


def _fan(fan: Inventory) -> str:
    return "fan"


def _adapters(before: Inventory, after: Inventory) -> Iterator[Change]:
    """Storage adapters by their slots, if both inventories list them: older ones do not."""
    old, new = ((inventory.get("firmware") or {}).get("adapters") for inventory in (before, after))
    if old is not None and new is not None:
        yield from _by_serial("hba", *({one["slot"]: _adapter(one) for one in adapters} for adapters in (old, new)))


def _adapter(adapter: Inventory) -> str:
    version = f"firmware {adapter['version']}" if adapter.get("version") else ""
    return _joined(adapter.get("model") or adapter.get("driver"), version) or "storage adapter"


def _system(inventory: Inventory) -> dict[str, str]:
    system, cpu = inventory.get("system") or {}, inventory.get("cpu") or {}
    firmware = inventory.get("firmware") or {}
    return {
        "chassis": _joined(system.get("manufacturer"), system.get("product"), _serial(system)),
        "board": _joined(system.get("board"), system.get("board_serial") and f"serial {system['board_serial']}"),
        "UUID": system.get("uuid") or "",
        "CPU": _joined(cpu.get("sockets") and f"{cpu['sockets']} ×", cpu.get("model")),
        "microcode": cpu.get("microcode") or "",
        "BIOS": firmware.get("bios") or "",
    }


def _bmc(before: Inventory, after: Inventory) -> tuple[dict[str, str], dict[str, str]]:
    """The BMC's version, with the bytes that its maker adds if both inventories have them: older ones do not."""
    sides = [inventory.get("firmware") or {} for inventory in (before, after)]
    are_whole = all("bmc_aux" in firmware for firmware in sides)
    told = [bmc_version.whole(one.get("bmc") or "", (one.get("bmc_aux") or "") if are_whole else "") for one in sides]
    return {"BMC firmware": told[0]}, {"BMC firmware": told[1]}


def _settings(before: Inventory, after: Inventory) -> Iterator[Change]:
    """The settings that both inventories have. One that was not read in one of them has not changed."""
    old, new = (setup_settings.as_found(inventory) for inventory in (before, after))
    for name in old:
        if name in new and old[name] != new[name]:
            yield Change("system", f"setting {name}", "changed", _in_words(old[name]), _in_words(new[name]))


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _serial(part: Inventory) -> str:
    return f"serial {part['serial']}" if part.get("serial") else ""


def _firmware(part: Inventory) -> str:
    return f"firmware {part['firmware']}" if part.get("firmware") else ""


def _joined(*words: Any) -> str:
    return " ".join(str(word) for word in words if word)
