"""The BMC's side of the network: what the orchestrator talks to when it wakes a machine by IPMI or Redfish.

Both servers are not ours: OpenIPMI's ipmi_sim and the emulator of sushy-tools. Their power actions press the rack's
buttons. They share the network with the hosts, at the orchestrator's address.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rack.errors import RackBroken
from tests.rack.netns import ADDRESS, Namespace
from tests.rack.vm import VirtualMachine

USER, PASSWORD_VARIABLE = "rack", "VETTING_BMC_RACK"
IPMI_PORT, REDFISH_PORT = 6230, 8443
_ACCOUNT = {"user": USER, "password_env": PASSWORD_VARIABLE}
OPTIONS: dict[str, dict[str, Any]] = {
    # ipmi_sim lets ipmitool's question for the cipher suites run into a time-out.
    "ipmi": {"address": ADDRESS, "port": IPMI_PORT, "cipher": 3, **_ACCOUNT},
    "redfish": {"url": f"http://{ADDRESS}:{REDFISH_PORT}", **_ACCOUNT},
}
"""The wake options of a host, by the way in which its machine is woken."""
PACKAGE = {"ipmi_sim": "openipmi", "ipmitool": "ipmitool"}


class Buttons:
    """The chassis behind a BMC, in the words of both. `broken` gets what a button could not do."""

    def __init__(self, vm: VirtualMachine, say: Callable[[str], None], broken: Callable[[RackBroken], None]) -> None:
        self._vm, self._say, self._broken = vm, say, broken

    def is_on(self) -> bool:
        return self._vm.is_on

    def set_power(self, reset_type: str) -> None:
        """A word of Redfish, as the emulator passes it on."""
        self._say(f"BMC: {reset_type}")
        try:
            if reset_type in ("ForceOff", "ForceRestart", "PowerCycle"):
                self._vm.cut_power()
            if reset_type != "ForceOff":
                self._vm.press_power()
        except RackBroken as error:
            self._broken(error)

    def set_boot_device(self, target: str) -> None:
        """The rack's machines boot from the network first anyway."""
        self._say(f"BMC: boot from {target} once")


@contextmanager
def redfish(directory: Path, namespace: Namespace, buttons: Buttons) -> Iterator[None]:
    from tests.pxe.redfishsim import emulated

    directory.mkdir()
    with _inside(namespace, lambda: emulated(directory, buttons, ADDRESS, REDFISH_PORT)):
        yield


@contextmanager
def _inside(namespace: Namespace, server: Callable[[], Any]) -> Iterator[None]:
    """Opened inside the namespace: its socket stays there, whichever thread serves it."""
    opened = server()
    with namespace.inside():
        opened.__enter__()
    try:
        yield
    finally:
        opened.__exit__(None, None, None)


@contextmanager
def ipmi(directory: Path, namespace: Namespace, buttons: Buttons, password: str) -> Iterator[None]:
    from tests.pxe import ipmisim

    for tool, package in PACKAGE.items():
        if not shutil.which(tool):
            raise RackBroken(f"{tool} is not installed: apt install {package}")
    directory.mkdir()
    chassis = Chassis(directory / "chassis.sock", buttons)
    try:
        place = ipmisim.Place(ADDRESS, IPMI_PORT, tuple(namespace.enter_command([])))
        with ipmisim.serving(directory, place, ipmisim.Account(USER, password), chassis.script()):
            yield
    finally:
        chassis.close()


class Chassis:
    """Answers the script that ipmi_sim calls: one line of words over a unix socket, one line back."""

    def __init__(self, path: Path, buttons: Buttons) -> None:
        self._path, self._buttons = path, buttons
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, name="chassis", daemon=True).start()

    def close(self) -> None:
        """Ends the thread, too: nothing else wakes accept()."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def script(self) -> str:
        return f"""#!/usr/bin/python3
import socket, sys
rack = socket.socket(socket.AF_UNIX)
rack.connect({str(self._path)!r})
rack.sendall((" ".join(sys.argv[2:]) + "\\n").encode())
sys.stdout.write(rack.makefile().readline())
"""

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._socket.accept()
            except OSError:
                return
            with asking, asking.makefile("rw") as lines:
                lines.write(self.answer(lines.readline().split()))

    def answer(self, words: list[str]) -> str:
        """ipmi_sim asks `get power`, `set power 1`, `set power 0`, `set reset 1` and `set boot pxe`."""
        match words:
            case ["get", "power"]:
                return f"power:{int(self._buttons.is_on())}\n"
            case ["set", "power", state]:
                self._buttons.set_power("On" if state == "1" else "ForceOff")
            case ["set", "reset", "1"]:
                self._buttons.set_power("ForceRestart")
            case ["set", "boot", target]:
                self._buttons.set_boot_device(target)
        return "\n"
