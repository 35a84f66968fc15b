"""`setup`: what it proposes for a network, the file that it writes, and what it does in which order."""

from __future__ import annotations

import io
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from pxe import dhcpservers, interfaces
from pxe.dhcpservers import CanNotAsk, Server
from pxe.interfaces import Interface
from vetting import config, setup
from vetting.configfile import ConfigFile
from vetting.management.commands import setup as command

LAN = Interface("eth0", IPv4Address("192.168.1.5"), IPv4Network("192.168.1.0/24"), leads_out=True)
HOSTS = Interface("eth1", IPv4Address("10.77.0.1"), IPv4Network("10.77.0.0/24"), True, 2500)
SPARE = Interface("eth2", IPv4Address("10.78.0.1"), IPv4Network("10.78.0.0/24"))
ROUTER = Server(IPv4Address("10.77.0.254"), IPv4Address("10.77.0.20"))
BOOTS = Server(IPv4Address("10.77.0.254"), IPv4Address("10.77.0.20"), "other.efi")
INSTALLED = """\
# our own words
web:
  port: 8080              # not 8000
pxe:
  mode: "off"             # dhcp, proxy or off
  supervise: unit         # systemd
boot_files: {image_dir: /opt/vetting/image}
"""


@pytest.fixture
def bench(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`bench(text, interfaces, servers)`: the path of vetting.yaml. Other commands are only written down."""
    path = tmp_path / "vetting.yaml"

    def made(text: str | None = INSTALLED, every: tuple[Interface, ...] = (HOSTS, LAN), servers: Any = ()) -> Path:
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(interfaces, "every", lambda: list(every))
        monkeypatch.setattr(interfaces, "without_address", lambda: ["eth9"])
        monkeypatch.setattr(dhcpservers, "find", lambda name: _answer(servers))
        configuration = ConfigFile(path if text is not None else None)
        configuration.path = path
        settings.CONFIGURATION = configuration
        return path

    return made


def _answer(servers: Any) -> list[Server]:
    if isinstance(servers, Exception):
        raise servers
    return list(servers)


@pytest.fixture(autouse=True)
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words_of: list[tuple[str, ...]] = []

    def call(path: Path, *words: str, given: str | None = None) -> int:
        words_of.append((*words, given) if given else words)
        return 0

    monkeypatch.setattr(command, "call", call)
    return words_of


def set_up(*words: str) -> tuple[str, str]:
    """What it printed, and what it said beside that."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("setup", *words, stdout=out, stderr=err)
    except SystemExit as end:
        assert end.code == 0
    return out.getvalue(), err.getvalue()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as refused:
        set_up(*words)
    assert refused.value.returncode == 4
    return str(refused.value)


def test_alone_in_the_network_it_becomes_the_dhcp_server(bench: Callable[..., Path], called: list[Any]) -> None:
    path = bench()
    set_up("--yes")
    made = config.load(path)
    assert (made.web.address, made.web.port) == ("10.77.0.1", 8080)
    assert (made.pxe.mode, made.pxe.interface, str(made.pxe.subnet)) == ("dhcp", "eth1", "10.77.0.0/24")
    assert (str(made.pxe.range_start), str(made.pxe.range_end)) == ("10.77.0.100", "10.77.0.199")
    assert (made.pxe.supervise, str(made.boot_files.image_dir)) == ("unit", "/opt/vetting/image"), (
        "as install.sh set it"
    )
    assert made.iperf3.link_mbit == 2500
    assert "# our own words" in path.read_text() and "# not 8000" in path.read_text()
    assert (path.with_name("vetting.yaml.old")).read_text() == INSTALLED
    assert [words[0] for words in called] == ["migrate", "doctor"]


def test_a_speed_that_somebody_has_set_stays(bench: Callable[..., Path]) -> None:
    path = bench(text=INSTALLED + "iperf3: {link_mbit: 940}\n")
    set_up("--yes")
    assert config.load(path).iperf3.link_mbit == 940


def test_beside_another_server_it_becomes_a_proxy(bench: Callable[..., Path]) -> None:
    path = bench(servers=[ROUTER])
    _, said = set_up("--yes")
    made = config.load(path).pxe
    assert (made.mode, made.range_start) == ("proxy", None)
    assert "10.77.0.254 (offers 10.77.0.20)" in said


def test_a_server_that_lets_machines_boot_something_else_is_named(bench: Callable[..., Path]) -> None:
    bench(servers=[BOOTS])
    _, said = set_up("--yes")
    assert "'other.efi'): hosts may boot that instead. Take the boot file out" in said


def test_dhcp_beside_another_server_is_refused(bench: Callable[..., Path]) -> None:
    path = bench(servers=[ROUTER])
    assert "Two of them answer at random: choose proxy" in refusal("--yes", "--mode", "dhcp")
    assert path.read_text() == INSTALLED


def test_without_the_right_to_ask_the_mode_must_be_said(bench: Callable[..., Path]) -> None:
    path = bench(servers=CanNotAsk("asking for DHCP servers needs root"))
    assert refusal("--yes") == "asking for DHCP servers needs root, so choose --mode dhcp or proxy yourself"
    set_up("--yes", "--mode", "dhcp")
    assert config.load(path).pxe.mode == "dhcp"


@pytest.mark.parametrize(
    ("every", "words", "says"),
    [
        ((HOSTS, SPARE), (), "several interfaces are possible (eth1, eth2): name one"),
        ((HOSTS, LAN), ("--interface", "eth11"), "no interface 'eth11' with an address; did you mean 'eth1'?"),
        ((HOSTS, LAN), ("--interface", "eth9"), "eth9 has no IPv4 address: give it one"),
        ((), (), "no interface has an IPv4 address (eth9 have none)"),
        ((HOSTS,), ("--range", "10.77.0.1-10.77.0.9"), "own address 10.77.0.1 lies in"),
        ((HOSTS,), ("--range", "10.77.0.9"), "is no range"),
        ((HOSTS,), ("--range", "10.77.0.9-10.78.0.9"), "10.78.0.9 lies outside the network 10.77.0.0/24 of eth1"),
        ((HOSTS,), ("--range", "10.77.0.9-10.77.0.8"), "the first address comes after the last"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    bench: Callable[..., Path], every: tuple[Interface, ...], words: tuple[str, ...], says: str
) -> None:
    path = bench(every=every)
    assert says in refusal("--yes", *words)
    assert path.read_text() == INSTALLED


def test_an_interface_is_found_by_its_address(bench: Callable[..., Path]) -> None:
    path = bench(every=(HOSTS, SPARE))
    set_up("--yes", "--interface", "10.78.0.1")
    assert config.load(path).web.address == "10.78.0.1"


def test_a_dry_run_prints_the_file_and_changes_nothing(bench: Callable[..., Path], called: list[Any]) -> None:
    path = bench()
    text, _ = set_up("--dry-run")
    assert "range_start: 10.77.0.100" in text and text.startswith("# our own words")
    assert path.read_text() == INSTALLED and called == []


def test_without_a_file_the_whole_example_is_written(bench: Callable[..., Path], settings: Any) -> None:
    path = bench(text=None)
    settings.INSTALLED = True
    set_up("--yes", "--mode", "dhcp")
    made = config.load(path)
    assert (made.pxe.supervise, made.iperf3.supervise, made.pxe.mode) == ("unit", "unit", "dhcp")
    assert "supervise: unit" in path.read_text() and "# network interface of the hosts' network" in path.read_text()


def test_a_second_time_it_changes_nothing(bench: Callable[..., Path]) -> None:
    path = bench()
    set_up("--yes")
    first = path.read_text()
    _, said = set_up("--yes")
    assert path.read_text() == first and "stays as it is" in said


def test_a_password_is_handed_on_and_a_target_gets_a_message(
    bench: Callable[..., Path], called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(text=INSTALLED + "notifications: {targets: [{name: m, kind: ntfy, url: 'http://x/y'}]}\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("a-long-password\n"))
    set_up("--yes", "--password-stdin", "--admin", "ada")
    assert (
        "admin_user",
        "ada",
        "--role",
        "superuser",
        "--if-missing",
        "--password-stdin",
        "a-long-password\n",
    ) in called
    assert [words[0] for words in called] == ["migrate", "admin_user", "notify_test", "doctor"]


def test_it_asks_and_takes_what_is_typed(bench: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    path = bench(every=(HOSTS, SPARE))
    monkeypatch.setattr("sys.stdin", Terminal("eth2\n\n10.78.0.50-10.78.0.60\nyes\n"))
    _, said = set_up()
    made = config.load(path).pxe
    assert (made.interface, made.mode, str(made.range_end)) == ("eth2", "dhcp", "10.78.0.60")
    assert "eth1: 10.77.0.1/24, link, 2500 Mbit/s" in said and "eth9: no IPv4 address" in said


def test_without_a_terminal_it_says_how_to_go_on(bench: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bench()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "no terminal to ask on: use --yes" in refusal()


def test_a_file_that_is_wrong_is_refused_with_the_line(bench: Callable[..., Path]) -> None:
    path = bench()
    path.write_text("web: {}\nweb: {}\n")
    assert "line 2: web stands here twice" in refusal("--yes")


def test_owner_and_mode_of_the_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "vetting.yaml"
    path.write_text("a: 1\n")
    path.chmod(0o640)
    command.replace(path, "a: 2\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("a: 2\n", 0o640)
    assert setup.MODES == ("dhcp", "proxy", "off")
