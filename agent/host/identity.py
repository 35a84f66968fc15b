"""Which machine this is, which boot, and at which address the orchestrator can reach it."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent.host import sysfs

ROOT = Path("/")
NO_MAC = "00:00:00:00:00:00"
IN_MEMORY = ("rootfs", "tmpfs", "ramfs")


@dataclass(frozen=True)
class Identity:
    """`macs` are those of the physical ports, in lower case, sorted, without those that a BMC makes up for its own port
    on USB: such a port has another one at each boot. `dmi_uuid` is empty if the firmware has none."""

    boot_id: str
    dmi_uuid: str
    macs: list[str]


def read(root: Path = ROOT) -> Identity:
    return Identity(
        boot_id=sysfs.text(root / "proc/sys/kernel/random/boot_id"),
        dmi_uuid=sysfs.text(root / "sys/class/dmi/id/product_uuid"),
        macs=sorted({mac for name, mac in physical_nics(root) if not _is_made_up(name, mac, root)}),
    )


def _is_made_up(name: str, mac: str, root: Path) -> bool:
    """Whether the port is on USB and its MAC is no maker's (the bit for local addresses, IEEE 802, 8.2.2). The MAC that
    this machine was booted by counts whatever it is, since the host is known by it."""
    is_on_usb = "/usb" in str((root / "sys/class/net" / name / "device").resolve())
    return is_on_usb and mac[1:2] in "26ae" and f"vetting.mac={mac}" not in sysfs.text(root / "proc/cmdline").split()


def physical_nics(root: Path = ROOT) -> list[tuple[str, str]]:
    """(name, MAC) of every network port with a device behind it: no bridges, bonds or loopback."""
    ports = [
        (port.name, sysfs.text(port / "address").lower())
        for port in sorted((root / "sys/class/net").glob("*"))
        if (port / "device").exists()
    ]
    return [(name, mac) for name, mac in ports if mac and mac != NO_MAC]


def local_address(url: str) -> str:
    """The address that this host uses toward the orchestrator, empty without a route. Sends nothing."""
    parts = urlsplit(url)
    family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname, parts.port))
            address: str = probe.getsockname()[0]
            return address
    except OSError:
        return ""


def in_image(root: Path = ROOT) -> bool:
    """Whether this is our live image: the agent came in an initrd, and / is in memory with no installed system
    below."""
    ours = (root / "usr/lib/vetting/agent/__main__.py").exists() and "vetting.url=" in sysfs.text(root / "proc/cmdline")
    mounts = [line.split() for line in sysfs.text(root / "proc/self/mounts").splitlines()]
    kinds = [fields[2] for fields in mounts if len(fields) > 2 and fields[1] == "/"]
    return ours and bool(kinds) and all(kind in IN_MEMORY for kind in kinds)


def uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
