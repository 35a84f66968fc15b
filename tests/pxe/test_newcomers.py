"""Machines that asked for network boot and are not registered, out of dnsmasq's log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pxe import newcomers
from pxe.newcomers import Newcomer
from pxe.paths import Paths
from tests.pxe import dhcpclient
from tests.pxe.conftest import tick
from tests.pxe.network import Network
from tests.rows import a_host

NOW = datetime(2026, 3, 1, 12, 0, 0)
HOUR = timedelta(hours=1)
KNOWN, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:99"


def asked(at: str, mac: str = STRANGER, client: str = "PXEClient:Arch:00007:UNDI:003016", xid: int = 7) -> list[str]:
    before = f"{at} dnsmasq-dhcp[99]: {xid}"
    return [f"{before} vendor class: {client}", f"{before} DHCPDISCOVER(pxe0) {mac} ignored"]


def test_who_asked_is_counted_with_the_architecture_and_the_last_first() -> None:
    lines = (
        asked("Mar  1 11:30:00") + asked("Mar  1 11:30:04") + asked("Mar  1 11:40:00", KNOWN, "HTTPClient:Arch:00016")
    )
    assert newcomers.read(lines, NOW, HOUR) == [Newcomer(KNOWN, 1, 16), Newcomer(STRANGER, 2, 7)]


@pytest.mark.parametrize(
    "lines",
    [
        asked("Mar  1 10:30:00"),
        asked("Mar  2 11:30:00"),
        asked("Feb 30 11:30:00"),
        asked("Mar  1 11:30:00", client="MSFT 5.0"),
        asked("Mar  1 11:30:00")[1:],
        [line.replace(" ignored", "") for line in asked("Mar  1 11:30:00")],
        ["", "nonsense", "Mar  1 11:30:00 dnsmasq[1]: started"],
    ],
)
def test_everything_else_is_nobody_who_asked_in_vain(lines: list[str]) -> None:
    assert newcomers.read(lines, NOW, HOUR) == []


def test_the_turn_of_the_year_is_understood() -> None:
    assert len(newcomers.read(asked("Dec 31 23:50:00"), datetime(2027, 1, 1, 0, 10), HOUR)) == 1


def test_a_type_without_a_name_is_said_as_it_is() -> None:
    (one,) = newcomers.read(asked("Mar  1 11:59:00", client="PXEClient:Arch:00033"), NOW, HOUR)
    assert one.words == f"{STRANGER} asked 1 times to boot as type 33 and is not registered"
    (one,) = newcomers.read(asked("Mar  1 11:59:00", client="PXEClient"), NOW, HOUR)
    assert one.words == f"{STRANGER} asked 1 times to boot and is not registered"


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    assert newcomers.tail(log) == []
    log.write_text("one\ntwo\nthree\n")
    assert newcomers.tail(log) == ["one", "two", "three"]
    monkeypatch.setattr(newcomers, "READ_BYTES", 8)
    assert newcomers.tail(log) == ["three"]


@pytest.mark.django_db
def test_the_real_dnsmasq_names_a_machine_that_it_ignored(
    dnsmasq_bench: Callable[..., Paths], network: Network
) -> None:
    files = dnsmasq_bench()
    a_host(mac=KNOWN)
    tick(network)
    with network.on_client():
        assert dhcpclient.discover(STRANGER, wait_s=1.5) is None
        assert dhcpclient.discover(KNOWN, wait_s=6) is not None
    found = newcomers.read(newcomers.tail(files.log), datetime.now(), HOUR)
    assert [(one.mac, one.architecture) for one in found] == [(STRANGER, 7)]
    assert found[0].times >= 1
