"""What a machine is answered: the real dnsmasq, asked over a cable of the test's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from hosts.models import Host
from pxe.paths import Paths
from runs.machine import State
from runs.models import Rung
from tests.pxe import dhcpclient
from tests.pxe.conftest import LOADERS, tick
from tests.pxe.dhcpclient import BIOS, UEFI, UEFI_HTTP
from tests.pxe.network import SERVER_ADDRESS, Network
from tests.rows import a_host, a_run

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
Bench = Callable[..., Paths]
KNOWN, OTHER, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:99"
# dnsmasq asks by ping for three seconds whether a new address is in use, before it offers it.
PING_S = 6.0


def test_an_unregistered_machine_gets_no_answer_and_a_registered_one_an_address(
    dnsmasq_bench: Bench, network: Network
) -> None:
    a_host(mac=KNOWN)
    tick(network)
    with network.on_client():
        assert dhcpclient.discover(STRANGER, wait_s=PING_S) is None
        answer = dhcpclient.lease(KNOWN, wait_s=PING_S)
    assert answer is not None and answer.kind == dhcpclient.ACK
    assert answer.address.startswith("10.77.0.1")


def test_each_firmware_is_told_its_own_file_and_ipxe_its_script(dnsmasq_bench: Bench, network: Network) -> None:
    a_host(mac=KNOWN)
    a_host(name="node-2", mac=OTHER, boot_binary="ipxe.efi")
    tick(network)
    told: dict[tuple[str, int, bool], str] = {}
    with network.on_client():
        for mac, architecture, ipxe in (
            (KNOWN, UEFI, False), (KNOWN, 9, False), (KNOWN, BIOS, False), (KNOWN, UEFI_HTTP, False),
            (KNOWN, UEFI, True), (KNOWN, BIOS, True), (OTHER, UEFI, False), (OTHER, BIOS, False),
        ):  # fmt: skip
            answer = dhcpclient.discover(mac, architecture, ipxe, wait_s=PING_S)
            assert answer is not None
            told[mac, architecture, ipxe] = answer.boot_file
            assert (answer.options.get(60) == b"HTTPClient") == (architecture == UEFI_HTTP)
    script = f"http://{SERVER_ADDRESS}:8000/ipxe/${{netX/mac}}"
    assert told == {
        (KNOWN, UEFI, False): "snponly.efi",
        (KNOWN, 9, False): "snponly.efi",
        (KNOWN, BIOS, False): "undionly.kpxe",
        (KNOWN, UEFI_HTTP, False): f"http://{SERVER_ADDRESS}:8001/boot/ipxe/snponly.efi",
        (KNOWN, UEFI, True): script,
        (KNOWN, BIOS, True): script,
        (OTHER, UEFI, False): "ipxe.efi",
        (OTHER, BIOS, False): "undionly.kpxe",
    }


def test_a_machine_that_is_deregistered_or_disabled_is_ignored_within_two_seconds(
    dnsmasq_bench: Bench, network: Network
) -> None:
    a_host(mac=KNOWN)
    a_host(name="node-2", mac=OTHER)
    before = tick(network)
    with network.on_client():
        assert dhcpclient.lease(KNOWN, wait_s=PING_S) and dhcpclient.lease(OTHER, wait_s=PING_S)
    Host.objects.get(name="node-1").macs.all().delete()
    Host.objects.filter(name="node-2").update(enabled=False)
    changed = time.monotonic()
    tick(network)
    with network.on_client():
        # Asked again and again, until one goes unanswered for as long as an answer has ever taken.
        while dhcpclient.discover(KNOWN, wait_s=0.5) or dhcpclient.discover(OTHER, wait_s=0.5):
            assert time.monotonic() - changed < 2.0, "still answered two seconds after it was de-registered"
        assert dhcpclient.discover(KNOWN, wait_s=1.5) is None
        assert dhcpclient.discover(OTHER, wait_s=1.5) is None
    assert tick(network) == before, "silent because dnsmasq had ended"


def test_a_machine_that_is_registered_later_is_answered_without_a_restart(
    dnsmasq_bench: Bench, network: Network
) -> None:
    before = tick(network)
    a_host(mac=KNOWN)
    assert tick(network) == before
    with network.on_client():
        assert dhcpclient.discover(KNOWN, wait_s=PING_S) is not None


def test_dnsmasq_goes_on_when_a_machine_is_registered_after_it_has_answered_another(
    dnsmasq_bench: Bench, network: Network
) -> None:
    a_host(mac=KNOWN)
    before = tick(network)
    with network.on_client():
        assert dhcpclient.lease(KNOWN, wait_s=PING_S) is not None
    a_host(name="node-2", mac=OTHER)
    assert tick(network) == before
    with network.on_client():
        assert dhcpclient.discover(OTHER, wait_s=PING_S) is not None
    assert tick(network) == before


@pytest.mark.parametrize("architecture", [UEFI, BIOS])
def test_in_proxy_mode_no_address_is_given_and_strangers_are_ignored(
    dnsmasq_bench: Bench, network: Network, architecture: int
) -> None:
    dnsmasq_bench(pxe={"mode": "proxy"})
    a_host(mac=KNOWN)
    tick(network)
    with network.on_client():
        answer = dhcpclient.discover(KNOWN, architecture)
        assert dhcpclient.discover(STRANGER, architecture, wait_s=2) is None
    assert answer is not None and answer.address == "0.0.0.0" and answer.options[60] == b"PXEClient"


def test_in_proxy_mode_too_a_host_that_names_ipxes_own_drivers_has_the_tag_for_them(
    dnsmasq_bench: Bench, network: Network
) -> None:
    files = dnsmasq_bench(pxe={"mode": "proxy"})
    a_host(mac=KNOWN)
    a_host(name="node-2", mac=OTHER, boot_binary="ipxe.efi")
    tick(network)
    with network.on_client():
        assert all(dhcpclient.discover(mac, UEFI, wait_s=PING_S) for mac in (KNOWN, OTHER))
    tags = [line.partition("tags: ")[2].split(", ") for line in files.log.read_text().splitlines() if "tags: " in line]
    assert ["native" in told for told in tags] == [False, True]


def test_tftp_sends_the_image_s_loaders_and_nothing_else(dnsmasq_bench: Bench, network: Network) -> None:
    tick(network)
    with network.on_client():
        assert dhcpclient.tftp_get(SERVER_ADDRESS, "snponly.efi") == LOADERS["snponly.efi"]
        for name in ("../dnsmasq.conf", "/etc/passwd", "nothing.efi"):
            with pytest.raises(FileNotFoundError):
                dhcpclient.tftp_get(SERVER_ADDRESS, name)


def test_a_rebuilt_image_s_loader_is_sent_from_the_next_tick_on(
    dnsmasq_bench: Bench, network: Network, settings: Any
) -> None:
    tick(network)
    (settings.IMAGE_DIR / "ipxe" / "snponly.efi").write_bytes(b"newer")
    tick(network)
    with network.on_client():
        assert dhcpclient.tftp_get(SERVER_ADDRESS, "snponly.efi") == b"newer"


def test_a_boot_leaves_its_rungs_on_the_machine_s_run(dnsmasq_bench: Bench, network: Network) -> None:
    host = a_host(mac=KNOWN)
    run = a_run(host, state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now())
    tick(network)
    with network.on_client():
        answer = dhcpclient.lease(KNOWN, wait_s=PING_S)
        assert answer is not None
        subprocess.run(["ip", "address", "flush", "dev", "nic0"], check=True)
        subprocess.run(["ip", "address", "add", f"{answer.address}/24", "dev", "nic0"], check=True)
        dhcpclient.tftp_get(SERVER_ADDRESS, "snponly.efi")
    deadline = time.monotonic() + 10
    while not run.rungs.filter(rung=Rung.TFTP).exists() and time.monotonic() < deadline:
        tick(network)  # dnsmasq logs a file as sent after its last acknowledgement came in
    rungs = {row.rung: row.detail for row in run.rungs.all()}
    assert rungs == {
        Rung.DHCP: f"{answer.address} offered to {KNOWN}",
        Rung.TFTP: f"snponly.efi sent to {answer.address}",
    }
