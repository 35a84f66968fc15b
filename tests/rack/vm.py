"""One virtual machine: what it is plugged into, and its power button."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.rack import accel, cable, disks, qemu, smbios
from tests.rack.bad_core.injector import Injector
from tests.rack.bad_ram import GuestMemory
from tests.rack.bay import Bay
from tests.rack.bmc.controller import Controller
from tests.rack.bmc.link import Link
from tests.rack.corruption import CorruptingImage, NbdServer
from tests.rack.errors import RackBroken
from tests.rack.machinefile import BadRam, Machine
from tests.rack.netns import Namespace
from tests.rack.qmp import Monitor, QmpError
from tests.rack.tpm import Tpm

MONITOR_TIMEOUT_S = 30


class VirtualMachine:
    """Switched on and off any number of times; its disks, its firmware's settings and its BMC stay.

    `boot_from` gives the kernel of a machine that does not boot over PXE, anew at each start.
    """

    def __init__(
        self,
        machine: Machine,
        bay: Bay,
        namespace: Namespace,
        boot_from: Callable[[], qemu.DirectBoot] | None = None,
    ) -> None:
        self.machine = machine
        self.bay = bay
        self.bmc = Controller(machine.bmc)
        self.powered_on_at: list[float] = []
        self._namespace = namespace
        self._boot_from = boot_from
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: GuestMemory | None = None
        self._tpm: Tpm | None = None
        self._wrong: Injector | None = None
        self._bad_cells = [bad for bad in machine.bad_ram if machine.goes_bad_after_s(bad) is None]
        self._button = threading.Lock()
        self._plugged = ExitStack()

    def plug_in(self) -> None:
        """Everything that is there before it is switched on for the first time."""
        disks.make(self.machine, self.bay)
        if self.machine.firmware == "uefi":
            _copy_firmware_settings(self.bay)
        self._write_smbios()
        self._taps = tuple(cable.lay(self._namespace, index, nic) for index, nic in enumerate(self.machine.nics))
        if self.machine.bmc.present:
            self._plugged.callback(Link(self.bmc, self.bay.bmc).close)
        for index, disk in enumerate(self.machine.disks):
            if disk.corrupt_after_write:
                image = CorruptingImage(self.bay.image(index), disk.corrupt_after_write)
                self._plugged.callback(NbdServer(image, self.bay.nbd_socket(index)).close)

    def unplug(self) -> None:
        self.cut_power()
        if self._wrong is not None:
            self._wrong.close()
        self._forget_memory()
        self._forget_tpm()
        self._plugged.close()

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def press_power(self) -> bool:
        """Switches the machine on; False when it was on already. Raises RackBroken when QEMU does not
        start."""
        with self._button:
            if self.is_on:
                return False
            kept = self._new_memory()
            self._new_tpm()
            direct = self._boot_from() if self._boot_from else None
            cabling = qemu.Cabling(self._taps, accel.best(), direct, *kept)
            command = self._namespace.enter_command(qemu.command_line(self.machine, self.bay, cabling))
            with self.bay.qemu_log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, "-S"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    pass_fds=kept,
                )  # fmt: skip
            self._first_light()
            self.bmc.firmware_starts(self._reset)
            self.powered_on_at.append(time.time())
            return True

    def miscalculate(self) -> None:
        """From now on one of its processors is wrong now and then."""
        if self.machine.bad_core is not None and self._wrong is None:
            self._wrong = Injector(self.machine.bad_core, self.bay.guest_port, self.bay.gdb)
            self._wrong.start()

    def miscalculated(self) -> str:
        """How often it was. Raises RackBroken if it never was: then the machine was sound."""
        changed, trouble = (self._wrong.changed, self._wrong.trouble) if self._wrong else ({}, "")
        if not changed:
            raise RackBroken(f"no register was ever changed: {trouble or 'the core did not come to such code'}")
        kinds = ", ".join(f"{kind} {times}" for kind, times in sorted(changed.items()))
        return f"{sum(changed.values())} registers were changed ({kinds})"

    def monitor(self) -> Monitor:
        """Raises QmpError when the machine is off."""
        return Monitor(self.bay.qmp)

    def _reset(self) -> None:
        with self.monitor() as monitor:
            monitor.execute("system_reset")

    def cut_power(self) -> None:
        self.bmc.power_is_off()
        with self._button:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
            if self._process is not None:
                self._process.wait()

    def go_bad(self, bad: BadRam) -> None:
        """From now on, also after the machine was switched off and on."""
        with self._button:
            self._bad_cells.append(bad)
            if self._memory is not None:
                self._memory.go_bad(bad)

    def _new_memory(self) -> tuple[int, ...]:
        """The descriptor of its memory, if the file says that it is or goes bad."""
        self._forget_memory()
        if not self.machine.bad_ram:
            return ()
        self._memory = GuestMemory(self.machine, self._namespace)
        for bad in self._bad_cells:
            self._memory.go_bad(bad)
        return (self._memory.descriptor,)

    def _forget_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _new_tpm(self) -> None:
        self._forget_tpm()
        if self.machine.settings.tpm not in (None, "none"):
            self._tpm = Tpm(self.machine, self.bay, self._namespace)

    def _forget_tpm(self) -> None:
        if self._tpm is not None:
            self._tpm.close()
            self._tpm = None

    def _first_light(self) -> None:
        """The machine stands still until the links that are down from the start are down."""
        deadline = time.monotonic() + MONITOR_TIMEOUT_S
        while True:
            try:
                with self.monitor() as monitor:
                    for index, nic in enumerate(self.machine.nics):
                        if nic.link == "down":
                            monitor.execute("set_link", name=f"nic{index}", up=False)
                    monitor.execute("cont")
                return
            except QmpError as error:
                if not self.is_on or time.monotonic() > deadline:
                    raise RackBroken(f"QEMU did not start: {self._last_words() or error}") from error
                time.sleep(0.05)

    def _last_words(self) -> str:
        return self.bay.qemu_log.read_text(errors="replace").strip()[-500:]

    def _write_smbios(self) -> None:
        for index, table in enumerate(smbios.memory(self.machine)):
            self.bay.smbios(index).write_bytes(table)


def _copy_firmware_settings(bay: Bay) -> None:
    try:
        shutil.copyfile(qemu.OVMF_VARS, bay.firmware_vars)
    except FileNotFoundError as error:
        raise RackBroken(f"{qemu.OVMF_VARS} is missing (apt install ovmf)") from error
    os.chmod(bay.firmware_vars, 0o600)
