"""Under which names the firmware of a part may stand in a spec: `firmware.disks` by serial number, WWN or model,
`firmware.nics` by MAC, model or driver, `firmware.hbas` by PCI slot, model or driver. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# List of a spec's `firmware` → the fields of an inventory's part, the part's own name first.
NAMES: Mapping[str, Sequence[str]] = {
    "disks": ("serial", "wwn", "model"),
    "nics": ("mac", "model", "driver"),
    "hbas": ("slot", "model", "driver"),
}
WORDS = {"disks": "disk", "nics": "network card", "hbas": "storage adapter"}


def folded(text: str) -> str:
    """Capitals and runs of blanks aside."""
    return " ".join(text.split()).casefold()


def key_of(part: Mapping[str, Any], kind: str, stated: Mapping[str, str]) -> str:
    """The key under which a spec states this part's version, the part's own before its model's; empty for none."""
    spelled = {folded(key): key for key in stated}
    names = (folded(str(part.get(field) or "")) for field in NAMES[kind])
    return next((spelled[name] for name in names if name and name in spelled), "")


def of_inventory(inventory: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The parts of an inventory document, each with its `version`; none of a document that knew no such list."""
    if kind == "hbas":
        return list((inventory.get("firmware") or {}).get("adapters") or [])
    return [{**part, "version": part.get("firmware") or ""} for part in inventory.get(kind) or []]


def as_found(inventory: Mapping[str, Any], kind: str) -> dict[str, str]:
    """What a spec states of these parts if they are as they should be: a version for each model, and where those of one
    model differ, one for each part by its own name."""
    parts = [part for part in of_inventory(inventory, kind) if part["version"]]
    by_model: dict[str, set[str]] = {}
    for part in parts:
        by_model.setdefault(folded(str(part.get("model") or "")), set()).add(part["version"])
    own, found = NAMES[kind][0], {}
    for part in parts:
        model = str(part.get("model") or "")
        name = model if model and len(by_model[folded(model)]) == 1 else str(part.get(own) or "")
        found.setdefault(folded(name), (name, part["version"]))
    return {name: version for name, version in found.values() if name}
