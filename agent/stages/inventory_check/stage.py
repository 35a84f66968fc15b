"""InventoryCheck: collects every part with its serial number. If a tool fails, its parts are missing and the tool is
named. If the profile asks for it, the tester first proves that it can see a fault."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.contract import wire
from agent.counters.kernel import log
from agent.host import shell
from agent.probes.bmc import ipmitool
from agent.probes.board import dmidecode, dmimemory, edac, lscpu, lshw, meminfo, settings
from agent.probes.bus import adapters, hba, lspci
from agent.probes.drives import disks, lsblk
from agent.probes.gpu import gpus, nvidia_smi
from agent.probes.network import ethtool, firmware_lldp, infiniband, nics
from agent.reports import checks
from agent.stage import StageContext, StageReport
from agent.stages.inventory_check import bmc_parts, driverless, late_disks, links, unready
from agent.stages.inventory_check.collection import Collection
from agent.stages.inventory_check.spec import Limits, Params
from agent.tester_proof import made_faults

_LINK_POLL_S = 0.25


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    found = Collection(ctx)
    waited = late_disks.wait(ctx)
    inventory = driverless.without_listed(collect(found, waited), ctx.claim.expected)
    if found.ctx.claim.not_expected:
        ctx.log("info", f"not expected on this host: {', '.join(ctx.claim.not_expected)}")
    late, linked, proven = unready.report(inventory), links.look(ctx, inventory), _tester(ctx)
    return checks.report(
        ctx,
        [
            *found.checks,
            *completeness(inventory),
            *driverless.checks(inventory, ctx.claim.expected),
            *late.checks,
            *linked.checks,
            *proven,
        ],
        findings=[*linked.findings, *late.findings],
        also_required=[check.name for check in proven],
        inventory=inventory,
        numbers=_numbers(inventory),
        evidence=found.evidence | linked.evidence | {"settings": settings.evidence(inventory.settings)},
    )


def _tester(ctx: StageContext) -> list[wire.Check]:
    """The checks of the tester with faults made on purpose, if the profile asks for them."""
    made: list[wire.Check] = []
    for trial in made_faults.TRIALS if ctx.params(Params).prove_tester else ():
        ctx.stop.check()
        made.append(made_faults.check(trial))
    return made


@dataclass
class ToolOutputs:
    """What the tools and the kernel reported about this host. Empty where they did not answer."""

    structures: list[dmidecode.Structure] = field(default_factory=list)
    devices: list[lspci.PciDevice] = field(default_factory=list)
    cpu: wire.Cpu = field(default_factory=wire.Cpu)
    memory_mb: int = 0
    identities: list[disks.DiskIdentity] = field(default_factory=list)
    rows: list[lsblk.BlockDevice] = field(default_factory=list)
    nics: list[wire.Nic] = field(default_factory=list)
    cards: list[nvidia_smi.NvidiaGpu] = field(default_factory=list)
    ports: list[wire.InfinibandPort] = field(default_factory=list)
    versions: list[wire.AdapterFirmware] = field(default_factory=list)
    bmc: bool = False
    bmc_version: tuple[str, str] = ("", "")
    of_power: list[ipmitool.Sensor] = field(default_factory=list)
    of_fans: list[ipmitool.Sensor] = field(default_factory=list)
    unready: list[wire.Unready] = field(default_factory=list)


def collect(found: Collection, waited: late_disks.Waited) -> wire.Inventory:
    said = ToolOutputs(bmc=ipmitool.has_bmc())
    said.structures = found.ask("dmidecode", dmidecode.run, dmidecode.parse) or []
    _tell_of_modules_without_ecc(found.ctx, said.structures)
    said.devices = found.ask("lspci", lspci.run, lspci.parse) or []
    said.unready = _unready(found, said.devices, waited)
    found.ask("lshw", lshw.run, lshw.parse)
    said.of_power, said.of_fans = bmc_parts.sensors(found)
    said.bmc_version = bmc_parts.version(found)
    said.cpu = _cpu(found)
    said.memory_mb = meminfo.parse(meminfo.read())["MemTotal"] // meminfo.MIB
    said.identities, said.rows = _identities(), found.ask("lsblk", lsblk.run, lsblk.parse) or []
    said.nics = _nics(found, said.devices)
    said.cards = _nvidia(found, said.devices)
    said.ports = infiniband.ports(_models(said.devices))
    said.versions = _adapters(said.devices)
    return assembled(said, found.missing)


def assembled(said: ToolOutputs, missing: list[str], root: Path = Path("/")) -> wire.Inventory:
    """The inventory, with the names of `missing` tools."""
    (bios, bios_date), (bmc, bmc_aux) = dmidecode.bios(said.structures), said.bmc_version
    return wire.Inventory(
        system=dmidecode.system(said.structures),
        cpu=said.cpu,
        memory=_memory(said, root),
        disks=disks.merged(said.identities, said.rows),
        nics=said.nics,
        gpus=gpus.inventory(said.devices, said.cards),
        infiniband=said.ports,
        adapters=adapters.inventory(said.devices, _slots_with_ports(said), root),
        psus=bmc_parts.psus(said.of_power) if said.bmc else dmidecode.power_supplies(said.structures),
        fans=bmc_parts.fans(said.of_fans),
        firmware=wire.Firmware(bios, bios_date, bmc, said.versions, bmc_aux),
        bmc=said.bmc,
        missing_tools=missing,
        unready=said.unready,
        settings=settings.read(root),
    )


def _unready(found: Collection, devices: list[lspci.PciDevice], waited: late_disks.Waited) -> list[wire.Unready]:
    seen = unready.read(log.records())
    return unready.controllers(seen, devices, waited, found.ctx.params(Params).udev_wait_s)


def _slots_with_ports(said: ToolOutputs) -> list[str]:
    return [port.pci for port in said.ports if port.guid] + [nic.pci for nic in said.nics]


def _memory(said: ToolOutputs, root: Path) -> wire.Memory:
    """A driver that watches the modules' ECC proves it, whatever the firmware says."""
    memory = dmimemory.memory(said.structures, said.memory_mb)
    return replace(memory, ecc=True) if edac.corrects_all(root) else memory


def _tell_of_modules_without_ecc(ctx: StageContext, structures: list[dmidecode.Structure]) -> None:
    if (names := dmimemory.without_check_bits(structures)) and dmimemory.has_ecc(structures) is not True:
        ctx.log("info", f"these memory modules have no bits for error correction: {', '.join(names)}")


def _cpu(found: Collection) -> wire.Cpu:
    cpu = found.ask("lscpu", lscpu.run, lscpu.parse)
    return lscpu.with_microcode(lscpu.with_topology(cpu), lscpu.read_cpuinfo()) if cpu else wire.Cpu()


def _identities() -> list[disks.DiskIdentity]:
    return [disks.identify(disks.BLOCK / name) for name in disks.names()]


def _nics(found: Collection, devices: list[lspci.PciDevice]) -> list[wire.Nic]:
    models = _models(devices)
    return [_nic(found, state, models) for state in _settled_links(found.ctx)]


def _nic(found: Collection, state: nics.NicState, models: dict[str, str]) -> wire.Nic:
    driver = found.ask("ethtool", lambda: ethtool.run_driver(state.name), ethtool.parse_driver, component=state.mac)
    firmware = (driver or {}).get("firmware-version", "")
    return wire.Nic(
        state.name,
        state.mac,
        state.driver,
        firmware,
        state.speed_mbit,
        state.link,
        state.pci,
        models.get(state.pci, ""),
    )


def _models(devices: list[lspci.PciDevice]) -> dict[str, str]:
    return {device.slot: f"{device.vendor} {device.device}" for device in devices}


def _adapters(devices: list[lspci.PciDevice]) -> list[wire.AdapterFirmware]:
    """The storage adapters. If the driver gives no name, the PCI bus does."""
    models = _models(devices)
    return [replace(one, model=one.model or models.get(one.slot, "")) for one in hba.read()]


def _settled_links(ctx: StageContext) -> list[nics.NicState]:
    """The cards, once all have their link or `link_wait_s` is over: negotiation takes seconds. Ports that the spec does
    not list are waited for, too, since adopting calls a port without a link spare. Spare ports are not, nor those on
    USB that the spec gives no speed."""
    stated = {str(nic.get("mac", "")).lower(): nic for nic in ctx.claim.expected.get("nics") or []}
    deadline = time.monotonic() + ctx.params(Params).link_wait_s
    for name in nics.names():
        shell.run(["ip", "link", "set", name, "up"], 10)
    _have_neighbours_heard(ctx, [mac for mac, nic in stated.items() if nic.get("neighbour")])
    while True:
        states = [nics.state(name) for name in nics.names()]
        waiting = [state for state in states if not state.link and _may_get_link(state, stated.get(state.mac, {}))]
        if not waiting or time.monotonic() >= deadline or ctx.stop.wait(_LINK_POLL_S):
            return states


def _have_neighbours_heard(ctx: StageContext, macs: list[str]) -> None:
    """For the ports of which the spec names the switch. It is done here, where a link that goes down is no fault."""
    for state in map(nics.state, nics.names() if macs else []):
        done = firmware_lldp.hand_over(state.name, state.driver) if state.mac in macs else None
        if done is not None and not done.ok:
            ctx.log("info", f"{state.name}: the card's firmware may keep LLDP frames: {done.trouble}")


def _may_get_link(state: nics.NicState, spec: dict[str, Any]) -> bool:
    return not spec.get("spare") and not (state.on_usb and not spec.get("speed_mbit"))


def _nvidia(found: Collection, devices: list[lspci.PciDevice]) -> list[nvidia_smi.NvidiaGpu]:
    if not any(device.vendor_id == gpus.NVIDIA for device in gpus.discrete(devices)):
        return []
    return found.ask("nvidia-smi", nvidia_smi.run, nvidia_smi.parse, topic="gpu") or []


def completeness(inventory: wire.Inventory) -> list[wire.Check]:
    """A host has a CPU, memory, a card that it booted from, and disks with serial numbers."""
    made = [
        checks.passed("cpu") if inventory.cpu.threads else checks.not_tested("cpu", reason="no CPU was listed"),
        checks.passed("memory") if inventory.memory.dimms else checks.not_tested(
            "memory", reason="the firmware lists no memory module", topic="dimms"),
        checks.passed("nics") if inventory.nics else checks.not_tested("nics", reason="no network card was found"),
    ]  # fmt: skip
    nameless = [disk.name for disk in inventory.disks if not disk.serial and disk.bus != "usb"]
    if nameless:
        made.append(checks.not_tested("disk_serials", reason=f"no serial number: {', '.join(nameless)}"))
    else:
        made.append(checks.passed("disk_serials", reason=f"{len(inventory.disks)} disks"))
    return made


def _numbers(inventory: wire.Inventory) -> dict[str, Any]:
    return {
        "cores": float(inventory.cpu.cores),
        "memory_mb": float(inventory.memory.total_mb),
        "dimms": float(len(inventory.memory.dimms)),
        "disks": float(len(inventory.disks)),
        "nics": float(len(inventory.nics)),
    }
