"""The place of one machine in the rack: the files that are its disks, its sockets and its console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bay:
    """Socket paths are short on purpose: a unix socket's path has 107 bytes at most."""

    directory: Path

    def image(self, index: int) -> Path:
        return self.directory / f"disk{index}.img"

    def nbd_socket(self, index: int) -> Path:
        return self.directory / f"nbd{index}.sock"

    def smbios(self, index: int) -> Path:
        return self.directory / f"smbios{index}.bin"

    @property
    def firmware_vars(self) -> Path:
        return self.directory / "vars.fd"

    @property
    def qmp(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def guest_port(self) -> Path:
        return self.directory / "port.sock"

    @property
    def bmc(self) -> Path:
        return self.directory / "bmc.sock"

    @property
    def tpm(self) -> Path:
        return self.directory / "tpm.sock"

    @property
    def gdb(self) -> Path:
        return self.directory / "gdb.sock"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def qemu_log(self) -> Path:
        return self.directory / "qemu.log"
