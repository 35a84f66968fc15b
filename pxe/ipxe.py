"""What a machine is told when it asks for its boot script: text for iPXE, nothing else.

How iPXE hands over to the local disk differs: under UEFI it leaves with an error, so that the firmware goes
on with its next boot entry (after a success it would open its menu); a BIOS is asked to boot its first disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

RETRY_S = 10
# Five minutes. A host that has no run waits too, as long as nobody can tell: it must not do so for ever.
COME_AGAIN_TIMES = 30
READ_SCREEN_S = 15


@dataclass(frozen=True)
class BootPlan:
    """`script_url` is where this script came from; `initrds` are paths below `boot_url`, in the order of
    unpacking; `kernel_args` those of the image and of the configuration."""

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
    """Kernel, initrds, go. Whatever fails is tried again from the start: the token of a boot stays the
    same until it is claimed, and the boot deadline ends it."""
    query = urlencode({"run": plan.run, "boot": plan.boot})
    return _script(
        f"echo Vetting: run {plan.run} of {plan.host}, boot {plan.boot}",
        "imgfree",
        f"kernel {plan.boot_url}/boot/vmlinuz?{query} {_command_line(plan)} || goto again",
        *(f"initrd {plan.boot_url}/boot/{name}?{query} || goto again" for name in plan.initrds),
        "boot || goto again",
        *_again(plan.script_url, "the boot files did not load: ${errmsg}"),
    )


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
    """There is a run, but the bench can't boot it yet."""
    return _script(f"echo Vetting: {host}: {_plain(reason)}", *_again(script_url, "not ready"))


def come_again(script_url: str, query: str, reason: str) -> str:
    """Nobody could look up what this machine is to boot. `query` is what it asked with: how often it has come. (A
    status of 503 would say so too, but iPXE then gives up, and shows no word of it.)"""
    times = next(iter(parse_qs(query).get("again", [])), "0")
    count = int(times) if times.isascii() and times.isdigit() and len(times) < 4 else 0
    if count >= COME_AGAIN_TIMES:
        return _script(f"echo Vetting: {_plain(reason)}. Going on to the local disk", *_LOCAL_DISK)
    return _script(*_again(f"{script_url}?again={count + 1}", _plain(reason)))


def local(host: str) -> str:
    return _script(f"echo Vetting: nothing to do for {host}, it boots from its own disk", *_LOCAL_DISK)


def power_off(host: str) -> str:
    """Where the firmware can't power off, the machine goes on to its own disk."""
    return _script(f"echo Vetting: nothing to do for {host}, it powers off", "poweroff ||", *_LOCAL_DISK)


def unknown(mac: str, server: str) -> str:
    return _script(
        f"echo Vetting: {mac} is not registered at {server}, or its host is disabled.",
        "echo Nothing is started. Register this MAC address there if the machine is to be vetted.",
        f"sleep {READ_SCREEN_S}",
        *_LOCAL_DISK,
    )


def refused(mac: str, address: str) -> str:
    """A run waits for this MAC, but whoever asks does not have the address that we leased to it."""
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
    """Words only: nothing that iPXE would expand or take for an operator."""
    return " ".join("".join(char if char.isalnum() or char in " .,:-/_()" else " " for char in text).split())
