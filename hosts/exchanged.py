"""Memory modules that were put back into each other's slots. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from agent.contract.placeholders import is_placeholder

Spec = dict[str, Any]
Round = dict[str, Spec]


def rounds(wanted: list[Spec], sits: Mapping[str, str]) -> list[Round]:
    """`sits` is slot → serial number. For every closed round of slots whose modules are all expected in one
    another's: slot → the spec of the module that sits there. A number that names no module, or more than one, proves
    no exchange."""
    sits = {slot: serial.casefold() for slot, serial in sits.items()}
    expected, found = Counter(map(_serial, wanted)), Counter(sits.values())
    home = {
        serial: spec
        for spec in wanted
        if not is_placeholder(serial := _serial(spec)) and expected[serial] == found[serial] == 1
    }
    moved = {slot: home[serial] for slot, serial in sits.items() if serial in home and home[serial]["locator"] != slot}
    made: list[Round] = []
    for spec in wanted:
        if not any(spec["locator"] in one for one in made) and (one := _round(spec["locator"], moved)):
            made.append(one)
    return made


def _round(start: str, moved: Mapping[str, Spec]) -> Round:
    """From a slot to the slot of the module that sits there, and on; empty where that does not come back."""
    made: Round = {}
    slot = start
    while slot in moved and slot not in made:
        made[slot] = moved[slot]
        slot = moved[slot]["locator"]
    return made if made and slot == start else {}


def _serial(spec: Spec) -> str:
    return str(spec.get("serial") or "").casefold()
