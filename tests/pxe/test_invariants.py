"""The list of MACs that dnsmasq serves against the hosts that are enabled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosts.models import Host
from pxe import allowed, invariants
from pxe.paths import Paths
from runs.invariants import check
from tests.factories import worker_at_work
from tests.rows import a_host

pytestmark = pytest.mark.django_db
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def broken() -> list[str]:
    worker_at_work()
    return [one.what for one in check(invariants=invariants.ALL)]


def test_exactly_the_enabled_hosts_are_served(bench: Callable[..., Paths]) -> None:
    files = bench()
    host = a_host("node-1", mac=MAC)
    a_host("node-2", mac=OTHER, enabled=False)
    assert broken() == [f"{MAC} of an enabled host is not served"]
    files.hosts.write_text(allowed.now().hosts_file)
    assert broken() == []
    Host.objects.filter(pk=host.pk).update(enabled=False)
    assert broken() == [f"{MAC} is served and belongs to no enabled host"]


def test_without_dhcp_of_ours_nobody_is_served(bench: Callable[..., Paths]) -> None:
    bench(pxe={"mode": "off"})
    a_host("node-1", mac=MAC)
    assert broken() == []
