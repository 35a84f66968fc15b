"""Firmware of a host beside that of its twins: the same product, processor, disk or card in other hosts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.contract import wire

Inventory = Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """One version that runs: of what, in which part, of which model. Parts of one `what` and model are twins."""

    what: str
    model: str
    kind: str
    part: str
    text: str


def differing(own: Inventory, others: Iterable[Inventory]) -> list[wire.Finding]:
    """Told, no more: which of two versions is the right one is nothing that a majority decides."""
    elsewhere: dict[tuple[str, str], Counter[str]] = {}
    for inventory in others:
        # Each host has one voice for each of its models, however many parts of it there are.
        for what, model, text in {(one.what, one.model, one.text) for one in versions(inventory)}:
            elsewhere.setdefault((what, model), Counter())[text] += 1
    found = []
    for one in versions(own):
        counted = elsewhere.get((one.what, one.model), Counter())
        usual, hosts = max(counted.items(), key=lambda row: (row[1], row[0]), default=("", 0))
        if hosts and one.text != usual and counted[one.text] < hosts:
            they, run = ("host", "runs") if hosts == 1 else ("hosts", "run")
            others = f"{hosts} other {they} with {one.model} {run} {usual}"
            message = f"{one.part}: {one.what} firmware {one.text}, {others}"
            found.append(
                wire.Finding("firmware.twins_differ", wire.Severity.INFO, one.kind, one.part, message, one.text, usual)
            )
    return found


def _of(part: Mapping[str, Any], *names: str) -> str:
    """The first that is there: an inventory of an older version may lack what today's has."""
    return next((str(part[name]) for name in names if part.get(name)), "")


def versions(inventory: Inventory) -> Iterator[Version]:
    """Everything that tells its version and its model."""
    firmware, product = inventory.get("firmware") or {}, (inventory.get("system") or {}).get("product") or ""
    cpu = inventory.get("cpu") or {}
    rows = [
        Version("BIOS", product, "system", "system", firmware.get("bios") or ""),
        Version("BMC", product, "bmc", "BMC", firmware.get("bmc") or ""),
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
