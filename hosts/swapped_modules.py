"""Find memory modules that were swapped between slots. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from agent.contract.placeholders import is_placeholder

Spec = dict[str, Any]
Group = dict[str, Spec]


def groups(wanted: list[Spec], sits: Mapping[str, str]) -> list[Group]:
    """The groups of slots whose expected modules were only swapped among each other. `sits` is slot → serial number. A
    group is slot → the spec of the module that is there now. A serial number of no module, or of several, proves no
    swap."""
    sits = {slot: serial.casefold() for slot, serial in sits.items()}
    expected, found = Counter(map(_serial, wanted)), Counter(sits.values())
    home = {
        serial: spec
        for spec in wanted
        if not is_placeholder(serial := _serial(spec)) and expected[serial] == found[serial] == 1
    }
    moved = {slot: home[serial] for slot, serial in sits.items() if serial in home and home[serial]["locator"] != slot}
    made: list[Group] = []
    for spec in wanted:
        if not any(spec["locator"] in one for one in made) and (one := _group(spec["locator"], moved)):
            made.append(one)
    return made


def _group(start: str, moved: Mapping[str, Spec]) -> Group:
    """Follow from a slot to the slot in which its module is expected, and on; empty if this does not lead back to the
    start."""
    made: Group = {}
    slot = start
    while slot in moved and slot not in made:
        made[slot] = moved[slot]
        slot = moved[slot]["locator"]
    return made if made and slot == start else {}


def _serial(spec: Spec) -> str:
    return str(spec.get("serial") or "").casefold()
