"""A boot without PXE: what the boot script names is fetched by the rack and given to QEMU."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rack.errors import RackBroken
from tests.rack.orchestrator import BOOT_PORT, Orchestrator
from tests.rack.qemu import DirectBoot


def gather(script: str, orchestrator: Orchestrator, directory: Path) -> DirectBoot:
    """Kernel, both initrds joined, and the kernel's command line of an iPXE script that boots the live
    image."""
    kernel = re.search(r"^kernel (?P<url>\S+) (?P<arguments>.*?)(?: \|\| .*)?$", script, re.MULTILINE)
    initrds = re.findall(r"^initrd (\S+)", script, re.MULTILINE)
    if kernel is None or not initrds:
        raise RackBroken(f"the boot script boots nothing:\n{script}")
    paths = {"kernel": directory / "kernel", "initrd": directory / "initrd"}
    paths["kernel"].write_bytes(_fetch(orchestrator, kernel["url"]))
    paths["initrd"].write_bytes(b"".join(_padded(_fetch(orchestrator, url)) for url in initrds))
    arguments = [word for word in kernel["arguments"].split() if not word.startswith("initrd=")]
    return DirectBoot(paths["kernel"], paths["initrd"], " ".join(arguments))


def _fetch(orchestrator: Orchestrator, url: str) -> bytes:
    path = "/" + url.split("/", 3)[3]
    status, body = orchestrator.get(path, BOOT_PORT)
    if status != 200:
        raise RackBroken(f"GET {url}: {status}")
    return body


def _padded(archive: bytes) -> bytes:
    """The kernel looks for the next archive at a multiple of four."""
    return archive + bytes(-len(archive) % 4)
