"""One chip that measures, a directory `hwmon*` in sysfs, and the part that it belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent.host import sysfs
from agent.sensors import cpu_packages

_PROCESSORS = ("coretemp", "k10temp", "zenpower", "fam15h_power")


@dataclass(frozen=True)
class Part:
    """The part that a hwmon chip belongs to, in the words of findings."""

    kind: str
    name: str


class Chip:
    """A chip during one sample: its directory is listed once, and only files that exist are opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._directory = os.fspath(path)

    @cached_property
    def files(self) -> frozenset[str]:
        return frozenset(_names(self._directory))

    @cached_property
    def driver(self) -> str:
        return text(f"{self._directory}/name")

    @property
    def is_of_processor(self) -> bool:
        """Whether it is read from a processor's own registers, which never waits. All other readings may: they are
        commands to a drive or a firmware, or need a bus that somebody else may hold."""
        return self.driver in _PROCESSORS

    @cached_property
    def device(self) -> str:
        """The name of the device behind the chip, such as its PCI address. It stays the same in every boot, while the
        chip's own number may change."""
        return _device_name(self.path / "device") if "device" in self.files else self.path.name

    def named(self, prefix: str, suffix: str) -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix) and name.endswith(suffix))

    def text(self, name: str) -> str:
        return text(f"{self._directory}/{name}") if name in self.files else ""

    def number(self, name: str) -> float | None:
        return number(f"{self._directory}/{name}") if name in self.files else None

    def part(self, label: str) -> Part:
        """By the chip's driver, then by the device behind it. The label counts for a board's chip only."""
        return self._device_part or Part("system", f"{self.driver} {label}".strip() or self.path.name)

    @cached_property
    def _device_part(self) -> Part | None:
        chip, driver, device = self.path, self.driver, self.path / "device"
        if driver == "coretemp":
            return Part("cpu", f"CPU{cpu_packages.of_intel_chip(chip)}")
        if driver in _PROCESSORS:
            return Part("cpu", f"CPU{cpu_packages.of_amd_chip(chip.parents[3], chip)}")
        if serial := text(f"{self._directory}/device/serial"):
            return Part("disk", serial)
        if driver == "drivetemp":
            return Part("disk", sysfs.scsi_serial(device) or _device_name(device))
        if driver in ("jc42", "spd5118"):
            return Part("dimm", f"{driver} {_device_name(device)}")
        for port in _names(f"{self._directory}/device/net"):
            return Part("nic", text(f"{self._directory}/device/net/{port}/address").lower())
        if driver in ("amdgpu", "nouveau", "xe", "i915"):
            return Part("gpu", _device_name(device))
        return None


def _names(directory: str) -> list[str]:
    """The names of the files in a directory. Empty if it does not exist, since a card or drive may have been
    removed."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _device_name(device: Path) -> str:
    """The name of the device that the link leads to: the last part of the link's text, since sysfs has no links within
    it."""
    try:
        return os.path.basename(os.readlink(device))
    except OSError:
        return device.resolve().name


def text(path: str) -> str:
    """Empty if the file gives no answer now."""
    try:
        with open(path, "rb", buffering=0) as opened:
            return opened.read().decode(errors="replace").strip()
    except OSError:
        return ""


def number(path: str) -> float | None:
    """None if the file has no number now. It is read as bytes and unbuffered, since a sample of a large host reads
    hundreds of such files."""
    try:
        with open(path, "rb", buffering=0) as opened:
            return float(opened.read())
    except (OSError, ValueError):
        return None
