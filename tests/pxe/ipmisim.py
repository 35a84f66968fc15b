"""A BMC that speaks IPMI, as a real server on loopback: OpenIPMI's ipmi_sim. A script of ours is its chassis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# ipmi_sim takes these of its own accord where a real BMC checks them: whether a role is above the user's, and the
# 60 s after which the boot flag is forgotten.
_LAN = """name "host"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
    {key}
  endlan
  chassis_control "{chassis} 0x20"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" operator 10 none md2 md5 straight
"""
_EMULATED = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
# `chassis 0x20 set power 1`, `chassis 0x20 get power`: what was asked is kept line by line.
_CHASSIS = """#!/bin/sh
echo "$2 $3 $4" >> {directory}/asked
if [ "$2 $3" = "get power" ]; then
    echo "power:$(cat {directory}/power)"
elif [ "$2 $3" = "set power" ]; then
    echo "$4" > {directory}/power
fi
"""


class Simulator:
    """The BMC of a machine that is off at first. `asked` is what was done to the chassis, in its order."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port

    @property
    def asked(self) -> list[str]:
        lines = (self.directory / "asked").read_text().splitlines()
        return [line for line in lines if line.startswith("set ")]

    def was_asked(self, *wanted: str) -> bool:
        """Whether this was done to the chassis, in this order, and nothing else. The power comes back some seconds
        after a cycle was asked for."""
        until = time.monotonic() + 20
        while len(self.asked) < len(wanted) and time.monotonic() < until:
            time.sleep(0.02)
        return self.asked == list(wanted)

    def turn(self, power: str) -> None:
        (self.directory / "power").write_text(power)


@dataclass(frozen=True)
class Place:
    """Where it listens, and the command that starts another one there, such as in a network namespace."""

    address: str
    port: int
    enter: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """The user, an operator, and the BMC's key Kg, if it has one."""

    user: str = "admin"
    password: str = "sesame"
    kg: str = ""


@contextmanager
def simulated(directory: Path, account: Account = Account()) -> Iterator[Simulator]:
    """For tests: on loopback, with a chassis that keeps what it was asked."""
    for tool in ("ipmi_sim", "ipmitool"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: apt install openipmi ipmitool")
    simulator = Simulator(directory, _free_port())
    (directory / "asked").touch()
    simulator.turn("0")
    with serving(directory, Place("127.0.0.1", simulator.port), account, _CHASSIS.format(directory=directory)):
        yield simulator


@contextmanager
def serving(directory: Path, place: Place, account: Account, chassis: str) -> Iterator[None]:
    """ipmi_sim itself. `chassis` is the script that it calls."""
    _write(directory, place, account, chassis)
    with (directory / "said").open("w") as said:
        files = ["-c", str(directory / "lan.conf"), "-f", str(directory / "emulated"), "-s", str(directory / "state")]
        process = subprocess.Popen(
            [*place.enter, "ipmi_sim", *files, "-n"], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            _wait_until_bound(process, directory, place.port)
            yield
        finally:
            process.kill()
            process.wait()


def _write(directory: Path, place: Place, account: Account, chassis: str) -> None:
    script = directory / "chassis"
    script.write_text(chassis)
    script.chmod(0o755)
    key = f'bmc_key "{account.kg}"' if account.kg else ""
    named = {"address": place.address, "port": place.port, "user": account.user, "password": account.password}
    (directory / "lan.conf").write_text(_LAN.format(**named, chassis=script, key=key))
    (directory / "emulated").write_text(_EMULATED)
    (directory / "state").mkdir()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait_until_bound(process: subprocess.Popen[bytes], directory: Path, port: int) -> None:
    """By the kernel's table of UDP sockets of its network namespace."""
    until = time.monotonic() + 20
    while f":{port:04X} " not in Path(f"/proc/{process.pid}/net/udp").read_text():
        said = (directory / "said").read_text()[-500:]
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"ipmi_sim did not come up: {said}")
        time.sleep(0.02)
