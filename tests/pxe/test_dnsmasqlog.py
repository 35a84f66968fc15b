"""Rungs out of recorded logs: tests/recorded/dnsmasq/README.md says how they came to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pxe import dnsmasqlog, rungs
from pxe.dnsmasqlog import Reader, Seen, moment
from pxe.paths import paths
from runs import ladder
from runs.bench import newcomers
from runs.machine import State
from runs.models import Boot, Rung
from tests.rows import a_host, a_run

RECORDED = Path(__file__).parents[1] / "recorded" / "dnsmasq"


def read(name: str, reader: Reader | None = None) -> list[tuple[str, Rung, str]]:
    lines = (RECORDED / name).read_text().splitlines()
    return [(seen.mac, seen.rung, seen.detail) for seen in (reader or Reader()).read(lines)]


def test_a_uefi_boot_is_dhcp_tftp_and_dhcp_again_from_ipxe() -> None:
    assert list(dict.fromkeys(read("ovmf-dhcp.log"))) == [
        ("52:54:00:12:34:56", Rung.DHCP, "10.77.0.157 offered to 52:54:00:12:34:56"),
        ("52:54:00:12:34:56", Rung.TFTP, "snponly.efi sent to 10.77.0.157"),
    ]


def test_in_proxy_mode_the_kernel_s_neighbours_say_whose_address_it_is() -> None:
    reader = Reader(neighbours={"10.77.0.218": "52:54:00:12:34:56"})
    assert list(dict.fromkeys(read("ovmf-proxy.log", reader))) == [
        ("52:54:00:12:34:56", Rung.DHCP, "52:54:00:12:34:56 told what to boot (proxy)"),
        ("52:54:00:12:34:56", Rung.TFTP, "snponly.efi sent to 10.77.0.218"),
    ]


def test_an_ipxe_rom_in_proxy_mode_needs_no_tftp() -> None:
    assert {rung for _, rung, _ in read("seabios-proxy.log")} == {Rung.DHCP}


def test_the_kernel_s_neighbours_are_read_without_incomplete_ones() -> None:
    text = (
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.77.0.218      0x1         0x2         52:54:00:12:34:56     *        pxe0\n"
        "10.77.0.219      0x1         0x0         00:00:00:00:00:00     *        pxe0\n"
    )
    assert dnsmasqlog.parse_neighbours(text) == {"10.77.0.218": "52:54:00:12:34:56"}


def test_an_operating_system_that_asks_for_an_address_is_no_rung() -> None:
    assert read("linux-dhcp.log") == []


def test_a_line_at_a_time_gives_the_same_as_all_at_once() -> None:
    reader, seen = Reader(), []
    for line in (RECORDED / "ovmf-dhcp.log").read_text().splitlines():
        seen += [(one.mac, one.rung, one.detail) for one in reader.read([line])]
    assert seen == read("ovmf-dhcp.log")


def test_lines_of_another_shape_are_passed_over() -> None:
    junk = [
        "",
        "x" * 5000,
        "Nov 23 22:48:41 dnsmasq[1]: started",
        "Nov 23 22:48:44 dnsmasq-dhcp[1]: 1 DHCPOFFER(",
        "\x00\xff",
    ]
    assert list(Reader().read(junk)) == []


def test_what_was_sent_to_an_unknown_address_is_nobody_s_rung() -> None:
    line = "Nov 23 22:48:49 dnsmasq-tftp[7]: sent /srv/tftp/snponly.efi to 10.77.0.77"
    assert list(Reader().read([line])) == []


@pytest.mark.parametrize(
    ("minute", "second", "now", "expected"),
    [
        (48, 44, "22:48:45", "22:48:44"),
        (18, 44, "22:48:45", "22:48:44"),
        (59, 59, "23:00:01", "22:59:59"),
        (49, 0, "22:48:45", "22:34:00"),
    ],
)
def test_the_moment_of_a_line_needs_no_time_zone(minute: int, second: int, now: str, expected: str) -> None:
    day = "2026-11-23T"
    assert moment(minute, second, datetime.fromisoformat(f"{day}{now}+00:00")) == datetime.fromisoformat(
        f"{day}{expected}+00:00"
    )


def test_a_moment_has_no_fraction() -> None:
    now = datetime(2026, 11, 23, 22, 48, 44, 900_000, tzinfo=UTC)
    assert moment(48, 44, now) == now.replace(microsecond=0)


@pytest.fixture
def log() -> Path:
    paths().make()
    dnsmasqlog.tick(None)
    return paths().log


def offer(mac: str = "52:54:00:00:00:01") -> str:
    now = timezone.now()
    stamp = now.strftime("%b %d %H:%M:%S")
    return (
        f"{stamp} dnsmasq-dhcp[7]: 99 vendor class: PXEClient:Arch:00007:UNDI:003016\n"
        f"{stamp} dnsmasq-dhcp[7]: 99 DHCPOFFER(pxe0) 10.77.0.101 {mac} \n"
    )


def a_waiting_run(**fields: object) -> object:
    since = timezone.now() - timedelta(seconds=5)
    return a_run(a_host(), **({"state": State.WAITING_WOL, "verdict": "", "boot": 1, "started_at": since} | fields))


@pytest.mark.django_db
def test_a_line_is_read_once_and_a_half_one_when_it_is_whole(log: Path) -> None:
    run = a_waiting_run()
    text = offer()
    log.write_text(text[:-20])
    dnsmasqlog.tick(None)
    assert not run.rungs.exists()
    log.write_text(text)
    dnsmasqlog.tick(None)
    dnsmasqlog.tick(None)
    assert (run.rungs.get().rung, run.rungs.get().seen) == (Rung.DHCP, 1)


@pytest.mark.django_db
def test_a_log_that_was_there_before_us_is_not_read_as_news() -> None:
    run = a_waiting_run()
    paths().make()
    paths().log.write_text(offer())
    dnsmasqlog.tick(None)
    assert not run.rungs.exists()


@pytest.mark.django_db
def test_a_log_that_was_emptied_or_replaced_is_read_from_its_start(log: Path) -> None:
    run = a_waiting_run()
    log.write_text("x" * 5000 + "\n")
    dnsmasqlog.tick(None)
    log.write_text(offer())
    dnsmasqlog.tick(None)
    assert run.rungs.get().rung == Rung.DHCP


@pytest.mark.django_db
def test_what_was_before_the_run_is_not_its_own(log: Path) -> None:
    run = a_waiting_run(started_at=timezone.now() + timedelta(seconds=30))
    log.write_text(offer())
    dnsmasqlog.tick(None)
    assert not run.rungs.exists()


@pytest.mark.django_db
def test_a_machine_that_asks_again_after_its_claim_is_in_its_next_boot(log: Path) -> None:
    run = a_waiting_run(state=State.SMART)
    Boot.objects.create(run=run, number=1, nonce="n", agent_token_hash="h", claimed_at=timezone.now())
    log.write_text(offer())
    dnsmasqlog.tick(None)
    assert run.rungs.get().boot == 2


def test_the_reader_forgets_the_oldest_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsmasqlog, "KEPT_ADDRESSES", 2)
    reader = Reader()
    stamp = "Nov 23 22:48:41 dnsmasq-dhcp[7]: 99"
    list(reader.read([f"{stamp} DHCPACK(pxe0) 10.77.0.{n} 52:54:00:00:00:0{n} " for n in (1, 2, 3)]))
    assert list(reader.addresses) == ["10.77.0.2", "10.77.0.3"]
    assert isinstance(next(reader.read([f"{stamp} PXE(pxe0) 52:54:00:00:00:01 proxy"])), Seen)


@pytest.mark.django_db
def test_a_host_that_asks_without_pause_costs_no_query_for_each_of_its_lines(log: Path) -> None:
    run = a_waiting_run()
    log.write_text(offer() * 3_000)
    with CaptureQueriesContext(connection) as captured:
        dnsmasqlog.tick(None)
    assert (run.rungs.get().rung, len(captured) < 20) == (Rung.DHCP, True)


@pytest.mark.django_db
def test_a_machine_that_makes_up_macs_by_the_thousand_costs_no_query_for_each(log: Path) -> None:
    run, stamp = a_waiting_run(), timezone.now().strftime("%b %d %H:%M:%S dnsmasq-dhcp[7]: 99")
    log.write_text(
        "".join(
            f"{stamp} vendor class: PXEClient:Arch:00007:UNDI:003016\n"
            f"{stamp} DHCPDISCOVER(pxe0) 02:00:00:00:{n // 256:02x}:{n % 256:02x} ignored\n"
            for n in range(4_000)
        )
    )
    with CaptureQueriesContext(connection) as captured:
        dnsmasqlog.tick(None)
    assert len(newcomers.since()) == newcomers.MOST and run.events.exists()
    assert len(captured) < 10 * newcomers.MOST


@pytest.mark.django_db
def test_a_line_that_cannot_be_recorded_stops_no_other_and_is_not_read_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = a_waiting_run(), rungs.seen_on_wire
    log.write_text(offer("52:54:00:00:00:99") + offer())
    tried: list[str] = []

    def record(mac: str, *args: Any) -> None:
        tried.append(mac)
        if mac.endswith("99"):
            raise ValueError("a NUL, which PostgreSQL does not take")
        real(mac, *args)

    monkeypatch.setattr(rungs, "seen_on_wire", record)
    dnsmasqlog.tick(None)
    dnsmasqlog.tick(None)
    assert (tried, run.rungs.get().rung) == (["52:54:00:00:00:99", "52:54:00:00:00:01"], Rung.DHCP)


ASKED = "Nov 23 22:48:44 dnsmasq-dhcp[7]: 99"
MAC = "52:54:00:00:00:01"


def reader_of(*lines: str, **fields: Any) -> Reader:
    reader = Reader(**fields)
    list(reader.read([f"{ASKED} {line}" for line in lines]))
    return reader


@pytest.mark.parametrize(
    ("client", "line", "asked"),
    [
        ("PXEClient:Arch:00007:UNDI:003016", f"DHCPDISCOVER(pxe0) {MAC} ignored", [(MAC, 7, "PXE", 48, 44)]),
        ("HTTPClient:Arch:00016:UNDI:003016", f"DHCPDISCOVER(pxe0) {MAC} ignored", [(MAC, 16, "HTTP", 48, 44)]),
        ("PXEClient:Arch:00000:UNDI:002001", f"PXE(pxe0) {MAC} proxy-ignored", [(MAC, 0, "PXE", 48, 44)]),
        ("MSFT 5.0", f"DHCPDISCOVER(pxe0) {MAC} ignored", []),
        ("PXEClient:Arch:00007:UNDI:003016", f"DHCPDISCOVER(pxe0) {MAC} ", []),
    ],
)
def test_a_machine_that_asks_to_boot_and_is_no_host_is_heard(client: str, line: str, asked: list[Any]) -> None:
    assert reader_of(f"vendor class: {client}", line).asked == asked


@pytest.mark.parametrize(
    ("architecture", "line", "kinds"),
    [
        ("00006", f"DHCPOFFER(pxe0) 10.77.0.101 {MAC} ", ["no_loader"]),
        ("00011", f"PXE(pxe0) {MAC} proxy", ["no_loader"]),
        ("00007", f"DHCPOFFER(pxe0) 10.77.0.101 {MAC} ", []),
        ("00016", f"DHCPOFFER(pxe0) 10.77.0.101 {MAC} ", []),
        ("00007", f"DHCPNAK(pxe0) 192.168.1.50 {MAC} wrong server-ID", ["other_dhcp_server"]),
    ],
)
def test_why_a_registered_machine_will_not_boot_is_said(architecture: str, line: str, kinds: list[str]) -> None:
    said = reader_of(f"vendor class: PXEClient:Arch:{architecture}:UNDI:003016", line).said
    assert [(one.mac, one.kind) for one in said] == [(MAC, kind) for kind in kinds]


def test_a_firmware_that_boots_over_http_is_not_served_beside_another_dhcp_server() -> None:
    line = "vendor class: HTTPClient:Arch:00016:UNDI:003016"
    (said,) = reader_of(line, is_proxy=True).said
    assert (said.mac, said.text) == ("", "a machine asked as UEFI HTTP x64: that is not served in pxe.mode proxy")
    assert reader_of(line).said == []


@pytest.mark.django_db
def test_what_was_said_stands_in_the_history_of_the_run_and_on_its_ladder(log: Path) -> None:
    run = a_run(a_host(mac=MAC), state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now())
    stamp = timezone.now().strftime("%b %d %H:%M:%S")
    lines = (
        "99 vendor class: PXEClient:Arch:00006:UNDI:003016", f"99 DHCPOFFER(pxe0) 10.77.0.101 {MAC} ",
        f"98 DHCPNAK(pxe0) 192.168.1.50 {MAC} wrong server-ID", "97 vendor class: PXEClient:Arch:00007:UNDI:003016",
        "97 DHCPDISCOVER(pxe0) 52:54:00:00:00:99 ignored",
    )  # fmt: skip
    log.write_text("".join(f"{stamp} dnsmasq-dhcp[7]: {line}\n" for line in lines))
    dnsmasqlog.tick(None)
    text = ladder.stopped_at(run)
    for words in (
        f"{MAC} asks as UEFI x86 (32 bits): there is no loader for it",
        f"another DHCP server on this network answered {MAC} first, with 192.168.1.50",
        "52:54:00:00:00:99 asked once as UEFI x64 and is not registered",
    ):
        assert words in text
    assert run.events.filter(kind=ladder.ASKED_IN_VAIN).count() == 1
