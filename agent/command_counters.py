"""The error counters and slow sensors that only a command can read: drives, BMC, GPUs."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent import wire
from agent.counters import Counts
from agent.names import Names
from agent.probes import disks, ipmitool, nvidia_smi, smartctl

SMART_TIMEOUT_S = 30.0
BMC_TIMEOUT_S = 20.0
DRIVES_AT_ONCE = 8
# Raw values of ATA attributes that only ever count errors (recipe D.2), by the code of their finding.
ATTRIBUTES = {
    5: "smart.reallocated_sectors",
    187: "smart.reported_uncorrectable",
    188: "smart.command_timeouts",
    197: "smart.pending_sectors",
    198: "smart.uncorrectable_sectors",
    199: "smart.crc_errors",
}
# Seagate packs three counts of 16 bits into the raw value of 188; the lowest is the total.
RAW_MASK = {188: 0xFFFF}
_READING = re.compile(r"(?P<value>-?[\d.]+)\s*(?P<unit>degrees C|RPM|Watts)", re.IGNORECASE)
_MEASURES = {"degrees c": ("temp", "C"), "rpm": ("fan", "rpm"), "watts": ("power", "W")}


def drives(names: Names) -> Counts:
    """What every drive but those on USB has counted. A drive that can't be asked has no counts."""
    asked = [
        one.name
        for one in (disks.identify(names.root / "sys/block" / name) for name in disks.names(names.root))
        if not one.removable
    ]
    with ThreadPoolExecutor(DRIVES_AT_ONCE, thread_name_prefix="smart") as pool:
        texts = list(pool.map(lambda name: smartctl.run(smartctl.of_disk(name), SMART_TIMEOUT_S).stdout, asked))
    counts: Counts = {}
    for name, text in zip(asked, texts, strict=True):
        counts.update(of_drive(text, names.part("blk", name).name))
    return counts


def of_drive(text: str, component: str) -> Counts:
    """The counters in one `smartctl -j -x`. NVMe's number of log entries is not one: asking can raise it."""
    try:
        smart = smartctl.parse(text)
    except smartctl.ParseError:
        return {}
    found = {
        code: smart.attributes[number].raw & RAW_MASK.get(number, -1)
        for number, code in ATTRIBUTES.items()
        if number in smart.attributes
    }
    found["smart.media_errors"] = smart.nvme.media_errors if smart.nvme else None
    found["smart.grown_defects"] = smart.grown_defects
    found["smart.uncorrected_errors"] = smart.uncorrected_errors
    found["smart.error_log"] = smart.error_log_count
    return {(code, "disk", component): value for code, value in found.items() if value is not None}


def bmc_events(names: Names) -> Counts:
    """How many entries the BMC's event log has; `sel info` answers at once where `sel elist` reads them all."""
    if not ipmitool.has_bmc(names.root):
        return {}
    return sel_entries(ipmitool.run("sel", "info", timeout_s=BMC_TIMEOUT_S).stdout)


def sel_entries(text: str) -> Counts:
    match = re.search(r"^Entries\s*:\s*(\d+)", text, re.MULTILINE)
    return {("bmc.sel", "bmc", "BMC"): int(match[1])} if match else {}


def gpus(names: Names) -> Counts:
    """Uncorrected memory errors of NVIDIA cards, where their driver is."""
    if not Path(names.root / "proc/driver/nvidia").exists():
        return {}
    try:
        found = nvidia_smi.parse(nvidia_smi.run(SMART_TIMEOUT_S).stdout)
    except nvidia_smi.ParseError:
        return {}
    return {("gpu.ecc", "gpu", gpu.uuid): gpu.uncorrected_ecc for gpu in found if gpu.uncorrected_ecc is not None}


def bmc_sensors() -> list[wire.Measurement]:
    """Temperatures, fans and power as the BMC measures them."""
    if not ipmitool.has_bmc():
        return []
    return of_sdr(ipmitool.run("sdr", "elist", "full", timeout_s=BMC_TIMEOUT_S).stdout, time.time())


def of_sdr(text: str, now: float) -> list[wire.Measurement]:
    try:
        sensors = ipmitool.parse_sdr(text)
    except ipmitool.ParseError:
        return []
    found = []
    for sensor in sensors:
        if match := _READING.match(sensor.reading):
            name, unit = _MEASURES[match["unit"].lower()]
            kind = {"fan": "fan", "power": "psu"}.get(name, "system")
            found.append(wire.Measurement(now, kind, sensor.name, name, float(match["value"]), unit))
    return found
