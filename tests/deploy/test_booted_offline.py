"""An installation from a release archive in a booted Debian whose only network leads to a machine under test."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import release
from tests.deploy import booted
from tests.deploy.booted import Booted
from tests.deploy.debian import ROOT, SCRIPT
from tests.pxe.network import Network

pytestmark = [pytest.mark.install, pytest.mark.slow]


@pytest.fixture(params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest) -> Iterator[Booted]:
    """A fresh Debian, booted: Vetting is not installed, and no registry can be reached."""
    if missing := [name for name in ("systemd-nspawn", "debootstrap", "nsenter") if shutil.which(name) is None]:
        pytest.skip(f"{' '.join(missing)} missing: apt-get install systemd-container debootstrap util-linux")
    if os.geteuid() != 0:
        pytest.skip("needs root: sudo make test-install")
    if not (ROOT / "var/image/vmlinuz").exists():
        pytest.skip("there is no live image: make image")
    with tempfile.TemporaryDirectory(prefix="vetting-offline-", dir="/var/tmp") as directory:
        root, network = Path(directory) / "root", Network()
        if why := booted.bare(root, request.param, "openssh-client"):
            pytest.fail(f"no Debian: {why}")
        made = Booted(root, network)
        try:
            made.boot()
            yield made
        finally:
            made.power_off()
            network.close()


def test_it_is_installed_from_the_archive_alone(machine: Booted) -> None:
    output = ROOT / "var/release"
    archive = release.release(output, ROOT / "var/image", None)
    for file in (archive, output / release.PUBLIC_KEY, SCRIPT):
        shutil.copyfile(file, machine.root / "root" / file.name)
    began = time.monotonic()
    words = ["sh", "/root/install.sh", "--offline", f"/root/{archive.name}", "--key", f"/root/{release.PUBLIC_KEY}"]
    done = machine.done(*words, "--yes")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    print(f"installed in {time.monotonic() - began:.0f} s")
    assert "Signature is good" in done.stdout
    said = machine.said("/usr/local/bin/vetting", "--version")
    assert archive.stem.rpartition("-")[2] in said and "image" in said, said
    machine.configure("dhcp", [5201])
    machine.restart()
    for unit in ("vetting-web", "vetting-worker", "vetting-iperf3@5201"):
        machine.until(lambda unit=unit: machine.is_active(unit), f"{unit} runs")
    print(
        f"at work {machine.until(lambda: machine.healthz().startswith('ok'), 'the worker does its rounds'):.0f} s later"
    )
