"""Machines that asked for network boot and are not registered, as the real dnsmasq logs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pxe.paths import Paths
from runs.bench import newcomers
from tests.pxe import dhcpclient
from tests.pxe.conftest import tick
from tests.pxe.network import Network
from tests.rows import a_host

KNOWN, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:99"


@pytest.mark.django_db
def test_the_real_dnsmasq_names_a_machine_that_it_ignored(
    dnsmasq_bench: Callable[..., Paths], network: Network
) -> None:
    dnsmasq_bench()
    a_host(mac=KNOWN)
    tick(network)
    with network.on_client():
        assert dhcpclient.discover(STRANGER, wait_s=1.5) is None
        assert dhcpclient.discover(KNOWN, wait_s=6) is not None
    tick(network)
    assert [(one.mac, one.architecture) for one in newcomers.since()] == [(STRANGER, 7)]
