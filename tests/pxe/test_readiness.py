"""What an installation's setup lacks so that no host can boot is said, and a sound one is silent."""

from __future__ import annotations

import socket
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest

from pxe import readiness
from pxe.paths import Paths
from runs.bench import problems as bench_status
from tests.pxe.network import SERVER_ADDRESS, SERVER_INTERFACE

Bench = Callable[..., Paths]
Entry = namedtuple("Entry", "family address")


@pytest.fixture
def installed(bench: Bench, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """`installed(addresses, **sections)`: with these addresses on the interface."""
    settings.INSTALLED = True

    def configured(*addresses: str, **sections: Any) -> Paths:
        entries = [Entry(socket.AF_INET, one) for one in addresses]
        monkeypatch.setattr(readiness.psutil, "net_if_addrs", lambda: {SERVER_INTERFACE: entries})
        return bench(**sections)

    return configured


def said() -> list[str]:
    return [one.what for one in readiness.problems()]


def test_a_bench_that_is_set_up_lacks_nothing(installed: Bench) -> None:
    installed(SERVER_ADDRESS)
    assert said() == []


def test_the_loopback_is_no_address_for_hosts(installed: Bench) -> None:
    for address in ("127.0.0.1", "localhost", "127.1.2.3"):
        installed(web={"address": address}, pxe={"mode": "off"})
        (problem,) = readiness.problems()
        assert problem.what == f"web.address is {address}, which no host can reach"
        assert "`vetting setup` sets" in problem.fix


@pytest.mark.parametrize(("there", "has"), [(("10.78.0.1",), "it has 10.78.0.1"), ((), "it has none")])
def test_an_interface_without_an_address_in_the_network_is_named(
    installed: Bench, there: tuple[str, ...], has: str
) -> None:
    installed(*there)
    assert said() == [f"pxe0 has no address in pxe.subnet 10.77.0.0/24 ({has}): no host gets an answer there"]


def test_an_installation_without_an_image_boots_nobody(installed: Bench, settings: Any) -> None:
    installed(SERVER_ADDRESS)
    (settings.IMAGE_DIR / "vmlinuz").unlink()
    assert said() == [f"no host can boot: the live image has no vmlinuz in {settings.IMAGE_DIR}"]


def test_a_checkout_is_not_judged(bench: Bench, settings: Any) -> None:
    bench(web={"address": "127.0.0.1"}, pxe={"mode": "off"})
    assert said() == []


def test_the_worker_tells_the_pages(installed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_looked_at", None)
    installed(web={"address": "127.0.0.1"}, pxe={"mode": "off"})
    readiness.tick()
    assert [one.what for one in bench_status.problems("setup")] == ["web.address is 127.0.0.1, which no host can reach"]
    assert bench_status.problems() == bench_status.problems("setup")
    monkeypatch.setattr(readiness, "_looked_at", None)
    installed(SERVER_ADDRESS)
    readiness.tick()
    assert bench_status.problems("setup") == []
