"""What a host boots with of its own: kernel arguments, console, deadline, and the way to its own disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from hosts import bootwords
from hosts.models import Host
from pxe import checks, dnsmasq, ipxe
from pxe.dnsmasq import KnownMac
from pxe.paths import Paths
from runs import boots, watchdog
from runs.machine import State
from tests.rows import a_host, a_run

Bench = Callable[..., Paths]
MAC = "52:54:00:00:00:01"
AUTOMATIC = ("iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||", "exit 1")


@pytest.mark.parametrize("text", ["", "nomodeset", "pci=noaer nomodeset video=vesafb:off,800x600"])
def test_kernel_arguments_of_a_host_are_words_on_one_line(text: str) -> None:
    bootwords.validate_kernel_args(text)


@pytest.mark.parametrize(
    "text",
    ["a || reboot", "a && b", "x=${net0/mac}", "# away", "a\nb", "vögel=1", "initrd=other", "quiet vetting.run=7"],
)
def test_what_ipxe_would_expand_or_the_script_gives_itself_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        bootwords.validate_kernel_args(text)


@pytest.mark.parametrize(
    ("console", "is_one"),
    [
        ("ttyS1,115200n8", True), ("tty0", True), ("ttyS0", True), ("hvc0", True), ("ttyUSB0,9600", True),
        ("ttyS1 quiet", False), ("S1", False), ("ttyS1,fast", False), ("console=ttyS1", False),
    ],
)  # fmt: skip
def test_a_console_is_one_word_that_the_kernel_knows(console: str, is_one: bool) -> None:
    if is_one:
        bootwords.validate_console(console)
    else:
        with pytest.raises(ValidationError):
            bootwords.validate_console(console)


def test_they_come_last_so_that_the_hosts_console_gets_the_agents_lines() -> None:
    assert bootwords.of_host("nomodeset  pci=noaer", "ttyS1") == ("nomodeset", "pci=noaer", "console=ttyS1")
    assert bootwords.of_host("", "") == ()


@pytest.mark.parametrize(
    ("way", "drive", "lines"),
    [
        ("auto", 0x80, AUTOMATIC),
        ("exit", 0x80, ("exit 1",)),
        ("sanboot", 0x82, ("sanboot --no-describe --drive 0x80 ||", "exit 1")),
        ("drive", 0x82, ("sanboot --no-describe --drive 0x82 ||", "exit 1")),
    ],
)
def test_the_way_to_its_own_disk_is_the_hosts(way: str, drive: int, lines: tuple[str, ...]) -> None:
    script = ipxe.local("pve1", ipxe.own_disk(way, drive)).splitlines()
    assert tuple(script[2:]) == lines
    assert tuple(ipxe.power_off("pve1", ipxe.own_disk(way, drive)).splitlines()[3:]) == lines


def plan(*kernel_args: str) -> ipxe.BootPlan:
    return ipxe.BootPlan(
        "pve1", MAC, 7, 1, "vt1.7.1.x.y", "http://a", "http://b", "http://a/ipxe", ("initrd.zst",), kernel_args
    )


def test_a_command_line_that_the_kernel_would_cut_is_not_booted() -> None:
    assert ipxe.too_long(plan("x" * 1700)) == ""
    assert "2047 at most" in ipxe.too_long(plan("x" * 2000))


def test_a_configuration_that_leaves_a_host_no_room_is_an_error(bench: Bench) -> None:
    bench(boot_files={"extra_args": "x" * 1300})
    assert [one.id for one in checks.boot_configuration()] == ["pxe.E008"]
    bench(boot_files={"extra_args": "x" * 1100})
    assert checks.boot_configuration() == []


@pytest.mark.django_db
def test_a_host_may_take_longer_to_boot_than_the_others(settings: Any) -> None:
    common, own = a_host(), a_host(name="node-2", mac=MAC.replace("01", "02"), boot_deadline_s=3600)
    began = timezone.now() - timedelta(seconds=settings.VETTING.deadlines.boot_s + 100)
    late = [
        a_run(
            host, state=State.BOOTING, verdict="", started_at=began,
            boot_deadline=began + timedelta(seconds=boots.limit_s(a_run(host))),
        )
        for host in (common, own)
    ]  # fmt: skip
    assert [watchdog.boot_is_overdue(run, timezone.now()) for run in late] == [True, False]


def test_undionly_is_no_loader_for_a_uefi() -> None:
    assert dnsmasq.native([KnownMac(MAC, "undionly.kpxe")]) == ()


@pytest.mark.django_db
def test_they_are_set_from_the_terminal_by_the_rules_of_the_form() -> None:
    a_host()
    call_command(
        "host", "edit", "node-1", "--kernel-args", "nomodeset", "--console", "ttyS1,115200n8",
        "--boot-deadline", "1800", "--local-boot", "drive", "--local-drive", "129",
    )  # fmt: skip
    host = Host.objects.get()
    assert host.own_boot_words == [
        "kernel arguments nomodeset", "console ttyS1,115200n8", "1800 s until the claim", "drive 0x81 to its own disk",
    ]  # fmt: skip
    for words in (("--console", "S1"), ("--boot-deadline", "5"), ("--kernel-args", "a || b"), ("--local-drive", "1")):
        with pytest.raises(Exception, match=r".+"):
            call_command("host", "edit", "node-1", *words)
    assert Host.objects.get().own_boot_words == host.own_boot_words
