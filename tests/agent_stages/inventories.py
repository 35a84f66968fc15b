"""A host put together from recordings of the tools that InventoryCheck asks, compared with the spec that is adopted
from it while it is whole. It is the QEMU machine of the recordings; sysfs shows its disks and its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from agent import judge as recordings
from agent.contract import codec, wire
from agent.host.shell import Completed
from agent.probes.bmc import ipmitool
from agent.probes.board import dmidecode, dmimemory, lscpu, lshw, meminfo
from agent.probes.bus import lspci
from agent.probes.drives import lsblk
from agent.probes.drives.disks import DiskIdentity
from agent.probes.network import ethtool
from agent.stage import settle
from agent.stages.inventory_check.collection import Collection
from agent.stages.inventory_check.stage import ToolOutputs, assembled, completeness
from hosts import adoption
from runs import orchestrator_stages
from tests.agent_stages.contexts import PROFILE, context
from tests.agent_stages.recordings import RECORDED

NOWHERE = Path("/nonexistent")
REQUIRED = [*PROFILE["stages"]["InventoryCheck"]["required"], "meminfo"]
MAC = "52:54:00:12:34:56"
FILES = {
    "dmidecode": "dmidecode/qemu-q35.txt",
    "lspci": "lspci/qemu-q35.txt",
    "lshw": "lshw/qemu-q35.json",
    "lsblk": "lsblk/qemu-q35.json",
    "lscpu": "lscpu/qemu-q35.json",
    "meminfo": "meminfo/qemu-q35.txt",
    "ethtool": "ethtool/qemu-q35-e1000e.txt",
    "mc_info": "ipmitool/qemu-q35-mc-info.txt",
}
# Their serial numbers are lsblk's to tell: sysfs has none here.
DISKS = [
    DiskIdentity(name, "", "", "sata", 268435456, "", "", False, False, 512)
    for name in ("sda", "sdb", "vda", "nvme0n1")
]
Judge = Callable[[str], str]


@cache
def _texts() -> dict[str, str]:
    return {tool: (RECORDED / name).read_text() for tool, name in FILES.items()}


@cache
def spec() -> dict[str, Any]:
    """What is expected of the whole machine."""
    return adoption.from_inventory(codec.encode(machine(_texts())[0]))


PARSERS: dict[str, Callable[[str], Any]] = {
    "dmidecode": dmidecode.parse,
    "lspci": lspci.parse,
    "lshw": lshw.parse,
    "lsblk": lsblk.parse,
    "lscpu": lscpu.parse,
    "meminfo": meminfo.parse,
    "ethtool": ethtool.parse_driver,
    "mc_info": ipmitool.parse_mc_info,
}


@lru_cache(32)
def _taken(tool: str, text: str) -> tuple[Any, Collection]:
    """What InventoryCheck makes of one tool's answer."""
    found = Collection(context("InventoryCheck", NOWHERE))
    return found.take(tool, Completed([tool], 0, stdout=text), PARSERS[tool]), found


def machine(texts: dict[str, str]) -> tuple[wire.Inventory, list[wire.Check]]:
    """The inventory, and the checks that InventoryCheck makes of the tools."""
    taken = {tool: _taken(tool, text) for tool, text in texts.items()}
    of = {tool: value for tool, (value, _) in taken.items() if value is not None}
    info = of.get("mc_info", {})
    firmware = of.get("ethtool", {}).get("firmware-version", "")
    said = ToolOutputs(
        structures=of.get("dmidecode", []),
        devices=of.get("lspci", []),
        cpu=of.get("lscpu", wire.Cpu()),
        # The stage ends without a result where the kernel names no memory.
        memory_mb=of["meminfo"]["MemTotal"] // meminfo.MIB if "meminfo" in of else 0,
        identities=DISKS,
        rows=of.get("lsblk", []),
        nics=[wire.Nic("eno1", MAC, "e1000e", firmware, 1000, True, "0000:00:01.0")],
        bmc=True,
        bmc_version=(info.get("Firmware Revision", ""), info.get("Aux Firmware Rev Info", "")),
    )
    inventory = assembled(said, [name for _, found in taken.values() for name in found.missing], NOWHERE)
    checks = [check for _, found in taken.values() for check in found.checks]
    checks.append(replace(taken["mc_info"][1].checks[0], name="bmc"))
    return inventory, [*checks, *completeness(inventory)]


def of_tool(tool: str) -> Judge:
    """The result of InventoryCheck and Expected parts together, where this tool says this and the others are well."""

    def judge(text: str) -> str:
        inventory, checks = machine({**_texts(), tool: text})
        outcome = settle(checks, REQUIRED, []).outcome
        return compared(spec(), inventory) if outcome is wire.Outcome.PASSED else outcome.value

    return judge


def compared(expected: dict[str, Any], inventory: wire.Inventory) -> str:
    """A difference that is no more than a warning is one all the same."""
    found = orchestrator_stages.compare(expected, inventory)
    return "failed" if found.differences and found.outcome.value == "passed" else str(found.outcome.value)


@cache
def _of_firmware(whole: str) -> dict[str, Any]:
    inventory = _inventory(whole)
    return adoption.from_inventory(codec.encode(inventory)) if inventory else {}


def _inventory(text: str) -> wire.Inventory | None:
    document = recordings.judge(context("InventoryCheck", NOWHERE), "dmidecode", text)["inventory"]
    return codec.decode(wire.Inventory, document) if document else None


def of_firmware(whole: str) -> Judge:
    """As `manage.py judge --kind dmidecode`, with the spec that is adopted from the whole recording."""

    def judge(text: str) -> str:
        inventory = _inventory(text)
        return compared(_of_firmware(whole), inventory) if inventory else "not_tested"

    return judge


def without_a_module(text: str) -> str:
    """The recording with its first memory module taken out, as the firmware tells an empty slot."""
    blocks = text.split("\n\n")
    for number, block in enumerate(blocks):
        rest = "\n\n".join([*blocks[:number], *blocks[number + 1 :]])
        if "\nMemory Device\n" in block and _modules(rest) < _modules(text):
            return rest
    raise AssertionError("the recording has no memory module")


def _modules(text: str) -> int:
    return len(dmimemory.memory(dmidecode.parse(text), 0).dimms)
