"""Compare a host's firmware with that of the same product, processor, disk or card in other hosts. No database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.contract import wire

Inventory = Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """The version of one part's firmware. Parts with the same `what` and `model` are compared with each other."""

    what: str
    model: str
    kind: str
    part: str
    text: str


def differing(own: Inventory, others: Iterable[Inventory]) -> list[wire.Finding]:
    """A finding for each part whose version differs from the most common one. Information only: a majority does not
    say which version is right."""
    elsewhere: dict[tuple[str, str], Counter[str]] = {}
    for inventory in others:
        # Each host counts once per model and version, however many such parts it has.
        for what, model, text in {(one.what, one.model, one.text) for one in versions(inventory)}:
            elsewhere.setdefault((what, model), Counter())[text] += 1
    found = []
    for one in versions(own):
        counted = elsewhere.get((one.what, one.model), Counter())
        usual, hosts = max(counted.items(), key=lambda row: (row[1], row[0]), default=("", 0))
        if hosts and one.text != usual and counted[one.text] < hosts:
            they, run = ("host", "runs") if hosts == 1 else ("hosts", "run")
            message = f"{one.part}: {one.what} firmware {one.text}, {hosts} other {they} with {one.model} {run} {usual}"
            found.append(
                wire.Finding("firmware.twins_differ", wire.Severity.INFO, one.kind, one.part, message, one.text, usual)
            )
    return found


def _of(part: Mapping[str, Any], *names: str) -> str:
    """The first of these values that the part has: an older inventory may lack some."""
    return next((str(part[name]) for name in names if part.get(name)), "")


def versions(inventory: Inventory) -> Iterator[Version]:
    """Everything in the inventory with a model and a firmware version."""
    firmware, product = inventory.get("firmware") or {}, (inventory.get("system") or {}).get("product") or ""
    cpu, bmc = inventory.get("cpu") or {}, firmware.get("bmc") or ""
    rows = [
        Version("BIOS", product, "system", "system", firmware.get("bios") or ""),
        Version("BMC", product, "bmc", "BMC", bmc),
        # The bytes that the maker adds, among hosts of the same revision.
        Version("auxiliary BMC", product and f"{product}, BMC {bmc}", "bmc", "BMC", firmware.get("bmc_aux") or ""),
        Version("microcode", cpu.get("model") or "", "cpu", "CPU0", cpu.get("microcode") or ""),
        *(
            Version("disk", _of(disk, "model"), "disk", _of(disk, "serial", "name"), _of(disk, "firmware"))
            for disk in inventory.get("disks") or []
        ),
        *(
            Version("network card", _of(nic, "model"), "nic", _of(nic, "mac"), _of(nic, "firmware"))
            for nic in inventory.get("nics") or []
        ),
        *(
            Version("storage adapter", _of(one, "model"), "hba", _of(one, "slot"), _of(one, "version"))
            for one in firmware.get("adapters") or []
        ),
    ]
    yield from (one for one in rows if one.model and one.text)
