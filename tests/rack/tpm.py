"""A machine's TPM: swtpm, for one time that the machine is on."""

from __future__ import annotations

import shutil
import subprocess
import time

from tests.rack.bay import Bay
from tests.rack.errors import RackBroken
from tests.rack.machinefile import Machine
from tests.rack.netns import Namespace

_START_S = 10


class Tpm:
    """It ends when QEMU does. What it keeps stays in the bay."""

    def __init__(self, machine: Machine, bay: Bay, namespace: Namespace) -> None:
        """Raises RackBroken if swtpm is not there, or does not start."""
        if shutil.which("swtpm") is None:
            raise RackBroken("swtpm is missing (apt install swtpm)")
        bay.tpm.unlink(missing_ok=True)
        state = bay.directory / "tpm"
        state.mkdir(exist_ok=True)
        command = ["swtpm", "socket", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={bay.tpm}"]
        command += ["--terminate", *(["--tpm2"] if machine.settings.tpm == "2.0" else [])]
        with bay.qemu_log.open("ab") as log:
            self._process = subprocess.Popen(
                namespace.enter_command(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while not bay.tpm.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RackBroken("swtpm did not start")
            time.sleep(0.02)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
