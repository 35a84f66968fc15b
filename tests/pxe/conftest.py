"""A bench of its own for every test: data directory, configuration, and where asked for, a network."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pxe import daemon, supervisor
from pxe.paths import Paths, paths
from tests.pxe.network import CLONE_NEWNET, SERVER_ADDRESS, SERVER_INTERFACE, Network
from vetting import config

LOADERS = {"snponly.efi": b"snponly " * 700, "ipxe.efi": b"ipxe " * 700, "undionly.kpxe": b"undionly " * 300}


def tuned(**sections: dict[str, Any]) -> config.Config:
    """A configuration on the tests' network; sections given here are laid over it."""
    base: dict[str, dict[str, Any]] = {
        "web": {"address": SERVER_ADDRESS},
        "pxe": {
            "mode": "dhcp",
            "interface": SERVER_INTERFACE,
            "subnet": "10.77.0.0/24",
            "range_start": "10.77.0.100",
            "range_end": "10.77.0.120",
        },
    }
    for name, values in sections.items():
        base[name] = base.get(name, {}) | values
    return config.parse(base, "test")


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Callable[..., Paths]:
    """`bench(pxe={...})` configures; there is an image with iPXE's binaries, a kernel and an initrd."""
    settings.PXE_DIR, settings.PID_DIR, settings.IMAGE_DIR = (tmp_path / name for name in ("pxe", "run", "image"))
    (settings.IMAGE_DIR / "ipxe").mkdir(parents=True)
    for name, content in LOADERS.items():
        (settings.IMAGE_DIR / "ipxe" / name).write_bytes(content)
    (settings.IMAGE_DIR / "vmlinuz").write_bytes(b"kernel" * 1000)
    (settings.IMAGE_DIR / "initrd.zst").write_bytes(b"initrd" * 5000)
    (settings.IMAGE_DIR / "manifest.json").write_text('{"kernel_args": ["console=tty0", "noresume"]}')

    def configure(**sections: dict[str, Any]) -> Paths:
        settings.VETTING = tuned(**sections)
        paths().make()
        return paths()

    configure()
    return configure


@pytest.fixture
def network() -> Iterator[Network]:
    if not _may_make_networks():
        pytest.skip("cannot make a network namespace here: run as root, or `unshare -rn make test`")
    made = Network()
    yield made
    made.close()


@pytest.fixture
def dnsmasq_bench(bench: Callable[..., Paths], network: Network) -> Iterator[Callable[..., Paths]]:
    """A bench whose dnsmasq, if the test starts one, ends with the test."""
    if not daemon.which("dnsmasq"):
        pytest.skip("dnsmasq is not installed: apt install dnsmasq-base")
    yield bench
    if pid := supervisor.server(paths()).find():
        daemon.stop(pid, wait_s=2)


def tick(network: Network) -> int | None:
    """One tick on the orchestrator's side; the pid of dnsmasq after it."""
    with network.on_server():
        supervisor.tick()
    return supervisor.server(paths()).pid()


def _may_make_networks() -> bool:
    if not shutil.which("ip"):
        return False
    child = os.fork()
    if child == 0:
        os._exit(1 if ctypes.CDLL(None).unshare(CLONE_NEWNET) else 0)
    return os.waitpid(child, 0)[1] == 0
