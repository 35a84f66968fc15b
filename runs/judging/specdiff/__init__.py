"""Compare the expected spec with the inventory. Takes both, returns differences; no database.

Missing, less, slower, or on the wrong bus is critical, and so is a setting that is off and that guests or passthrough
need. Another serial number in the same place, something more, something unexpected and another setting are warnings.
Another text is information, unless it is pinned. What the spec omits is not checked; an empty list means that there
must be none. What could not be read is no difference: `not_compared` names it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.contract import wire
from hosts import expectations, specpaths
from runs.judging.specdiff import board, cards, disk_identity, disks, memory, sensed, settings, unready, versions
from runs.judging.specdiff.difference import Difference, Spec

__all__ = ["Difference", "Spec", "compare", "not_compared"]

# The tools that read each section of the spec. If one gave no answer, a missing part is no difference. (Network cards
# are read from the kernel.)
_TOLD_BY: dict[str, tuple[str, ...]] = {
    "system": ("dmidecode",),
    "cpu": ("lscpu",),
    "memory.dimms": ("dmidecode",),
    "disks": ("lsblk",),
    "gpus": ("lspci",),
    "adapters": ("lspci",),
    "psus": ("sdr_power_supply",),
    "fans": ("sdr_fan",),
}
# A spec with one of these topics in `not_expected` does not expect what only a GPU's driver can read.
_GPUS_ONLY_SEEN = frozenset({"gpu", "gpu_load"})


def compare(expected: Spec | None, inventory: wire.Inventory) -> list[Difference]:
    """Every difference, the critical ones first. Empty without an expected spec (SpecValidate is not tested then)."""
    if not expected:
        return []
    differences = list(_differences(expected, inventory, frozenset(expected.get("pinned") or ())))
    order = list(wire.Severity)
    return sorted(differences, key=lambda difference: order.index(difference.severity))


def not_compared(expected: Spec | None, inventory: wire.Inventory) -> list[str]:
    """What the spec states and the inventory can't answer, one sentence each."""
    if not expected:
        return []
    answers = [
        f"{part} could not be compared: {', '.join(missing)} gave no answer"
        for part in _TOLD_BY
        if _stated(expected, part) and (missing := _missing_tools(part, inventory))
    ]
    answers += versions.not_read(expected, inventory)
    answers += settings.not_compared(expected, inventory)
    answers += [
        f"pinned {pin!r} could not be compared: it {why}"
        for pin in expected.get("pinned") or ()
        if (why := specpaths.why_not_pinned(pin, expected, expectations.PATHS))
    ]
    if "bmc" not in (expected.get("not_expected") or ()):
        answers += sensed.not_compared(expected.get("psus") or [], inventory.psus)
    answers += board.not_compared(expected.get("cpu") or {}, inventory.cpu)
    is_enough = _GPUS_ONLY_SEEN & set(expected.get("not_expected") or ())
    if not is_enough and cards.uuids_untold(expected.get("gpus") or [], inventory.gpus):
        answers.append("the UUIDs of gpus could not be compared: no driver reports them, so the cards were counted")
    absent = disk_identity.absent(expected.get("disks") or [], inventory.disks)
    absent_nics = cards.absent_nics(expected.get("nics") or [], inventory.nics)
    answers += unready.not_compared(absent, absent_nics, inventory.unready)
    return answers + list(memory.not_compared(expected.get("memory") or {}, inventory.memory))


def _differences(expected: Spec, inventory: wire.Inventory, pinned: frozenset[str]) -> Iterator[Difference]:
    def asks(part: str) -> bool:
        return _stated(expected, part) and not _missing_tools(part, inventory)

    if asks("system"):
        yield from board.system(expected["system"], inventory.system, pinned)
    if asks("cpu"):
        yield from board.cpu(expected["cpu"], inventory.cpu, pinned)
    if _stated(expected, "memory"):
        known = not _missing_tools("memory.dimms", inventory)
        yield from memory.memory(expected["memory"], inventory.memory, pinned, slots_known=known)
    if asks("disks"):
        yield from disks.disks(expected["disks"], inventory.disks, pinned, inventory.unready)
    if _stated(expected, "nics"):
        yield from cards.nics(expected["nics"], inventory.nics, pinned, inventory.unready)
    if _stated(expected, "infiniband"):
        yield from cards.infiniband(expected["infiniband"], inventory.infiniband, pinned)
    if asks("adapters"):
        yield from unready.compare_adapters(expected["adapters"], inventory, pinned)
    if asks("gpus"):
        yield from cards.gpus(expected["gpus"], inventory.gpus, pinned)
    if _stated(expected, "firmware"):
        yield from versions.compare(expected["firmware"], inventory, pinned)
    if _stated(expected, "settings"):
        yield from settings.compare(expected, inventory, pinned)
    bmc_gone = sensed.bmc_is_missing(expected, inventory)
    if bmc_gone:  # one difference, and none for what only the BMC reports
        yield sensed.bmc()
    elif asks("psus") and "bmc" not in expected.get("not_expected", []):
        yield from sensed.psus(expected["psus"], inventory.psus)
    if asks("fans") and not (bmc_gone and not inventory.fans):
        yield from sensed.fans(expected["fans"], inventory.fans)


def _stated(expected: Spec, part: str) -> bool:
    here: object = expected
    for key in part.split("."):
        here = here.get(key) if isinstance(here, dict) else None
    return here is not None


def _missing_tools(part: str, inventory: wire.Inventory) -> list[str]:
    return [tool for tool in _TOLD_BY[part] if tool in inventory.missing_tools]
