"""Recognises RAID volumes by their own identification: vendor and product of their INQUIRY, or the model of a "drive"
that is a mirror of two. It is used where no driver gives it: for cards that show a SATA or NVMe drive, and for
recordings."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Maker:
    """The controller's common name, and the maker's tool that can ask its drives."""

    words: str
    tool: str


_BOSS = Maker("a Dell BOSS card", "mvcli, mnv_cli or racadm")
_MEGARAID = Maker("a MegaRAID or PERC", "storcli or perccli")
_SMART_ARRAY = Maker("a Smart Array", "ssacli")
_FUSION = Maker("a Fusion-MPT adapter with Integrated RAID", "sas2ircu or sas3ircu")
_ADAPTEC = Maker("an Adaptec controller", "arcconf")
# As lsscsi, lsblk and smartctl print them in public reports. smartctl itself knows PERC, MegaRAID, 3ware and AMCC.
# [smartmontools os_linux.cpp; makers' boot cards by their model names]
_MODELS: tuple[tuple[str, Maker], ...] = (
    (r"DELLBOSS|\bBOSS-[NS]\d", _BOSS),
    (r"\bCISCO VD\b", Maker("a Cisco M.2 RAID card", "mvcli or the CIMC")),
    (r"ThinkSystem M\.2 VD|NVMe 2-Bay\b", Maker("a Lenovo M.2 RAID card", "mvcli or mnv_cli")),
    (r"\bNS204i", Maker("an HPE NS204i boot card", "the iLO")),
    (r"\bMARVELL (?:Raid VD|VIRTUAL)", Maker("a Marvell RAID controller", "mvcli")),
    (r"\bH/W RAID", Maker("a JMicron RAID bridge", "smartctl -d jmb39x,N")),
    (r"\bPERC\b|\bMegaRAID\b|\bMR\d{3,4}[a-z]?-|\bSMC\d{4}\b|\b\d{4}MR\b", _MEGARAID),
    (r"\bRAID \d{3}-\d{1,2}i\b|\bPRAID\b|\bUCSC-M?RAID|^Intel RM?S\d[A-Z]{2}\d{3}", _MEGARAID),
    (r"^(?:LSI|LSILOGIC) Logical Volume|^Dell VIRTUAL DISK", _FUSION),
    (r"\bServeRAID[ -]M", _MEGARAID),
    (r"\bLOGICAL VOLUME$", _SMART_ARRAY),
    (r"^Adaptec |\bLogicalDrv \d|\bServeRA", _ADAPTEC),
    (r"^Areca ", Maker("an Areca controller", "Areca's CLI, or smartctl -d areca,N")),
    (r"^(?:AMCC|3ware) ", Maker("a 3ware controller", "tw_cli, or smartctl -d 3ware,N")),
    (r"^HPT DISK_", Maker("a HighPoint RocketRAID", "hptraidconf")),
    (r"^Intel Raid \d", Maker("Intel's RST or VROC", "the firmware's setup, or mdadm under Linux")),
    (r"^Promise \d", Maker("a Promise SuperTrak", "Promise's WebPAM")),
    # No drive has this name.
    (r"\bRAID\b", Maker("a RAID controller", "which one depends on the controller")),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), maker) for pattern, maker in _MODELS)


def of(model: str) -> Maker | None:
    """By vendor and product, or by product alone. None for a drive."""
    return next((maker for pattern, maker in _PATTERNS if pattern.search(model[:80])), None)


def no_health(model: str) -> str:
    """Why nothing is known about the health behind such a volume. Empty for a drive."""
    maker = of(model)
    if maker is None:
        return ""
    return (
        f"{model[:80]} is a RAID volume of {maker.words} and has no health of its own; the maker's tool can ask its "
        f"drives ({maker.tool})"
    )
