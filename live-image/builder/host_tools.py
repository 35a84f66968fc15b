"""What the build machine must have, and the command that installs what it lacks."""

import os
import shutil
from collections.abc import Mapping

from builder import BuildError
from builder.sources import KEYRING

# Program or file → the Debian package that brings it.
NEEDED: Mapping[str, str] = {
    "apt-get": "apt",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "systemd-sysusers": "systemd",
    "systemd-tmpfiles": "systemd",
    "systemctl": "systemd",
    "tar": "tar",
    "zstd": "zstd",
    KEYRING: "debian-archive-keyring",
}
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def packages() -> list[str]:
    return sorted(set(NEEDED.values()))


def missing_packages() -> list[str]:
    return sorted({package for tool, package in NEEDED.items() if not is_there(tool)})


def is_there(tool: str) -> bool:
    return os.path.exists(tool) if tool.startswith("/") else shutil.which(tool, path=SEARCH_PATH) is not None


def check() -> None:
    """Raises BuildError with the one command that helps."""
    if missing := missing_packages():
        raise BuildError(f"this machine lacks what the build needs: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise BuildError("making a root file system takes root: put sudo before the command")
