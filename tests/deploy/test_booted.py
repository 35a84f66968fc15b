"""An installation under a real systemd, asked for an address by a real DISCOVER. It takes some minutes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import booted
from tests.deploy.booted import Booted
from tests.pxe.network import Network

pytestmark = [pytest.mark.install, pytest.mark.slow]
REGISTER = f"""from hosts.models import Host
Host.objects.get_or_create(name="one")[0].macs.get_or_create(mac="{booted.MAC}")"""
TWO, ONE = [5201, 5202], [5201]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """VETTING_INSTALLED_ROOT names one that was installed before, for who works on this test."""
    if missing := [name for name in ("systemd-nspawn", "debootstrap", "nsenter") if shutil.which(name) is None]:
        pytest.skip(f"{' '.join(missing)} missing: apt-get install systemd-container debootstrap util-linux")
    if os.geteuid() != 0:
        pytest.skip("needs root: sudo make test-install")
    if given := os.environ.get("VETTING_INSTALLED_ROOT"):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="vetting-booted-", dir="/var/tmp") as directory:
        made = Path(directory) / "root"
        if why := booted.install(made):
            pytest.fail(f"not installed: {why}")
        yield made


@pytest.fixture(scope="module")
def machine(root: Path) -> Iterator[Booted]:
    """With one host registered, and DHCP on."""
    network = Network()
    made = Booted(root, network)
    made.configure("dhcp", TWO)
    try:
        made.boot()
        made.said("/usr/local/bin/vetting", "shell", "-c", REGISTER)
        yield made
    finally:
        made.power_off()
        network.close()


def serves(machine: Booted) -> None:
    machine.until(machine.offered, "a DISCOVER is answered")


def test_what_is_killed_is_back(machine: Booted) -> None:
    serves(machine)
    machine.said("systemctl", "kill", "--signal=KILL", "vetting-dnsmasq")
    serves(machine)
    machine.until(lambda: all(machine.is_active(f"vetting-iperf3@{port}") for port in TWO), "iperf3 runs")
    assert "dnsmasq" not in machine.healthz()


def test_off_is_off_and_after_a_boot(machine: Booted) -> None:
    serves(machine)
    machine.configure("off", ONE)
    machine.restart()
    print(f"off {is_off(machine):.1f} s after the restart")
    nothing_comes_back(machine)
    machine.power_off()
    machine.boot()
    machine.until(lambda: machine.healthz().startswith("ok"), "the worker does its rounds")
    nothing_comes_back(machine)


def is_off(machine: Booted) -> float:
    """Inactive for good: one that ended and is to come back is "activating"."""
    return machine.until(lambda: machine.said("systemctl", "is-active", "vetting-dnsmasq") == "inactive", "it ends")


def nothing_comes_back(machine: Booted) -> None:
    machine.until(lambda: machine.healthz().startswith("ok"), "the worker does its rounds")
    assert not machine.offered(10)
    units = ("vetting-dnsmasq", "vetting-iperf3@5201", "vetting-iperf3@5202", "vetting-dnsmasq.path")
    assert [machine.is_active(unit) for unit in units] == [False, True, False, True]


def test_off_with_a_dead_worker(machine: Booted) -> None:
    """The keeper sees it, within half a minute and the time that Django takes to start."""
    machine.configure("dhcp", ONE)
    machine.restart()
    serves(machine)
    machine.said("systemctl", "stop", "vetting-worker")
    machine.configure("off", ONE)
    print(f"off {is_off(machine):.1f} s after the change")
    assert not machine.offered()
    assert "no worker's round" in machine.healthz()


def test_nothing_stale_starts_at_a_boot_without_a_worker(machine: Booted) -> None:
    machine.configure("dhcp", ONE)
    machine.restart()
    serves(machine)
    machine.said("systemctl", "disable", "vetting-worker")
    machine.power_off()
    assert (machine.root / "var/lib/vetting/pxe/dnsmasq.order.json").exists()
    machine.configure("off", ONE)
    machine.boot()
    assert not machine.offered(10)
    assert not machine.is_active("vetting-dnsmasq")
    assert not (machine.root / "var/lib/vetting/pxe/dnsmasq.order.json").exists()
