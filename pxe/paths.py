"""The paths of the files for booting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Paths:
    """`root` is `<data>/pxe`, `pid_dir` `<data>/run`."""

    root: Path
    pid_dir: Path

    @property
    def conf(self) -> Path:
        return self.root / "dnsmasq.conf"

    @property
    def hosts(self) -> Path:
        return self.root / "dnsmasq.hosts"

    @property
    def order(self) -> Path:
        return self.root / "dnsmasq.order.json"

    @property
    def state(self) -> Path:
        """The file that says what dnsmasq has read and how often we tried to start it."""
        return self.root / "dnsmasq.state.json"

    @property
    def leases(self) -> Path:
        return self.root / "dnsmasq.leases"

    @property
    def log(self) -> Path:
        return self.root / "dnsmasq.log"

    @property
    def tftp(self) -> Path:
        return self.root / "tftp"

    @property
    def pid(self) -> Path:
        return self.pid_dir / "dnsmasq.pid"

    def make(self) -> None:
        for directory in (self.root, self.tftp, self.pid_dir):
            directory.mkdir(parents=True, exist_ok=True)


def paths() -> Paths:
    return Paths(settings.PXE_DIR, settings.PID_DIR)
