"""The rack as a Python object: a network, an orchestrator and one machine, all gone when the block ends.

with Rack(machinefile.load(path)) as rack:
    rack.register()
    run = rack.start_run()
    rack.vm.press_power()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import types
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.rack import directboot, durations, expected, netns, remote_power, ssh, starve, warden
from tests.rack.bay import Bay
from tests.rack.desk import Desk
from tests.rack.errors import RackBroken
from tests.rack.faults import Bench
from tests.rack.forwarder import Forwarder
from tests.rack.guestport import Said
from tests.rack.guestport import run as run_in_guest
from tests.rack.machinefile import Machine
from tests.rack.orchestrator import ROOT, WEB_PORT, Orchestrator, Profiles
from tests.rack.progress import Progress
from tests.rack.vm import VirtualMachine
from tests.rack.wake import WakeListener

DEFAULT_IMAGE = ROOT / "var" / "image"
_WAKE_METHODS = {"magic-packet": "wol", "operator": "operator", "ipmi": "ipmi", "redfish": "redfish"}


class Rack:
    """`directory` keeps everything of the run for looking at; without one it is a temporary directory, which
    stays only where `keep_files` is set before the end. `profiles` are offered beside the shipped ones. Raises
    RackBroken when anything of the bench does not work."""

    def __init__(
        self,
        machine: Machine,
        *,
        directory: Path | None = None,
        image: Path = DEFAULT_IMAGE,
        progress: Progress | None = None,
        profiles: Profiles = types.MappingProxyType({}),
    ) -> None:
        self._profiles = profiles
        self.machine = machine
        self.keep_files = directory is not None
        self.progress = progress or Progress()
        self._wanted_directory = directory
        self._image = image
        self._close = ExitStack()

    def __enter__(self) -> Rack:
        if os.geteuid():
            raise RackBroken("the rack makes network namespaces and taps: it needs root (sudo)")
        for name in warden.sweep_orphans():
            self.progress.say(f"cleaned up after a rack that was killed ({name})")
        with ExitStack() as undo:
            self._set_up(undo)
            self._close = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def _set_up(self, undo: ExitStack) -> None:
        self.directory = self._make_directory()
        undo.callback(self._leave_directory)
        self.namespace = netns.create()
        undo.callback(warden.sweep, self.namespace)
        undo.callback(warden.Warden(self.namespace, self.directory).dismiss)
        if self.machine.bench.port_mbit:
            starve.narrow_port(self.namespace, self.machine.bench.port_mbit)
        self.loops = starve.Loops(self.machine.bench.busy_loops, self.namespace)
        undo.callback(self.loops.stop)
        self.orchestrator = Orchestrator(self.namespace, self.directory, self._image, self.machine, self._profiles)
        undo.callback(self.orchestrator.stop)
        self.orchestrator.start()
        self.desk = Desk(self.orchestrator.env, self.directory / "desk.log")
        undo.callback(self.desk.close)
        boots_directly = self._direct_boot if self.machine.boot == "direct" else None
        self.vm = VirtualMachine(self.machine, self._bay(), self.namespace, boots_directly)
        undo.callback(self.vm.unplug)
        self.vm.plug_in()
        undo.callback(WakeListener(self.namespace, self._hear_magic_packet).close)
        self._plug_in_remote_power(undo)

    def _plug_in_remote_power(self, undo: ExitStack) -> None:
        """The BMC's port on the network, for a machine that is woken by it."""
        buttons = remote_power.Buttons(self.vm, self.progress.say, self._break)
        directory = self.directory / "bmc"
        if self.machine.wake == "ipmi":
            password = self.orchestrator.env[remote_power.PASSWORD_VARIABLE]
            undo.enter_context(remote_power.ipmi(directory, self.namespace, buttons, password))
        elif self.machine.wake == "redfish":
            undo.enter_context(remote_power.redfish(directory, self.namespace, buttons))

    def _break(self, error: RackBroken) -> None:
        self.broken = error

    def open_dashboard(self, port: int) -> int:
        """Makes the dashboard reachable at 127.0.0.1:`port` of the world outside until the rack ends; the
        port."""
        forwarder = Forwarder(self.namespace, WEB_PORT, port)
        self._close.callback(forwarder.close)
        return forwarder.port

    def register(self) -> None:
        """The machine becomes a host of the orchestrator, with the spec that fits its sound self."""
        self.desk.ask(
            "register",
            name=self.machine.name,
            macs=[nic.mac for nic in self.machine.nics],
            expected=expected.derive(self.machine),
            writable=expected.writable_serials(self.machine),
            destructive=self.machine.destructive,
            wake=_WAKE_METHODS[self.machine.wake],
            wake_options=remote_power.OPTIONS.get(self.machine.wake, {}),
            cycle_hung=self.machine.cycle_hung,
            profile=self.machine.profile,
        )

    def start_run(self) -> int:
        """Queues a vetting of the machine; the run's number."""
        self.run: int = self.desk.ask(
            "start", host=self.machine.name, profile=self.machine.profile, overrides=durations.of(self.machine)
        )
        return self.run

    def snapshot(self, after_event: int = 0) -> dict[str, Any]:
        return self.desk.ask("snapshot", run=self.run, after_event=after_event)

    def guest(self, *command: str) -> Said:
        """Runs a command inside the booted machine; raises guestport.GuestSilent."""
        return run_in_guest(self.vm.bay.guest_port, list(command))

    def login(self) -> ssh.Login | None:
        """The way into the held machine, as the dashboard gives it, with its one private key; None while
        there is none. The key can be taken once per hold."""
        session = self.desk.ask("held", run=self.run)
        if session is None:
            return None
        key = self.desk.ask("take_key", run=self.run)
        return ssh.prepare(self.namespace, self.directory / "hold", session, key)

    def bench(self) -> Bench:
        return Bench(self.vm, self.orchestrator)

    def _bay(self) -> Bay:
        path = self.directory / "bay"
        path.mkdir()
        return Bay(path)

    def _direct_boot(self) -> directboot.DirectBoot:
        script = self.desk.ask("boot_script", host=self.machine.name)
        return directboot.gather(script, self.orchestrator, self.vm.bay.directory)

    def _hear_magic_packet(self, mac: str) -> None:
        """As a card that is off does: only its own address wakes it, and only if it was left armed."""
        if self.machine.wake != "magic-packet" or mac not in [nic.mac for nic in self.machine.nics]:
            return
        try:
            if self.vm.press_power():
                self.progress.say(f"magic packet for {mac}: the machine is on")
        except RackBroken as error:
            self.broken = error

    broken: RackBroken | None = None

    def _make_directory(self) -> Path:
        if self._wanted_directory is not None:
            self._wanted_directory.mkdir(parents=True, exist_ok=True)
            return self._wanted_directory.resolve()
        directory = Path(tempfile.mkdtemp(prefix="vetting-rack-"))
        directory.chmod(0o755)  # dnsmasq reads its files as a user of its own
        return directory

    def _leave_directory(self) -> None:
        if not self.keep_files:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        with contextlib.suppress(OSError):
            for image in self.directory.glob("bay/*.img"):
                image.unlink()
        self.progress.say(f"logs and database are in {self.directory}")
