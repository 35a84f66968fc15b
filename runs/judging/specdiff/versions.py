"""Compare firmware versions: of the board, the BMC and the processors; of disks, network cards and storage adapters by
model or by their own name. Another version is information, critical if the spec pins it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract import codec, wire
from hosts import bmc_version, versions
from runs.judging.specdiff import sensed
from runs.judging.specdiff.difference import Difference, Part, Spec

KINDS = {"disks": "disk", "nics": "nic", "hbas": "hba"}
# Drivers of controllers that list volumes. The drives behind them are not in the inventory.
_HIDES_DRIVES = frozenset(
    {"megaraid_sas", "hpsa", "smartpqi", "aacraid", "arcmsr", "hptiop", "stex", "3w-9xxx", "3w-sas", "3w-xxxx"}
)


@dataclass(frozen=True)
class Compared:
    """One part whose firmware the spec states under `key`. `own` is the part's own name in the spec, or empty."""

    key: str
    name: str
    own: str
    wanted: str
    version: str


def compare(expected: Spec, inventory: wire.Inventory, pinned: frozenset[str]) -> Iterator[Difference]:
    """The differences of versions. `not_read` names versions that were not read; `sensed` reports a missing BMC."""
    found = inventory.firmware
    board, bmc = Part("firmware", "system", "system", pinned), Part("firmware", "bmc", "BMC", pinned)
    cpu = Part("firmware", "cpu", "CPU0" if inventory.cpu.sockets == 1 else "system", pinned)
    if found.bios:
        yield from board.text("bios", expected.get("bios"), found.bios, "BIOS")
    if found.bmc:
        wanted, actual = expected.get("bmc"), bmc_version.whole(found.bmc, found.bmc_aux)
        is_same = bmc_version.is_same(wanted or "", found.bmc, found.bmc_aux)
        yield from () if is_same else bmc.text("bmc", wanted, actual, "firmware")
    if inventory.cpu.microcode:
        wanted, actual = expected.get("microcode"), inventory.cpu.microcode
        yield from () if _same_revision(wanted, actual) else cpu.text("microcode", wanted, actual, "microcode")
    for kind in KINDS:
        yield from _parts(kind, _compared(kind, expected, inventory), pinned)


def not_read(expected: Spec, inventory: wire.Inventory) -> Iterator[str]:
    """Versions that the spec states and that were not read, one sentence each."""
    stated = expected.get("firmware") or {}
    found = inventory.firmware
    told = {"bios": found.bios, "bmc": found.bmc, "microcode": inventory.cpu.microcode}
    for name, version in told.items():
        blamed = name == "bmc" and sensed.bmc_is_missing(expected, inventory)
        if stated.get(name) and not version and not blamed:
            yield f"firmware.{name} could not be compared: {_why(name, inventory)}"
    for kind in KINDS:
        compared = _compared(kind, stated, inventory)
        for one in compared:
            if not one.version:
                yield f"firmware.{kind}[{one.key}] could not be compared: {one.name} reports no version"
        if kind == "disks":
            yield from _hidden(stated, inventory, {one.key for one in compared})


def _why(name: str, inventory: wire.Inventory) -> str:
    tool = {"bios": "dmidecode", "bmc": "mc_info", "microcode": "lscpu"}[name]
    return f"{tool} gave no answer" if tool in inventory.missing_tools else "no version of it was read"


def _hidden(stated: Spec, inventory: wire.Inventory, seen: set[str]) -> Iterator[str]:
    """Disk models of the spec that may be hidden behind a RAID controller. Without one, an absent model is no gap."""
    behind = [f"{one.slot} ({one.driver})" for one in inventory.firmware.adapters if one.driver in _HIDES_DRIVES]
    for key in stated.get("disks") or {}:
        if behind and key not in seen:
            yield f"firmware.disks[{key}] could not be compared: drives behind {', '.join(behind)} are not listed"


def _compared(kind: str, stated: Spec, inventory: wire.Inventory) -> list[Compared]:
    wanted = stated.get(kind) or {}
    if not wanted:
        return []
    own, made = versions.NAMES[kind][0], []
    for part in versions.of_inventory(_document(inventory, kind), kind):
        if key := versions.key_of(part, kind, wanted):
            name = str(part.get(own) or part.get("name") or "")
            made.append(Compared(key, name, str(part.get(own) or ""), wanted[key], part["version"]))
    return made


def _document(inventory: wire.Inventory, kind: str) -> Spec:
    """The section of the inventory that lists these parts, as JSON types."""
    if kind == "hbas":
        return {"firmware": codec.encode(inventory.firmware)}
    return {kind: codec.encode(getattr(inventory, kind))}


def _parts(kind: str, compared: list[Compared], pinned: frozenset[str]) -> Iterator[Difference]:
    """The differences of one kind of part. If all parts of a key have the same version, the path is the key's, and
    adopting changes the version of the key. Else the path is the part's own, and adopting adds the part by name."""
    for one in compared:
        run = {versions.folded(other.version) for other in compared if other.key == one.key and other.version}
        key = one.key if len(run) == 1 or not one.own else one.own
        is_pinned = f"firmware.{kind}[{one.key}]" in pinned
        part = Part("firmware", KINDS[kind], one.name, frozenset({f"firmware.{kind}[{key}]"} if is_pinned else ()))
        if one.version:
            yield from part.text(f"{kind}[{key}]", one.wanted, one.version, "firmware")


def _same_revision(wanted: str | None, actual: str) -> bool:
    """Whether two microcode revisions are equal as numbers: `0x02006e05` and `0x2006e05` are."""
    try:
        return int(wanted or "", 16) == int(actual, 16)
    except ValueError:
        return False
