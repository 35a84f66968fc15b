"""IPMI over LAN by `ipmitool`: next boot from the network, then power on. A machine that is on is left alone."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from hosts.models import Host
from hosts.options import option, secret
from hosts.wakemethods import WakeMethod
from pxe.daemon import which
from pxe.wake import tool
from pxe.wake.shape import WakeProblem

TIMEOUT_S = 20.0
TOTAL_S = 60.0
_ADVICE = (
    ("unauthorized name", "the BMC does not know `user`: check it"),
    ("HMAC is invalid", "wrong password: check the variable that `password_env` names"),
    ("RAKP", "check `user`, the password, and that IPMI over LAN is allowed to this user"),
    ("insufficient privilege", "give the user the role Operator in the BMC"),
    ("Could not open", "`address` is wrong or can't be reached: check it"),
    ("Unable to establish", "check address and network, and that IPMI over LAN is switched on in the BMC"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    address: str = option("address of the BMC", example="10.0.0.9")
    user: str = option("user of the BMC, with the role Operator", example="vetting")
    password: str = secret("password of `user`", example="VETTING_BMC_RACK1")
    efi: bool = option("false for a machine that boots as BIOS", default=True)


METHOD = WakeMethod(
    title="IPMI", does="next boot from the network once, power on, by `ipmitool`", options=Options, slow=True
)


def wake(host: Host, options: Options) -> str:
    until = time.monotonic() + TOTAL_S
    if "is on" in _ipmitool(host, options, until, "chassis", "power", "status"):
        raise WakeProblem(
            f"{host.name}: BMC {options.address} says that it is on already; nothing was sent: restart it yourself"
        )
    _ipmitool(host, options, until, *boot_device(options))
    _ipmitool(host, options, until, "chassis", "power", "on")
    return f"BMC {options.address}: boot from the network once, power on (IPMI)"


def boot_device(options: Options) -> tuple[str, ...]:
    """Without `options=efiboot` a UEFI machine is told to boot as BIOS, once."""
    return ("chassis", "bootdev", "pxe", *(("options=efiboot",) if options.efi else ()))


def command(options: Options, *words: str) -> list[str]:
    """The password is not in it: `-E` takes it from the environment, where other users can't read it."""
    who = ("-H", options.address, "-U", options.user, "-E")
    return ["ipmitool", "-I", "lanplus", *who, "-N", "3", "-R", "2", *words]


def _ipmitool(host: Host, options: Options, until: float, *words: str) -> str:
    executable = which("ipmitool")
    if executable is None:
        raise WakeProblem(f"{host.name}: ipmitool is not installed on the orchestrator: apt install ipmitool")
    env = os.environ | {"IPMI_PASSWORD": options.password, "LC_ALL": "C"}
    try:
        done = tool.run([executable, *command(options, *words)[1:]], env, min(until, time.monotonic() + TIMEOUT_S))
    except OSError as error:
        raise WakeProblem(_failed(host, options, words, f"it can't be run here: {error.strerror}")) from None
    if done.too_long:
        raise WakeProblem(
            _failed(host, options, words, f"no answer within {TIMEOUT_S:.0f} s: check address and network")
        )
    if done.too_much:
        raise WakeProblem(
            _failed(host, options, words, "it said too much, the rest was not read: is that address a BMC?")
        )
    if done.status:
        raise WakeProblem(_failed(host, options, words, _advised(done.said.replace(options.password, "…"))))
    return done.said


def _advised(said: str) -> str:
    """ipmitool's last words, and what to do about those that are common."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = " ".join(lines)[-200:] or "it failed and said nothing"
    advice = next((advice for mark, advice in _ADVICE if mark in said), "check the BMC by hand with the same command")
    return f"{words}: {advice}"


def _failed(host: Host, options: Options, words: tuple[str, ...], said: str) -> str:
    return f"{host.name}: BMC {options.address}: ipmitool {' '.join(words)}: {said}"
