"""Storage adapters (SAS, RAID, Fibre Channel) and their firmware versions, from sysfs."""

from __future__ import annotations

import re
from pathlib import Path

from agent.contract import wire
from agent.parsing import clean

# The attribute for the version, by driver: mpt2sas, mpt3sas, mpi3mr, mptsas (version_fw); hpsa (firmware_revision);
# smartpqi, bfa (firmware_version); aacraid (hba_kernel_version); arcmsr (host_fw_version); hptiop (firmware-version);
# pm80xx, qla2xxx (fw_version); lpfc (fwrev). megaraid_sas, mvsas, stex and 3w-* have none.
_VERSIONS = (
    "version_fw", "firmware_revision", "firmware_version", "hba_kernel_version", "host_fw_version", "firmware-version",
    "fw_version", "fwrev",
)  # fmt: skip
_MODELS = ("board_name", "host_fw_model", "model", "model_name", "modelname")
# PCI domains behind Intel's VMD have more than four digits.
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# No adapters with firmware: ports of the chipset, disks on USB, disks of a virtual machine.
_NONE_OF_ITS_OWN = re.compile(r"ata\d+|usb\d+|virtio\d+")
_VIRTUAL = ("vmw_pvscsi",)


def read(root: Path = Path("/")) -> list[wire.AdapterFirmware]:
    """One per adapter, by its PCI slot, with or without a version."""
    found: dict[str, wire.AdapterFirmware] = {}
    for host in sorted((root / "sys/class/scsi_host").glob("host*")):
        way = host.resolve().parts
        slots = [part for part in way if _SLOT.fullmatch(part)]
        driver = _first(host, ("proc_name",))
        if not slots or driver in _VIRTUAL or any(map(_NONE_OF_ITS_OWN.fullmatch, way)):
            continue
        one = wire.AdapterFirmware(slots[-1], driver, _first(host, _MODELS), _first(host, _VERSIONS))
        if slots[-1] not in found or one.version:
            found[slots[-1]] = one
    return list(found.values())


def _first(host: Path, names: tuple[str, ...]) -> str:
    """The first attribute with a value. Drivers have different ones, and some give an error while the adapter
    resets."""
    for name in names:
        try:
            if text := clean((host / name).read_text(errors="replace")):
                return text
        except OSError:
            continue
    return ""
