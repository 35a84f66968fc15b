"""Machines for tests that look closer than a machine file can."""

from __future__ import annotations

from typing import Any

from tests.rack import machinefile
from tests.rack.machinefile import Machine

MAC = "52:54:00:12:35:01"


def small(**words: Any) -> Machine:
    """One SATA disk, one network card, as little memory as the image boots in."""
    sound: dict[str, Any] = {
        "name": "small",
        "memory_mb": 2048,
        "disks": [{"bus": "sata", "size_mb": 128, "serial": "SATA-0001"}],
        "nics": [{"model": "virtio", "mac": MAC}],
        "outcome": {},
    }
    return machinefile.parse(sound | words, "small")
