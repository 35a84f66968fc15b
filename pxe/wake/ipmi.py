"""IPMI over LAN by `ipmitool`: next boot from the network, then power on. A machine that is on is left alone.

Wake options: `address` and `user` of the BMC, `password_env`, and `efi: false` for a machine that boots as
BIOS.
"""

from __future__ import annotations

import os
import subprocess

from hosts.models import Host
from pxe.daemon import which
from pxe.wake.shape import Sent, WakeProblem, option, password

LIMIT: int | None = None
SLOW = True
TIMEOUT_S = 20.0


def wake(host: Host) -> Sent:
    address, secret = option(host, "address"), password(host)
    if "is on" in _ipmitool(host, secret, "chassis", "power", "status"):
        raise WakeProblem(
            f"{host.name}: BMC {address} says that it is on already; nothing was sent: restart it yourself"
        )
    _ipmitool(host, secret, *boot_device(host))
    _ipmitool(host, secret, "chassis", "power", "on")
    return Sent(f"BMC {address}: boot from the network once, power on (IPMI)")


def boot_device(host: Host) -> tuple[str, ...]:
    """Without `options=efiboot` a UEFI machine is told to boot as BIOS, once."""
    efi = (host.wake_options or {}).get("efi", True)
    return ("chassis", "bootdev", "pxe", *(("options=efiboot",) if efi else ()))


def command(host: Host, *words: str) -> list[str]:
    """The password is not in it: `-E` takes it from the environment, where other users can't read it."""
    who = ("-H", option(host, "address"), "-U", option(host, "user"), "-E")
    return ["ipmitool", "-I", "lanplus", *who, "-N", "3", "-R", "2", *words]


def _ipmitool(host: Host, secret: str, *words: str) -> str:
    executable = which("ipmitool")
    if executable is None:
        raise WakeProblem(f"{host.name}: ipmitool is not installed on the orchestrator: apt install ipmitool")
    try:
        done = subprocess.run(
            [executable, *command(host, *words)[1:]], env=os.environ | {"IPMI_PASSWORD": secret}, text=True,
            errors="replace", capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise WakeProblem(_failed(host, words, f"no answer within {TIMEOUT_S:.0f} s")) from None
    if done.returncode:
        raise WakeProblem(_failed(host, words, (done.stderr or done.stdout).strip()[-200:]))
    return done.stdout


def _failed(host: Host, words: tuple[str, ...], said: str) -> str:
    return f"{host.name}: BMC {option(host, 'address')}: ipmitool {' '.join(words)}: {said}"
