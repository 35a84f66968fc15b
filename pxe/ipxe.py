"""The boot scripts that machines are given: text for iPXE.

How iPXE hands over to the local disk differs: under UEFI it leaves with an error, so that the firmware goes
on with its next boot entry (after a success it would open its menu); a BIOS is asked to boot its first disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from hosts import bootwords
from hosts.models import LocalBoot

FIRST_DRIVE = 0x80
RETRY_S = 10
# Five minutes. While we can't tell whether a host has a run, it waits; it must not wait for ever.
COME_AGAIN_TIMES = 30
READ_SCREEN_S = 15


@dataclass(frozen=True)
class BootPlan:
    """`script_url` is where this script came from; `initrds` are paths below `boot_url`, in the order of
    unpacking; `kernel_args` those of the image, of the configuration and of the run."""

    host: str
    mac: str
    run: int
    boot: int
    token: str
    agent_url: str
    boot_url: str
    script_url: str
    initrds: tuple[str, ...]
    kernel_args: tuple[str, ...] = ()


def boot(plan: BootPlan) -> str:
    """Load kernel and initrds, then boot. If a step fails, the script starts again: a boot keeps its token until it is
    claimed, and the boot deadline ends the retries."""
    query = urlencode({"run": plan.run, "boot": plan.boot})
    return _script(
        f"echo Vetting: run {plan.run} of {plan.host}, boot {plan.boot}",
        "imgfree",
        f"kernel {plan.boot_url}/boot/vmlinuz?{query} {_command_line(plan)} || goto again",
        *(f"initrd {plan.boot_url}/boot/{name}?{query} || goto again" for name in plan.initrds),
        "boot || goto again",
        *_again(plan.script_url, "the boot files did not load: ${errmsg}"),
    )


def too_long(plan: BootPlan) -> str:
    """Why the kernel would cut this plan's command line, and so lose arguments; empty if it would not."""
    length = len(_command_line(plan))
    if length <= bootwords.COMMAND_LINE_MOST:
        return ""
    most = bootwords.COMMAND_LINE_MOST
    return f"the kernel's command line would have {length} characters, {most} at most: shorten boot_files.extra_args"


def _command_line(plan: BootPlan) -> str:
    # Under UEFI the kernel opens these by name. iPXE's name for all of them as one, initrd.magic, is not known to the
    # ROMs of before 2021 that cards and QEMU carry (seen: "EFI stub: ERROR: Failed to open file: initrd.magic").
    ours = (
        *(f"initrd={name}" for name in plan.initrds),
        f"vetting.url={plan.agent_url}",
        f"vetting.run={plan.run}",
        f"vetting.token={plan.token}",
        f"vetting.mac={plan.mac}",
    )
    return " ".join((*ours, *plan.kernel_args))


def not_ready(host: str, script_url: str, reason: str) -> str:
    """The host has a run, but the bench can't boot it yet."""
    return _script(f"echo Vetting: {host}: {_plain(reason)}", *_again(script_url, "not ready"))


def come_again(script_url: str, query: str, reason: str) -> str:
    """The script for a machine whose run we could not look up: ask again later. `query` counts how often it has asked.
    (With a status of 503 iPXE would give up and show no message.)"""
    times = next(iter(parse_qs(query).get("again", [])), "0")
    count = int(times) if times.isascii() and times.isdigit() and len(times) < 4 else 0
    if count >= COME_AGAIN_TIMES:
        return _script(f"echo Vetting: {_plain(reason)}. Going on to the local disk", *_LOCAL_DISK)
    return _script(*_again(f"{script_url}?again={count + 1}", _plain(reason)))


def local(host: str, way: tuple[str, ...] = ()) -> str:
    """`way` is what `own_disk` returns, automatic if it is left out."""
    return _script(f"echo Vetting: nothing to do for {host}, it boots from its own disk", *(way or _LOCAL_DISK))


def power_off(host: str, way: tuple[str, ...] = ()) -> str:
    """Power off. If the firmware can't, the machine boots from its own disk."""
    return _script(f"echo Vetting: nothing to do for {host}, it powers off", "poweroff ||", *(way or _LOCAL_DISK))


def own_disk(way: str, drive: int) -> tuple[str, ...]:
    """The lines that hand over to the local disk, by the host's choice. What fails ends as `exit` does."""
    if way == LocalBoot.EXIT:
        return ("exit 1",)
    if way in (LocalBoot.SANBOOT, LocalBoot.DRIVE):
        number = drive if way == LocalBoot.DRIVE else FIRST_DRIVE
        return (f"sanboot --no-describe --drive {number:#x} ||", "exit 1")
    return _LOCAL_DISK


def unknown(mac: str, server: str) -> str:
    return _script(
        f"echo Vetting: {mac} is not registered at {server}, or its host is disabled.",
        "echo Nothing is started. Register this MAC address there if the machine is to be vetted.",
        f"sleep {READ_SCREEN_S}",
        *_LOCAL_DISK,
    )


def refused(mac: str, address: str) -> str:
    """A run waits for this MAC, but the request came from another address than the one leased to it."""
    return _script(
        f"echo Vetting: {mac} was given another address than {address}: no boot from here.",
        f"sleep {READ_SCREEN_S}",
        *_LOCAL_DISK,
    )


_LOCAL_DISK = (
    "iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||",
    "exit 1",
)


def _again(script_url: str, why: str) -> tuple[str, ...]:
    return (
        ":again",
        f"echo Vetting: {why}. Trying again in {RETRY_S} s",
        f"sleep {RETRY_S}",
        f"chain --replace {script_url} || goto again",
    )


def _script(*lines: str) -> str:
    return "\n".join(("#!ipxe", *lines)) + "\n"


def _plain(text: str) -> str:
    """The text without anything that iPXE would expand or take for an operator."""
    return " ".join("".join(char if char.isalnum() or char in " .,:-/_()" else " " for char in text).split())
