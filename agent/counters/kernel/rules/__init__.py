"""The meaning of single lines of the kernel's log, one module per kind of part. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.rules import (
    block,
    buses,
    controllers,
    drives,
    fibre,
    filesystems,
    gpus,
    memory,
    nics,
    system,
)
from agent.counters.kernel.rules.pattern import Reader

# Lines of healthy machines: from the boot, from drivers that introduce themselves, from a virtual machine without a
# watchdog.
IGNORED = re.compile(
    r"ACPI (?:BIOS )?Error|link is not ready|EDAC MC: Ver|Shutdown timeout set to|EDAC MC\d+: Giving out|"
    r"NMI watchdog: Shutting down hard lockup detector",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Group:
    """The readers for one kind of part. They see only lines that contain one of `words` (in small letters): most lines
    contain none, and the search for words is quick."""

    words: tuple[str, ...]
    readers: tuple[Reader, ...]


_OF_NICS = (
    "watchdog", "unit hang", "timeout", "heat", "bnx2x", "fan ", "link lost", "mlx", "bnxt", "checksum", "module",
    "thermal threshold", "power on the pcie", "pci error", "timed out", "reset adapter",
    "recovery mode", "adapter removed", "pf reset failed", "rebuild", "(downshifted)", "smartspeed",
    "device temperature", "hfi1",
    "error detected", "error occurred", "fatal error", "failed with error", "ecc err", "dma status error",
    "failed to read reg", "hardware error", "hardware initialization", "going to be reset",
    "init pci failed", "mdi error", "reset event", "will be reset", "hmc error", "mfw failed",
)  # fmt: skip
_OF_SYSTEM = (
    "bug", "lockup", "rcu", "thermal", "temperature", "modulated", "segfault", "protection", "trap ", "bad frame",
    "oops", "opcode", "divide error", "stack segment", "double fault", "panic", "unable to handle", "squashfs",
    "blocked for", "out of memory", "page table", "to wakeup", "alive state", "come online", "assume dead", "hc died",
    "xhci_hcd", "over-current", "reset reason", "tsc: ", ": bad p", " corruption",
)  # fmt: skip
_OF_BUSES = (
    "bus error", "aer: ", "message received", "dpc", "edr:", "pciehp", "giving up", "power state", "retraining",
    "edac pci", "nmi", "frozen state", "amd-vi", "dmar", "nobody cared", "header type", "error updating",
)  # fmt: skip
_OF_CONTROLLERS = (
    "sas", "mptbase", "mptscsih", "mptspi", "pm80", "isci", "ahci", "mpi3mr", "hpsa", "smartpqi", "aac", "arcmsr",
    "3w-", "scsi host", "hptiop_reset", "failed with error",
)  # fmt: skip
# The first reader that answers decides. So a reader that names a device stands before one that can't.
GROUPS = (
    Group(
        ("edac", "mce:", "memory failure", "hardware memory", "offline", "offlining", "cmci", "bad mem"),
        memory.PATTERNS,
    ),
    Group(_OF_BUSES, buses.PATTERNS),
    Group((" error", "disk failure", "failing path", "cannot continue"), (block.ERROR, *block.PATTERNS)),
    Group(
        ("btrfs", "ext4-fs", "ext3-fs", "ext2-fs", "jbd2", "xfs (", "device-mapper: ", "i/o failure"),
        filesystems.PATTERNS,
    ),
    Group(("qla2xxx", "lpfc"), fibre.PATTERNS),
    Group(_OF_CONTROLLERS, controllers.PATTERNS),
    Group(("sd ", "scsi", "ata", "nvme", "mmc", "not responding", "capacity change"), drives.PATTERNS),
    Group(("nvrm", "sxid", "amdgpu", "gpu hang", "as wedged", "it wedged", "gpu lockup", "nouveau"), gpus.READERS),
    Group(_OF_NICS, nics.PATTERNS),
    Group(_OF_SYSTEM, system.PATTERNS),
)
READERS = tuple(reader for group in GROUPS for reader in group.readers)


def read(record: Record) -> Hit | None:
    """What the line says about the hardware, or None."""
    text = record.text.lower()
    for group in GROUPS:
        if any(word in text for word in group.words):
            hit = next((hit for reader in group.readers if (hit := reader.read(record))), None)
            if hit is not None:
                return hit
    return None
