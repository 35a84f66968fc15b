"""Firmware: which versions run, and whether parts of one model have the same. SpecValidate compares with the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent import findings
from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from agent.reports import checks
from agent.stage import StageContext, StageReport


@dataclass(frozen=True)
class PartFirmware:
    """What one part reports. `list` is the spec's list for such parts under `firmware`. `names` are the names under
    which the spec may list it, the part's own first."""

    list: str
    kind: str
    names: tuple[str, ...]
    model: str
    version: str

    @property
    def name(self) -> str:
        return next(filter(None, self.names), self.kind)


def run(ctx: StageContext) -> StageReport:
    inventory = ctx.inventory
    if inventory is None:
        return checks.report(ctx, [checks.not_tested("bios", reason="there is no inventory")])
    versions = collect(inventory)
    return checks.report(
        ctx,
        [*_checks(inventory, versions), *_unread(inventory, versions, ctx.claim.expected.get("firmware") or {})],
        findings=twins(inventory),
        evidence={"versions": "\n".join(f"{name}: {version}" for name, version in sorted(versions.items()))},
    )


def collect(inventory: wire.Inventory) -> dict[str, str]:
    """Name → version, for everything that reports one: `bios`, `bmc`, `microcode`, `disk.<serial>`, `nic.<mac>`,
    `hba.<slot>`."""
    firmware = inventory.firmware
    versions = {
        "bios": f"{firmware.bios} {firmware.bios_date}".strip(),
        "bmc": " aux ".join(filter(None, (firmware.bmc, firmware.bmc_aux))),
        "microcode": inventory.cpu.microcode,
    }
    versions |= {f"{part.kind}.{part.name}": part.version for part in firmware_of_parts(inventory)}
    return {name: version for name, version in versions.items() if version}


def firmware_of_parts(inventory: wire.Inventory) -> Iterator[PartFirmware]:
    """Every disk, network card and storage adapter, with or without a version."""
    for disk in inventory.disks:
        names = (checks.disk_name(disk), disk.wwn, disk.model)
        yield PartFirmware("disks", "disk", names, disk.model, disk.firmware)
    for nic in inventory.nics:
        yield PartFirmware("nics", "nic", (nic.mac, nic.model, nic.driver), nic.model, nic.firmware)
    for one in inventory.firmware.adapters:
        yield PartFirmware("hbas", "hba", (one.slot, one.model, one.driver), one.model, one.version)


def twins(inventory: wire.Inventory) -> list[wire.Finding]:
    """Disks and cards whose firmware differs from most others of the same model in this host. It may explain why one of
    them behaves differently."""
    parts = list(firmware_of_parts(inventory))
    found = []
    for part in parts:
        others = [one.version for one in parts if (one.kind, one.model) == (part.kind, part.model) and one.version]
        usual = max(sorted(set(others), reverse=True), key=others.count, default="")
        if part.model and part.version and part.version != usual:
            count = others.count(usual)
            message = f"{part.name}: firmware {part.version}, {count} of its model ({part.model}) run {usual}"
            found.append(
                findings.make("firmware.twins_differ", part.kind, part.name, message, value=part.version, limit=usual)
            )
    return found


def _unread(
    inventory: wire.Inventory, versions: Mapping[str, str], expected: Mapping[str, Any]
) -> Iterator[wire.Check]:
    """Checks for versions that the spec names and that could not be read. They can't be compared, which is no
    agreement."""
    for name in ("bios", "bmc", "microcode"):
        if expected.get(name) and name not in versions:
            yield _not_read(name, expected[name])
    for part in firmware_of_parts(inventory):
        wanted = _wanted(part, expected.get(part.list) or {})
        if wanted and not part.version:
            yield _not_read(part.name, wanted)


def _not_read(name: str, wanted: str) -> wire.Check:
    why = f"the spec names {wanted} for {name}, and no version of it could be read"
    return checks.not_tested("expected", name, reason=why)


def _wanted(part: PartFirmware, versions: Mapping[str, str]) -> str:
    folded = {_folded(name): version for name, version in versions.items()}
    return next((folded[_folded(name)] for name in part.names if name and _folded(name) in folded), "")


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _checks(inventory: wire.Inventory, versions: Mapping[str, str]) -> list[wire.Check]:
    adapters = [one for one in firmware_of_parts(inventory) if one.kind == ComponentKind.HBA]
    return [
        _read("bios", versions, "the firmware names no version"),
        _read("microcode", versions, "the kernel names no revision", topic="microcode"),
        _read("bmc", versions, "there is no BMC" if not inventory.bmc else "the BMC names no version", topic="bmc"),
        _all_read("disks", [bool(disk.firmware) for disk in inventory.disks if disk.bus not in ("usb", "virtio")]),
        _all_read("nics", [bool(nic.firmware) for nic in inventory.nics if not nic.driver.startswith("virtio")]),
        *([_all_read("hbas", [bool(one.version) for one in adapters], _quiet(adapters))] if adapters else []),
    ]


def _quiet(adapters: list[PartFirmware]) -> str:
    quiet = ", ".join(f"{one.name} ({one.model or one.names[-1] or 'unknown'})" for one in adapters if not one.version)
    return f"; its driver tells none of {quiet}"


def _read(name: str, versions: Mapping[str, str], why_not: str, topic: str = "") -> wire.Check:
    if name in versions:
        return checks.passed(name, topic=topic, reason=versions[name])
    return checks.not_tested(name, reason=why_not, topic=topic)


def _all_read(name: str, read: list[bool], quiet: str = "") -> wire.Check:
    if not read:
        return checks.not_tested(name, reason="there are none that could tell one")
    if all(read):
        return checks.passed(name, reason=f"{len(read)} of {len(read)} tell their version")
    return checks.not_tested(name, reason=f"{read.count(True)} of {len(read)} tell their version{quiet}")
