"""IPMI over LAN by `ipmitool`: boot from the network once, and everything with the power."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hosts.models import Host
from hosts.options import one_of, option, secret, within
from hosts.wakemethods import WORDS, Device, Verb, WakeMethod
from pxe.daemon import which
from pxe.wake import shape, tool
from pxe.wake.shape import Refused, WakeProblem, with_its_words

TIMEOUT_S = 20.0
TOTAL_S = 60.0
# Seconds to wait for each answer, and how often to ask.
PATIENCE = ("-N", "3", "-R", "2")
# Set System Boot Options, parameter 3, bit 3 (IPMI 2.0, table 28-14): keep the flag, though no chassis command came
# within 60 s.
KEEP_BOOT_FLAG = ("raw", "0x00", "0x08", "0x03", "0x08")
# What ipmitool says with -v of what it tries by itself: no BMC needs to know that.
_ASIDE = (
    "Loading IANA", "Unable to Get Channel Cipher Suites", "Get HPM.x", "Running Get VSO", "Invalid completion code",
    "Discovered IPMB",
)  # fmt: skip
# What it says if the BMC refused the login. Without -v it says "Unable to establish", as of a lost packet.
_REFUSED = (
    ("unauthorized name", "the BMC does not know `user`: check it"),
    ("HMAC is invalid", "wrong password: check the variable that `password_env` names, and `kg_env` if it has a key"),
    ("invalid integrity check value", "wrong key: check the variable that `kg_env` names"),
    ("unauthorized role", "the user may not have this role: check `privilege`, or give the user that role in the BMC"),
    ("invalid role", "the user may not have this role: check `privilege`, or give the user that role in the BMC"),
    ("nsufficient privilege", "give the user the role Operator in the BMC, or write privilege: ADMINISTRATOR"),
)
_ADVICE = (
    *_REFUSED,
    (
        "invalid authentication algorithm",
        _CIPHER := "the BMC takes another cipher suite: write `cipher`, such as 3 or 17, into the wake options",
    ),
    ("cipher suite", _CIPHER),
    ("insufficient resources", "the BMC has no session left: close others, or restart the BMC"),
    ("RAKP", "check `user`, the password, and that IPMI over LAN is allowed to this user"),
    ("Could not open", "`address` is wrong or can't be reached: check it"),
    ("Unable to establish", "check address and network, and that IPMI over LAN is switched on in the BMC"),
    ("not supported in present state", "the BMC does not do this now: it depends on whether the host is on"),
)


def _address(value: str) -> str:
    if re.fullmatch(r"[^:]+:\d+", value):
        return "must be without a port: write that as `port`"
    return "" if re.fullmatch(r"[\w.%:-]+", value) and value[0] != "-" else "must be an address or a name, nothing else"


@dataclass(frozen=True, kw_only=True)
class Options:
    address: str = option("address of the BMC", example="10.0.0.9", check=_address)
    user: str = option("user of the BMC, with the role Operator", example="vetting")
    password: str = secret("password of `user`", example="VETTING_BMC_RACK1")
    efi: bool = option("false for a machine that boots as BIOS", default=True)
    port: int = option("UDP port of the BMC", default=623, check=within(1, 65535))
    privilege: str = option(
        "role to ask for; a BMC may refuse one that is higher than the user's",
        default="OPERATOR",
        check=one_of("OPERATOR", "ADMINISTRATOR"),
    )
    cipher: int = option(
        "cipher suite, such as 3 or 17, where ipmitool's choice is refused", default=0, check=within(1, 17)
    )
    kg: str = secret("the BMC's key Kg, if it has one", example="VETTING_BMC_RACK1_KG", optional=True)
    keep_boot_flag: bool = option(
        "true for a BMC that forgets the boot from the network after 60 seconds", default=False
    )


def _device(given: Mapping[str, Any]) -> Device:
    port = given.get("port") or 623
    return Device(str(given.get("address") or "").casefold() + ("" if port == 623 else f":{port}"))


METHOD = WakeMethod(
    title="IPMI",
    does="next boot from the network once, power on, by `ipmitool`",
    options=Options,
    verbs=(Verb.ON, Verb.OFF, Verb.CYCLE, Verb.RESET, Verb.STATUS, Verb.BOOT_NETWORK),
    device=_device,
    slow=True,
)


class Machine(shape.VerbMachine):
    """Each verb is a call of ipmitool, with a login of its own; all together have TOTAL_S."""

    options: Options

    def __init__(self, host: Host, options: Any) -> None:
        super().__init__(host, options)
        self.at, self._until = f"BMC {options.address}", time.monotonic() + TOTAL_S

    def status(self) -> bool | None:
        said = self._ipmitool("chassis", "power", "status")
        return True if "is on" in said else False if "is off" in said else None

    def boot_network(self) -> str:
        if self.options.keep_boot_flag:
            self._ipmitool(*KEEP_BOOT_FLAG)
        self._ipmitool(*boot_device(self.options))
        return WORDS[Verb.BOOT_NETWORK]

    def power(self, verb: Verb) -> str:
        self._ipmitool("chassis", "power", verb.value)
        return WORDS[verb]

    def _ipmitool(self, *words: str) -> str:
        executable = which("ipmitool")
        if executable is None:
            raise WakeProblem(f"{self.host.name}: ipmitool is not installed on the orchestrator: apt install ipmitool")
        argv = [executable, *command(self.options, *words)[1:]]
        try:
            done = tool.run(argv, environment(self.options), min(self._until, time.monotonic() + TIMEOUT_S))
        except OSError as error:
            raise WakeProblem(self._failed(words, f"it can't be run here: {error.strerror}")) from None
        if done.too_long:
            raise WakeProblem(self._failed(words, f"no answer within {TIMEOUT_S:.0f} s: check address and network"))
        if done.too_much:
            too_much = "it said too much, the rest was not read: is that address a BMC?"
            raise WakeProblem(self._failed(words, too_much))
        if done.status:
            raise self._problem(words, done.said)
        return done.said

    def _problem(self, words: tuple[str, ...], said: str) -> WakeProblem:
        lines = (line.strip(" >") for line in said.splitlines())
        said = " ".join(line for line in lines if line and not line.startswith(_ASIDE))
        unknown = "it failed" if said else "it failed and said nothing"
        by_hand = f"{unknown}: check the BMC by hand with the same command"
        failed = self._failed(words, next((advice for mark, advice in _ADVICE if mark in said), by_hand))
        kind = Refused if any(mark in said for mark, _ in _REFUSED) else WakeProblem
        return kind(with_its_words(failed, said, self.options.password, self.options.kg))

    def _failed(self, words: tuple[str, ...], what: str) -> str:
        return f"{self.who}: ipmitool {' '.join(words)}: {what}"


def boot_device(options: Options) -> tuple[str, ...]:
    """Without `options=efiboot` a UEFI machine is told to boot as BIOS, once."""
    return ("chassis", "bootdev", "pxe", *(("options=efiboot",) if options.efi else ()))


def command(options: Options, *words: str) -> list[str]:
    """Neither password nor key is in it: `-E` and `-K` take them from the environment, where other users can't read
    them."""
    who = ["-H", options.address, "-p", str(options.port), "-U", options.user, "-E", "-L", options.privilege]
    more = ["-C", str(options.cipher)] if options.cipher else []
    more += ["-K"] if options.kg else []
    return ["ipmitool", "-v", "-I", "lanplus", *who, *more, *PATIENCE, *words]


def environment(options: Options) -> dict[str, str]:
    key = {"IPMI_KGKEY": options.kg} if options.kg else {}
    return os.environ | {"IPMI_PASSWORD": options.password, "LC_ALL": "C"} | key
