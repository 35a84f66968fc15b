"""The parts of an inventory in the form of a spec. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError

from agent.contract.placeholders import is_no_name, is_placeholder
from hosts import bmc_version, expectations, hidden_drives, ports, seen_memory, setup_settings, versions
from hosts.fields import normalise_mac
from hosts.parts import LISTS

Inventory = dict[str, Any]
Spec = dict[str, Any]

# Some of these are known by their model only; if one of several is missing, that must be noticed.
WITH_TWINS = ("gpus", "adapters")
# A slot's name need not be a serial number.
_NAMES = ("locator", "name")


def as_spec(inventory: Inventory) -> Spec:
    """All parts that were found, as a spec. A kind of part that its tool looked for and did not find goes into
    `not_expected`."""
    missing_tools = inventory.get("missing_tools") or []
    spec: Spec = {
        "system": _kept(inventory["system"], "manufacturer", "product", "serial", "uuid"),
        "cpu": _kept(inventory["cpu"], "sockets", "cores", "model"),
        "memory": _memory(inventory["memory"], slots_known="dmidecode" not in missing_tools),
        "nics": _named("nics", map(_nic, inventory["nics"])),
        "firmware": _firmware(inventory),
        "settings": setup_settings.as_found(inventory),
        "not_expected": _not_there(inventory, missing_tools),
    }
    if "lsblk" not in missing_tools:
        spec["disks"] = _named("disks", map(_disk, inventory["disks"]))
    if ports := inventory.get("infiniband"):
        spec["infiniband"] = _named("infiniband", map(_port, ports))
    if inventory["bmc"] and "sdr_power_supply" not in missing_tools:
        present = (psu for psu in inventory["psus"] if psu.get("present", True))
        spec["psus"] = _named("psus", (_kept(psu, "name") for psu in present))
    if "lspci" not in missing_tools:
        spec["gpus"] = _named("gpus", (_kept(gpu, "uuid", "model") for gpu in inventory["gpus"]))
    if "lspci" not in missing_tools and "adapters" in inventory:
        spec["adapters"] = _named("adapters", map(_adapter, inventory.get("adapters") or []))
    if "sdr_fan" not in missing_tools:
        turning = (fan for fan in inventory["fans"] if fan.get("rpm") or fan.get("percent"))
        spec["fans"] = _named("fans", (_kept(fan, "name") for fan in turning))
    return expectations.normalise({key: spec[key] for key in expectations.PARTS if spec.get(key, {}) != {}})


def unread(inventory: Inventory) -> dict[str, str]:
    """The kinds of part that were not reported as a whole, with a sentence about each. Adopting leaves them out: in a
    list with only some of them, nobody would test the others."""
    missing_tools = inventory.get("missing_tools") or []
    silent = [psu["name"] for psu in inventory["psus"] if psu.get("present", True) is None]
    told = {}
    if inventory["bmc"] and "sdr_power_supply" in missing_tools:
        told["psus"] = "No power supplies are expected yet: the BMC could not list them."
    elif silent:
        names = ", ".join(silent)
        told["psus"] = f"No power supplies are expected yet: the BMC gives no reading of {names}. List them by hand."
    if inventory["bmc"] and "sdr_fan" in missing_tools:
        told["fans"] = "No fans are expected yet: the BMC could not list them."
    return told | _late(inventory)


def _late(inventory: Inventory) -> dict[str, str]:
    """The parts that may be behind a controller that was not ready."""
    told = {}
    for one in inventory.get("unready") or []:
        for part, kinds in (("disks", ("storage", "any")), ("nics", ("network", "any"))):
            if one.get("kind") in kinds:
                name = "network cards" if part == "nics" else part
                told[part] = f"No {name} are expected yet: {one.get('why')}. Vet it again, or list them by hand."
    return told


def _memory(memory: Inventory, *, slots_known: bool) -> Spec:
    spec = _kept({"total_mb": seen_memory.to_expect_mb(memory)}, "total_mb")
    if memory.get("ecc") is not None:
        spec["ecc"] = memory["ecc"]
    if slots_known and memory.get("dimms"):
        spec["dimms"] = _named("dimms", (_dimm(dimm) for dimm in memory["dimms"] if dimm["size_mb"] != 0))
    return spec


def _dimm(dimm: Inventory) -> Spec:
    """Says how much of the module is RAM only if that is not all of it."""
    spec = _kept(dimm, "locator", "size_mb", "serial", "part", "speed_mts")
    ram_mb = dimm.get("ram_mb")
    return spec if ram_mb is None or not 0 <= ram_mb <= 10**9 else {**spec, "ram_mb": ram_mb}


def _disk(disk: Inventory) -> Spec:
    spec = _kept(disk, "serial", "wwn", "bus", "size_mb", "model")
    return {**spec, "bus": spec["bus"] if spec.get("bus") in expectations.BUSES else "other"}


def _nic(nic: Inventory) -> Spec:
    """Includes the speed only if the port has a link and is a card of the machine. A BMC's network port on USB leads to
    no switch and is not tested. A port without a link is spare. One whose MAC does not last can't be expected."""
    if ports.has_no_lasting_mac(str(nic.get("mac") or ""), str(nic.get("pci") or "")):
        return {}
    spec = _kept(nic, "mac", "speed_mbit") if nic.get("link") and nic.get("pci") else _kept(nic, "mac")
    if not nic.get("link"):
        spec["spare"] = True
    try:
        return {**spec, "mac": normalise_mac(spec.get("mac", ""))}
    except ValidationError:
        return {}


def _adapter(adapter: Inventory) -> Spec:
    """Says it if the drives behind the adapter are hidden."""
    spec = _kept(adapter, "serial", "model")
    return {**spec, hidden_drives.KIND: True} if spec and adapter.get("kind") == hidden_drives.KIND else spec


def _firmware(inventory: Inventory) -> Spec:
    firmware = inventory["firmware"]
    whole = bmc_version.whole(firmware.get("bmc") or "", firmware.get("bmc_aux") or "")
    told = {**firmware, "bmc": whole, "microcode": inventory["cpu"].get("microcode")}
    return _kept(told, "bios", "bmc", "microcode") | versions.as_found(inventory)


def _port(port: Inventory) -> Spec:
    return _kept(port, "guid", "speed_mbit") if port.get("link") else _kept(port, "guid")


def _named(kind: str, parts: Iterable[Spec]) -> list[Spec]:
    """The parts that have a name of their own: of several with the same name, the first. GPUs without a driver are kept
    all: they have only their model as a name, and each of them must be missed if it goes."""
    first: dict[Any, Spec] = {}
    for number, part in enumerate(parts):
        if name := LISTS[kind].name(part):
            has_twins = kind in WITH_TWINS and not part.get(LISTS[kind].keys[0])
            first.setdefault((name, number) if has_twins else name, part)
    return list(first.values())


def _kept(part: Inventory, *names: str) -> Spec:
    """These fields as the hardware reports them, in a form that a spec accepts."""
    values = {name: clean(part.get(name), is_name=name in _NAMES) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def clean(value: Any, *, is_name: bool = False) -> str | int | None:
    if isinstance(value, int):
        return value if 0 < value <= 10**9 else None
    text = "".join(c for c in str(value or "") if c.isprintable()).strip()[:128].strip()
    return None if (is_no_name if is_name else is_placeholder)(text) else text


def _not_there(inventory: Inventory, missing_tools: list[str]) -> list[str]:
    absent = {
        "ecc": inventory["memory"].get("ecc") is False,
        "bmc": not inventory["bmc"],
        "gpu": not inventory["gpus"] and "lspci" not in missing_tools,
        "throttling": "AMD" in (inventory["cpu"].get("model") or ""),
    }
    return [word for word, is_absent in absent.items() if is_absent]
