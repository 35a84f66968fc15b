"""The error counters and slow sensors that only a command can read: those of drives, BMC and GPUs."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import Counts
from agent.parsing import ParseError
from agent.probes.bmc import ipmitool
from agent.probes.drives import bays, disks, raid
from agent.probes.gpu import amdgpu, nvidia_smi
from agent.probes.gpu.nvidia_smi import NvidiaGpu
from agent.probes.smart import smart_counts, smartctl

SMART_TIMEOUT_S = 30.0
BMC_TIMEOUT_S = 20.0
DRIVES_AT_ONCE = 8
# Time limit for all drives around one stage.
ALL_DRIVES_S = 120.0
# A drive that hangs is not asked again for this long: each try costs SMART_TIMEOUT_S.
HUNG_RETRY_S = 900.0
_HUNG: dict[smartctl.Device, float] = {}
UNANSWERED = "drive.unanswered"
_ANY = smartctl.Device("")
_READING = re.compile(r"(?P<value>-?\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>degrees C|RPM|Watts)", re.IGNORECASE)
_MEASURES = {"degrees c": ("temp", "C"), "rpm": ("fan", "rpm"), "watts": ("power", "W")}


def drives(names: Names) -> Counts:
    """The counters of every drive except USB drives, including those behind RAID volumes. A drive that does not answer
    has only the one that says so."""
    blocks = (disks.identify(names.root / "sys/block" / name) for name in disks.names(names.root))
    fixed = [one.name for one in blocks if one.bus != "usb"]
    volumes = tuple(name for name in fixed if raid.is_volume(name, names.root))
    asked = {smartctl.of_disk(name, names.root): names.part("blk", name).name for name in fixed if name not in volumes}
    # A drive that the controller passes through appears twice. It keeps the name that the stages give it.
    theirs = set(asked.values())
    asked |= {device: serial for device, serial in _behind(volumes, names.root) if serial not in theirs}
    until = time.monotonic() + ALL_DRIVES_S
    with ThreadPoolExecutor(DRIVES_AT_ONCE, thread_name_prefix="smart") as pool:
        texts = list(pool.map(lambda device: _answer(device, until), asked))
    counts: Counts = {}
    for (device, component), text in zip(asked.items(), texts, strict=True):
        found = of_drive(text, component, device) | {(UNANSWERED, "disk", component): int(not _is_answer(text))}
        for key, value in found.items():
            # The two halves of a drive with two actuators have one serial number.
            counts[key] = max(value, counts.get(key, 0))
    return counts


@lru_cache(maxsize=4)
def _behind(volumes: tuple[str, ...], root: Path) -> tuple[tuple[smartctl.Device, str], ...]:
    """The drives that answered when the controllers were first asked, by serial number. A bay that was empty or hung
    then is not asked again around every stage."""
    arrays = [array for name in volumes if (array := raid.volume(name, root))]
    found = {bay.serial: bay.device for bay in bays.behind(raid.controllers(arrays, root), root).bays if bay.serial}
    return tuple((device, serial) for serial, device in found.items())


def _answer(device: smartctl.Device, until: float) -> str:
    """The output of one drive. Empty for a drive that timed out a short while ago, and when the time for all drives is
    over; the stage then reports that its counters are missing."""
    now = time.monotonic()
    if now > until or _HUNG.get(device, now) > now:
        return ""
    done = smartctl.run(device, SMART_TIMEOUT_S)
    if done.timed_out:
        _HUNG[device] = time.monotonic() + HUNG_RETRY_S
    return done.stdout if done.ended else ""


def _is_answer(text: str) -> bool:
    """Whether smartctl has reached the drive. A kind of drive that smartctl does not know, such as a virtual disk, has
    nothing to answer, and no counters."""
    try:
        return not smartctl.parse(text).exit_status & smartctl.OPEN_FAILED
    except ParseError:
        return False


def of_drive(text: str, component: str, device: smartctl.Device = _ANY) -> Counts:
    """The counters in one `smartctl -j -x`, for `component`, or for the serial number in it. None if another drive has
    answered for `device`."""
    try:
        smart = smartctl.parse(text)
    except ParseError:
        return {}
    if smartctl.is_of_another(smart, device, component):
        return {}
    name = component or smart.serial
    found = smart_counts.of(smart) | smart_counts.states(smart) | smart_counts.of_the_link(smart)
    return {(code, "disk", name): value for code, value in found.items() if name}


def gpus(names: Names) -> Counts:
    """Uncorrected memory errors of the GPUs whose driver is loaded."""
    return {**_nvidia(names), **_amd(names)}


def _nvidia(names: Names) -> Counts:
    if not Path(names.root / "proc/driver/nvidia").exists():
        return {}
    cards = [card for card in nvidia_smi.ask(SMART_TIMEOUT_S).cards if card.name and not card.memory.trouble]
    counts = (((counter, "gpu", card.name), count) for card in cards for counter, count in _uncorrected(card))
    return {key: count for key, count in counts if count is not None}


def _uncorrected(card: NvidiaGpu) -> list[tuple[str, int | None]]:
    """The count over the card's life, if it has one. The other one is 0 again as soon as no program holds the card, so
    it would hide what a load has caused (NVIDIA, "Driver Persistence": "volatile" errors go with the card's state). The
    two have different names, so that one is never compared with the other."""
    lifetime = card.memory.lifetime_uncorrected
    return [("gpu.ecc", card.uncorrected_ecc)] if lifetime is None else [("gpu.ecc_lifetime", lifetime)]


def _amd(names: Names) -> Counts:
    counts: Counts = {}
    for gpu in names.inventory.gpus if names.inventory else []:
        card = amdgpu.read(gpu.pci, names.root)
        if card is not None and card.uncorrected is not None:
            counts["gpu.ecc", "gpu", gpu.uuid or gpu.pci] = card.uncorrected
    return counts


def bmc_sensors() -> list[wire.Measurement]:
    """Temperatures, fan speeds and power as the BMC measures them."""
    if not ipmitool.has_bmc():
        return []
    return of_sdr(ipmitool.run("sdr", "elist", "full", timeout_s=BMC_TIMEOUT_S).stdout, time.time())


def of_sdr(text: str, now: float) -> list[wire.Measurement]:
    try:
        sensors = ipmitool.parse_sdr(text)
    except ParseError:
        return []
    found = []
    for sensor in sensors:
        if match := _READING.match(sensor.reading):
            name, unit = _MEASURES[match["unit"].lower()]
            kind = {"fan": "fan", "power": "psu"}.get(name, "system")
            found.append(wire.Measurement(now, kind, sensor.name, name, float(match["value"]), unit))
    return found
