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
from tests.deploy.test_booted import REGISTER
from tests.pxe.network import SERVER_INTERFACE, Network
from vetting import config

pytestmark = [pytest.mark.install, pytest.mark.slow]
VETTING = "/usr/local/bin/vetting"


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
    said = machine.said(VETTING, "--version")
    assert archive.stem.rpartition("-")[2] in said and "image" in said, said
    set_up(machine, "dhcp")
    machine.said(VETTING, "shell", "-c", REGISTER)
    print(f"answers {machine.until(machine.offered, 'a DISCOVER is answered'):.0f} s after setup")
    machine.until(lambda: machine.healthz().startswith("ok"), "the worker does its rounds")
    assert "no host can boot" not in machine.healthz()
    set_up(machine, "proxy")
    machine.until(lambda: machine.is_active("vetting-dnsmasq"), "dnsmasq serves as a proxy")
    set_up(machine, "off")
    machine.until(lambda: machine.said("systemctl", "is-active", "vetting-dnsmasq") == "inactive", "dnsmasq ends")
    assert not machine.offered()
    uninstalled(machine)


def set_up(machine: Booted, mode: str) -> None:
    """`setup` without questions; what doctor finds is its exit status."""
    began = time.monotonic()
    done = machine.done(VETTING, "setup", "--yes", "--interface", SERVER_INTERFACE, "--mode", mode)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert config.load(machine.root / "etc/vetting/vetting.yaml").pxe.mode == mode
    print(f"setup --mode {mode} in {time.monotonic() - began:.0f} s")


def uninstalled(machine: Booted) -> None:
    done = machine.done(VETTING, "uninstall", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    units = (machine.root / "etc/systemd/system").glob("vetting-*")
    assert not [path for path in (machine.root / "opt/vetting", machine.root / VETTING[1:], *units) if path.exists()]
    assert (machine.root / "var/lib/vetting/vetting.sqlite3").exists(), "the data stays"
    running = machine.said("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "vetting-*")
    assert running == ""
