"""Firmware: which versions run, and whether parts of one model agree. SpecValidate compares with what is expected."""

from __future__ import annotations

from pathlib import Path

from agent import findings, wire
from agent.probes import hba
from agent.stage import StageContext, StageReport
from agent.stages import checks

ROOT = Path("/")


def run(ctx: StageContext) -> StageReport:
    inventory = ctx.inventory
    if inventory is None:
        return checks.report(ctx, [checks.not_tested("bios", reason="there is no inventory")])
    versions = collect(inventory, hba.read(ROOT))
    return checks.report(
        ctx,
        [*_checks(inventory, versions), *_unread(versions, ctx.claim.expected.get("firmware") or {})],
        findings=twins(inventory),
        evidence={"versions": "\n".join(f"{name}: {version}" for name, version in sorted(versions.items()))},
    )


def collect(inventory: wire.Inventory, adapters: list[hba.Adapter]) -> dict[str, str]:
    """Name → version, for everything that tells one: `bios`, `bmc`, `microcode`, `disk.<serial>`, `nic.<mac>`,
    `hba.<slot>`."""
    firmware = inventory.firmware
    versions = {"bios": f"{firmware.bios} {firmware.bios_date}".strip(), "bmc": firmware.bmc}
    versions["microcode"] = inventory.cpu.microcode
    versions |= {f"disk.{checks.disk_name(disk)}": disk.firmware for disk in inventory.disks}
    versions |= {f"nic.{nic.mac}": nic.firmware for nic in inventory.nics}
    versions |= {f"hba.{adapter.slot}": f"{adapter.firmware} {adapter.model}".strip() for adapter in adapters}
    return {name: version for name, version in versions.items() if version}


def twins(inventory: wire.Inventory) -> list[wire.Finding]:
    """Disks and cards of one model in one host, of which some run another firmware than most: worth a word when one of
    them behaves differently."""
    parts = [("disk", checks.disk_name(disk), disk.model, disk.firmware) for disk in inventory.disks]
    parts += [("nic", nic.mac, nic.model, nic.firmware) for nic in inventory.nics]
    found = []
    for kind, name, model, version in parts:
        others = [text for other, _, its_model, text in parts if (other, its_model) == (kind, model) and text]
        usual = max(sorted(set(others), reverse=True), key=others.count, default="")
        if model and version and version != usual:
            message = f"{name}: firmware {version}, {others.count(usual)} of its model ({model}) run {usual}"
            found.append(findings.make("firmware.twins_differ", kind, name, message, value=version, limit=usual))
    return found


def _unread(versions: dict[str, str], expected: dict[str, object]) -> list[wire.Check]:
    """A version that the spec names and that nobody could read can't be compared: that is no agreement."""
    return [
        checks.not_tested(
            "expected", name, reason=f"the spec names {wanted} for {name}, and no version of it could be read"
        )
        for name, wanted in sorted(expected.items())
        if wanted and name not in versions
    ]


def _checks(inventory: wire.Inventory, versions: dict[str, str]) -> list[wire.Check]:
    return [
        _read("bios", versions, "the firmware names no version"),
        _read("microcode", versions, "the kernel names no revision", topic="microcode"),
        _read("bmc", versions, "there is no BMC" if not inventory.bmc else "the BMC names no version", topic="bmc"),
        _all_read("disks", [bool(disk.firmware) for disk in inventory.disks if disk.bus not in ("usb", "virtio")]),
        _all_read("nics", [bool(nic.firmware) for nic in inventory.nics if not nic.driver.startswith("virtio")]),
    ]


def _read(name: str, versions: dict[str, str], why_not: str, topic: str = "") -> wire.Check:
    if name in versions:
        return checks.passed(name, topic=topic, reason=versions[name])
    return checks.not_tested(name, reason=why_not, topic=topic)


def _all_read(name: str, read: list[bool]) -> wire.Check:
    if not read:
        return checks.not_tested(name, reason="there are none that could tell one")
    if all(read):
        return checks.passed(name, reason=f"{len(read)} of {len(read)} tell their version")
    return checks.not_tested(name, reason=f"{read.count(True)} of {len(read)} tell their version")
