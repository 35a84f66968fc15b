"""The names under which a spec can state the firmware of a part: `firmware.disks` by serial number, WWN or model,
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
MOST = 1000
WORDS = {"disks": "disk", "nics": "network card", "hbas": "storage adapter"}


def folded(text: str) -> str:
    """The text in lower case, repeated blanks as one."""
    return " ".join(text.split()).casefold()


def key_of(part: Mapping[str, Any], kind: str, stated: Mapping[str, str]) -> str:
    """The key under which a spec states this part's version: the part's own name before its model; empty if none."""
    spelled = {folded(key): key for key in stated}
    names = (folded(str(part.get(field) or "")) for field in NAMES[kind])
    return next((spelled[name] for name in names if name and name in spelled), "")


def of_inventory(inventory: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The parts of an inventory document, each with its `version`; empty for a document without such a list."""
    if kind == "hbas":
        return list((inventory.get("firmware") or {}).get("adapters") or [])
    return [{**part, "version": part.get("firmware") or ""} for part in inventory.get(kind) or []]


def as_found(inventory: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The lists of `firmware` in a spec that has the versions of these parts."""
    found = {kind: _as_found(inventory, kind) for kind in NAMES}
    return {kind: stated for kind, stated in found.items() if stated}


def adopt(spec: dict[str, Any], kind: str, key: str, version: str, inventory: Mapping[str, Any]) -> None:
    """State this version under this name. If its model was pinned, a newly named part is pinned too."""
    stated = spec.setdefault("firmware", {}).setdefault(kind, {})
    own, pins = NAMES[kind][0], spec.get("pinned") or []
    part = next((part for part in of_inventory(inventory, kind) if part.get(own) == key), {})
    before = key_of(part, kind, stated)
    if key not in stated and f"firmware.{kind}[{before}]" in pins:
        spec["pinned"] = [*pins, f"firmware.{kind}[{key}]"]
    stated[key] = clean(version) or stated.get(key) or ""


def _as_found(inventory: Mapping[str, Any], kind: str) -> dict[str, str]:
    """One version per model. If parts of one model differ, one version per part, by its own name."""
    own = NAMES[kind][0]
    told = [(clean(part.get("model")), clean(part.get(own)), clean(part["version"]))
            for part in of_inventory(inventory, kind)]  # fmt: skip
    of_model: dict[str, set[str]] = {}
    for model, _, version in told:
        of_model.setdefault(folded(model), set()).update(filter(None, [version]))
    found: dict[str, tuple[str, str]] = {}
    for model, name, version in told:
        key = model if model and len(of_model[folded(model)]) == 1 else name
        if key and version:
            found.setdefault(folded(key), (key, version))
    return dict(list(found.values())[:MOST])


def clean(value: Any) -> str:
    """The text in a form that a spec accepts."""
    return "".join(c for c in str(value or "") if c.isprintable()).strip()[:128].strip()
