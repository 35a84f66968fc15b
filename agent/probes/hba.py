"""Storage adapters that tell their firmware in sysfs: SAS adapters, Smart Arrays, Fibre Channel. MegaRAID tells it to
its maker's tool only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.probes.parsing import clean

# By driver: mpt2sas and mpt3sas; hpsa; smartpqi; aacraid; qla2xxx; lpfc.
_VERSIONS = ("version_fw", "firmware_revision", "firmware_version", "hba_kernel_version", "fw_version", "fwrev")
_MODELS = ("board_name", "model", "model_name", "modelname")
_SLOT = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclass(frozen=True)
class Adapter:
    slot: str
    model: str
    firmware: str


def read(root: Path = Path("/")) -> list[Adapter]:
    """One per adapter that tells a version, by its PCI slot."""
    found: dict[str, Adapter] = {}
    for host in sorted((root / "sys/class/scsi_host").glob("host*")):
        slots = [part for part in host.resolve().parts if _SLOT.fullmatch(part)]
        version = _first(host, _VERSIONS)
        if slots and version:
            found[slots[-1]] = Adapter(slots[-1], _first(host, _MODELS), version)
    return list(found.values())


def _first(host: Path, names: tuple[str, ...]) -> str:
    """Not every driver has them all, and some answer with an error while the adapter resets."""
    for name in names:
        try:
            if text := clean((host / name).read_text(errors="replace")):
                return text
        except OSError:
            continue
    return ""
