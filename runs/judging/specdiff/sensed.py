"""Compare what the BMC and the sensors report: the BMC itself, power supplies, fans."""

from __future__ import annotations

from collections.abc import Iterator

from agent.contract import wire
from runs.judging.specdiff.difference import Difference, Part, Spec


def bmc_is_missing(expected: Spec, inventory: wire.Inventory) -> bool:
    """Whether the spec expects a BMC and none answered. It expects one if it lists power supplies or BMC firmware."""
    expects = bool(expected.get("psus")) or bool((expected.get("firmware") or {}).get("bmc"))
    return expects and not inventory.bmc and "bmc" not in expected.get("not_expected", [])


def bmc() -> Difference:
    return Part("firmware.bmc", "bmc", "BMC").missing("BMC", "BMC: does not answer, and the spec expects one")


def psus(wanted: list[Spec], found: list[wire.Psu]) -> Iterator[Difference]:
    """A supply whose sensor gives no reading is neither missing nor unexpected: it may be an empty bay."""
    silent = _silent(wanted, found)
    there = {psu.name for psu in found if psu.present} | silent
    yield from _named("psus", "psu", "power supply", wanted, there)


def not_compared(wanted: list[Spec], found: list[wire.Psu]) -> Iterator[str]:
    for name in sorted(_silent(wanted, found)):
        yield f"psus[{name}] could not be compared: its sensor gives no reading"


def _silent(wanted: list[Spec], found: list[wire.Psu]) -> set[str]:
    """The expected supplies of which nobody can say whether they are there."""
    return {psu.name for psu in found if psu.present is None} & {spec["name"] for spec in wanted}


def fans(wanted: list[Spec], found: list[wire.Fan]) -> Iterator[Difference]:
    """A sensor without a reading, or at 0, is no unexpected fan: it may be an empty header."""
    expected = {spec["name"] for spec in wanted}
    there = {fan.name for fan in found if fan.rpm or fan.percent or fan.name in expected}
    yield from _named("fans", "fan", "fan", wanted, there)


def _named(path: str, kind: str, words: str, wanted: list[Spec], there: set[str]) -> Iterator[Difference]:
    expected = [spec["name"] for spec in wanted]
    for name in expected:
        if name not in there:
            yield Part(f"{path}[{name}]", kind, name).missing(name, f"{name}: expected {words} is missing")
    for name in sorted(there - set(expected)):
        yield Part(f"{path}[{name}]", kind, name).unexpected(name, f"{name}: {words} is not expected")
