"""A fresh orchestrator for one rack run: its own data, database, configuration, worker and dnsmasq."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.rack import guestport, netns, pcie
from tests.rack.errors import RackBroken
from tests.rack.machinefile import Machine
from tests.rack.netns import Namespace
from tests.rack.remote_power import PASSWORD_VARIABLE

Profiles = Mapping[str, Mapping[str, Any]]
ROOT = Path(__file__).parents[2]
WEB_PORT, BOOT_PORT = 8000, 8001
HEARTBEAT_DEADLINE_S = 60
# What an emulated processor moves through a bridge: 110 to 400 Mbit/s were seen, whatever its card negotiates.
LINK_MBIT = 100
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20
# A guest that its bench can't run in time doubts its own clock (the time-stamp counter) and patches its scheduler to do
# without, which an emulated processor with several threads now and then executes half-done: "Oops: int3" in
# sched_clock_cpu, seen once in some 60 runs.
TRUSTS_ITS_CLOCK = "tsc=nowatchdog"
# On a busy bench the kernel's test of its timer may fail ("8254 timer not connected to IO-APIC", seen once: that
# guest's card never got an address). A kernel that knows that it is a guest leaves the test out, too.
TRUSTS_ITS_TIMER = "no_timer_check"
# QEMU's e1000e tells Linux of a lost link by a plain message interrupt, but not by the several that it uses otherwise.
HEARS_OF_LINKS = "e1000e.IntMode=" + ",".join(["1"] * 8)
# Where memory is bad, the kernel lies at the same addresses in every boot: at 16 MiB.
STAYS_IN_PLACE = "nokaslr"
# A guest with more processors than there are cores to run them falsely looks stalled to its own kernel.
PATIENT_GUEST = "rcupdate.rcu_cpu_stall_timeout=300 nowatchdog"


class Orchestrator:
    """`env` is what its processes, and the desk that talks to its database, run with. `profiles` are its own ones,
    beside those that ship."""

    def __init__(
        self, namespace: Namespace, directory: Path, image: Path, machine: Machine, profiles: Profiles
    ) -> None:
        self._namespace = namespace
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._profiles = profiles
        self.data = directory / "data"
        self.log = directory / "orchestrator.log"
        self.image = image
        self.extra_initrd = directory / "port.cpio"
        self._configuration = self._configure(machine)
        self._makes_pcie_errors = any(event.do == "aer" for event in machine.events)
        self.env = {
            **os.environ,
            "VETTING_DATA_DIR": str(self.data),
            "VETTING_CONFIG": str(directory / "vetting.yaml"),
            "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": f"sqlite:///{self.data / 'vetting.sqlite3'}",
            "PYTHONUNBUFFERED": "1",
            # IPMI takes 20 characters at most.
            PASSWORD_VARIABLE: secrets.token_hex(8),
        }
        for inherited in ("VETTING_TESTING", "DJANGO_SETTINGS_MODULE"):
            self.env.pop(inherited, None)

    def start(self) -> None:
        """Returns when its web answers; raises RackBroken with the end of its log."""
        if not (self.image / "vmlinuz").is_file():
            raise RackBroken(f"there is no live image in {self.image}: make image builds it")
        self.data.mkdir(parents=True)
        aer_inject = pcie.module(self.image) if self._makes_pcie_errors else None
        self.extra_initrd.write_bytes(guestport.archive(aer_inject))
        (self._directory / "vetting.yaml").write_text(yaml.safe_dump(self._configuration))
        self._write_profiles()
        self._manage("migrate", "--verbosity", "0")
        command = self._namespace.enter_command([sys.executable, "manage.py", "up"])
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Politely first; what does not go is left to the warden's sweep."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self._process.kill()
        self._process.wait()

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pid(self, program: str) -> int:
        """Of `web`, `worker` or `dnsmasq`; raises RackBroken when it is not known."""
        path = self.data / "run" / f"{program}.pid"
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise RackBroken(f"the orchestrator's {program} has no pid file: {error}") from error

    def get(self, path: str, port: int = WEB_PORT) -> tuple[int, bytes]:
        """Status and body of a GET from inside the network; raises OSError."""
        connection = http.client.HTTPConnection(netns.ADDRESS, port)
        connection.sock = self._namespace.connect(port)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"GET {path}: {error!r}") from error
        finally:
            connection.close()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _manage(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.env, capture_output=True, text=True
        )
        if done.returncode:
            raise RackBroken(f"manage.py {' '.join(words)} failed: {done.stderr.strip()[-2000:]}")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.is_up:
                raise RackBroken(f"the orchestrator ended at once:\n{self.last_words()}")
            with contextlib.suppress(OSError):
                if self.get("/healthz")[0] == 200:
                    return
            time.sleep(0.2)
        raise RackBroken(f"the orchestrator was not healthy within {START_TIMEOUT_S} s:\n{self.last_words()}")

    def _write_profiles(self) -> None:
        folder = self._directory / "profiles"
        folder.mkdir()
        for name, profile in self._profiles.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(profile)))

    def _configure(self, machine: Machine) -> dict[str, object]:
        crowded = machine.cpus > (os.cpu_count() or 1)
        extra_args = [TRUSTS_ITS_CLOCK, TRUSTS_ITS_TIMER, HEARS_OF_LINKS]
        extra_args += [PATIENT_GUEST] if crowded else []
        extra_args += [STAYS_IN_PLACE] if machine.bad_ram else []
        return {
            "web": {"listen": "0.0.0.0", "port": WEB_PORT, "boot_port": BOOT_PORT, "address": netns.ADDRESS},
            "pxe": {
                "mode": "dhcp", "interface": netns.BRIDGE, "subnet": netns.SUBNET,
                "range_start": netns.RANGE[0], "range_end": netns.RANGE[1],
            },
            "iperf3": {"link_mbit": LINK_MBIT},
            "profiles_dir": str(self._directory / "profiles"),
            "deadlines": {"heartbeat_s": HEARTBEAT_DEADLINE_S, "boot_s": machine.boot_deadline_s},
            "boot_files": {
                "image_dir": str(self.image), "extra_initrd": str(self.extra_initrd),
                "extra_args": " ".join(extra_args),
            },
        }  # fmt: skip
