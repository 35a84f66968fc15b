"""Controllers that had not delivered their parts when these were listed: their driver gave up, udev ended the worker
that was starting it, or udev has not finished. What is behind them is not compared, since nobody could see it.

Wordings: drivers/base/dd.c before 6.5 and since; on_event_timeout and on_event_timeout_warning in udev-manager.c, which
the image sends to the kernel's log."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.counters.kernel.kmsg_record import Record
from agent.counters.kernel.rules.pattern import PCI
from agent.probes.bus import hidden_drives
from agent.probes.bus.lspci import PciDevice
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stages.inventory_check.late_disks import Waited

STORAGE, NETWORK, ANY = "storage", "network", "any"
# By what may be behind the controller: the check that is not tested, and its topic.
_CHECKS = {STORAGE: ("disk_serials", "storage"), NETWORK: ("nics", "network"), ANY: ("disk_serials", "")}
_CURE = "vet it again; if it stays, its driver's lines in the run's log say more"
_GAVE_UP = re.compile(
    rf"\b(?:(?P<old>[\w-]{{1,40}}): probe of (?P<of>{PCI})|[\w-]{{1,40}} (?P<pci>{PCI}): probe with driver "
    r"(?P<driver>[\w-]{1,40})) failed with error (?P<error>-\d{1,4})\b"
)
_WORKER = re.compile(
    r"^systemd-udevd\[\d+\]: (?P<name>\S{1,64}): Worker \[\d+\] processing SEQNUM=\d+ "
    r"(?P<what>killed|is taking a long time)$"
)
_ETHERNET = "0200"
_SLOT = re.compile(PCI)
# The buses of disks behind a controller of this driver or PCI class. SATA drives behind a SAS controller are on the bus
# sas, unless the kernel's own SATA code speaks to them (libsas). Behind a RAID controller no drive is on the bus nvme:
# only Intel's VMD, of the same class, has those.
_LIBSAS = ["sas", "sata", "scsi"]
_INTEL = "8086"
_BUSES = {
    "ahci": ["sata"], "ata_piix": ["sata"], "nvme": ["nvme"], "vmd": ["nvme"],
    "isci": _LIBSAS, "mvsas": _LIBSAS, "pm80xx": _LIBSAS, "aic94xx": _LIBSAS,
    "0100": [*_LIBSAS, "virtio"], "0104": _LIBSAS, "0180": _LIBSAS,
    "0101": ["sata"], "0105": ["sata"], "0106": ["sata"], "0107": _LIBSAS, "0108": ["nvme"],
}  # fmt: skip

# How many disks, or ports, one function of this driver, vendor (if no driver is known) or PCI class can have. Drivers
# that have several ports on one function: MLX4_MAX_PORTS in mlx4/device.h, MAX_NPORTS in cxgb4.h, dev[2] in sky2.h and
# skge.h; nfp sets no bound.
_MOST: dict[str, int | None] = {
    "mlx4_core": 2, "cxgb3": 4, "cxgb4": 4, "sky2": 2, "skge": 2, "nfp": None,
    "15b3": 2, "1425": 4, "11ab": 2, "19ee": None,
    "0108": 1, "0200": 1,
}  # fmt: skip


@dataclass
class Said:
    """What the log says: by slot the driver that gave up and its error; the names of devices whose worker udev ended,
    and of those that take it long."""

    gave_up: dict[str, tuple[str, str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)


def read(records: Iterable[Record]) -> Said:
    said = Said()
    for record in records:
        if record.from_user:
            if match := _WORKER.match(record.text):
                (said.ended if match["what"] == "killed" else said.slow).add(match["name"])
        elif match := _GAVE_UP.search(record.text):
            said.gave_up[match["of"] or match["pci"]] = (match["old"] or match["driver"], match["error"])
    return said


def controllers(
    said: Said, devices: Collection[PciDevice], waited: Waited, udev_wait_s: float, root: Path = Path("/")
) -> list[wire.Unready]:
    """Each storage controller and Ethernet card that was not ready. A driver that gave up and has its device after all
    was started again. If udev ended a worker and the driver has its device, a storage controller counts as not ready
    only if disks are absent."""
    ended, slow = _slots(said.ended, root), _slots(said.slow, root) if not waited.udev_done else set()
    found = []
    for device in devices:
        kind = _kind(device)
        why = _why(device, said, ended, slow, waited) if kind else ""
        if why:
            driver = device.driver or said.gave_up.get(device.slot, ("", ""))[0]
            name = f"{device.slot} ({driver or device.device})"
            buses = _BUSES.get(driver) or _buses_of_class(device)
            found.append(wire.Unready(device.slot, kind, f"{name} was not ready: {why}", buses, _most(device, driver)))
    if not waited.udev_done:
        found.append(wire.Unready("", ANY, f"udev has not finished after {udev_wait_s:g} s: parts may be missing"))
    return found


def report(inventory: wire.Inventory) -> PartialReport:
    """For each controller that was not ready a required check that is not tested, and a warning: nothing says that it
    is broken. A line of the kernel that says so makes a finding of its own."""
    made = PartialReport()
    for one in inventory.unready:
        check, topic = _CHECKS[one.kind]
        made.checks.append(checks.not_tested(check, one.slot or "udev", reason=f"{one.why}; {_CURE}", topic=topic))
        made.findings.append(findings.make("system.controller_not_ready", "system", one.slot or "system", one.why))
    return made


def _why(device: PciDevice, said: Said, ended: set[str], slow: set[str], waited: Waited) -> str:
    if device.slot in ended and (not device.driver or (waited.absent and _kind(device) == STORAGE)):
        return "udev ended the start of its driver after its time limit"
    if device.slot in said.gave_up and not device.driver:
        driver, error = said.gave_up[device.slot]
        return f"its driver {driver} gave up with error {error}"
    return "its driver is still starting" if device.slot in slow else ""


def _most(device: PciDevice, driver: str) -> int | None:
    vendor = device.vendor_id if device.class_id == _ETHERNET and not driver else ""
    return next((_MOST[key] for key in (driver, vendor, device.class_id) if key in _MOST), None)


def _buses_of_class(device: PciDevice) -> list[str]:
    may_be_vmd = device.class_id == "0104" and device.vendor_id == _INTEL
    return [*_BUSES.get(device.class_id, ()), *(["nvme"] if may_be_vmd else [])]


def _kind(device: PciDevice) -> str:
    if device.class_id in hidden_drives.CLASSES:
        return STORAGE
    return NETWORK if device.class_id == _ETHERNET else ""


def _slots(names: Iterable[str], root: Path) -> set[str]:
    """The PCI addresses of devices on any bus, or of the controllers that they are on. Disks and ports are no devices
    of a bus: a worker that reads a disk says nothing of its controller."""
    return {slot for name in names for slot in ([name] if _SLOT.fullmatch(name) else _above(name, root))}


def _above(name: str, root: Path) -> list[str]:
    here = next((root / "sys/bus").glob(f"*/devices/{name}"), None) if re.fullmatch(r"[\w:.-]+", name) else None
    slots = _SLOT.findall(str(here.resolve())) if here is not None else []
    return slots[-1:]
