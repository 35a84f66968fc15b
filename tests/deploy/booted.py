"""A Debian with Vetting installed, booted under systemd-nspawn. Its one network is a cable to a machine's side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

from tests.deploy.debian import copy_checkout, own_mirror
from tests.pxe import dhcpclient
from tests.pxe.network import SERVER_ADDRESS, SERVER_INTERFACE, Network

PACKAGES = "systemd,systemd-sysv,python3,python3-venv,dnsmasq-base,iperf3,ipmitool,iproute2"
NSPAWN = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--machine=vetting-test")
MAC = "52:54:00:00:00:01"
# A machine that does much else starts Django in half a minute.
PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.5
_DHCP = {"interface": SERVER_INTERFACE, "subnet": "10.77.0.0/24", "supervise": "unit",
         "range_start": "10.77.0.100", "range_end": "10.77.0.120"}  # fmt: skip


def bare(root: Path, suite: str = "bookworm", more: str = "") -> str:
    """A fresh Debian in `root` with the packages that Vetting needs; why not, where that fails."""
    packages = f"{PACKAGES},{more}" if more else PACKAGES
    make = ["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(root), *own_mirror()]
    done = subprocess.run(make, capture_output=True, text=True, timeout=1800)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-300:]


def install(root: Path) -> str:
    """A fresh Debian 12 in `root` with this checkout installed; why not, where that fails."""
    if why := bare(root):
        return why
    copy_checkout(root / "src")
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    words = [*NSPAWN, f"--directory={root}", "--pipe", "--resolv-conf=replace-host"]
    if certificates.exists():
        (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(certificates, root / str(certificates)[1:])
        words.append(f"--setenv=PIP_CERT={certificates}")
    words += ["/src/deploy/install.sh", "--no-image", "--yes"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=1800, stdin=subprocess.DEVNULL)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-600:]


class Booted:
    def __init__(self, root: Path, network: Network) -> None:
        self.root, self.network = root, network
        self.process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Until systemd has started all it is to start."""
        namespace = f"/proc/{os.getpid()}/fd/{self.network.server}"
        command = [*NSPAWN, "--boot", "--capability=CAP_NET_ADMIN", f"--directory={self.root}"]
        command.append(f"--network-namespace-path={namespace}")
        with (self.root.parent / "console.log").open("ab") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.until(lambda: self.said("systemctl", "is-system-running") in ("running", "degraded"), "it boots")

    def power_off(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def said(self, *words: str) -> str:
        """By a command in there; empty where nothing can be asked yet."""
        if not (enter := self._enter()):
            return ""
        done = subprocess.run([*enter, *words], capture_output=True, text=True, timeout=PATIENCE_S)
        return done.stdout.strip()

    def _enter(self) -> list[str]:
        first = psutil.Process(self.process.pid).children() if self.process else []
        return ["nsenter", "-t", str(first[0].pid), "-m", "-u", "-i", "-p", "-n", "-r", "-w", "--"] if first else []

    def done(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in there, with its status and all that it printed."""
        return subprocess.run([*self._enter(), *words], capture_output=True, text=True, timeout=1800)

    def is_active(self, unit: str) -> bool:
        return self.said("systemctl", "is-active", unit) == "active"

    def configure(self, mode: str, ports: list[int]) -> None:
        said: dict[str, Any] = {
            "web": {"address": SERVER_ADDRESS},
            "pxe": _DHCP | {"mode": mode},
            "iperf3": {"ports": ports, "supervise": "unit"},
        }
        if (self.root / "opt/vetting/image").exists():
            said["boot_files"] = {"image_dir": "/opt/vetting/image"}
        (self.root / "etc/vetting/vetting.yaml").write_text(json.dumps(said))

    def restart(self) -> None:
        self.said("systemctl", "restart", "vetting-web", "vetting-worker")

    def offered(self, wait_s: float = 8.0) -> bool:
        """Whether a DISCOVER is answered. dnsmasq asks three seconds by ping before it offers an address."""
        with self.network.on_client():
            return dhcpclient.discover(MAC, wait_s=wait_s) is not None

    def healthz(self) -> str:
        try:
            with self.network.on_server(), urlopen(f"http://{SERVER_ADDRESS}:8000/healthz", timeout=10) as answer:
                return answer.read().decode()
        except HTTPError as error:
            return error.read().decode()
        except (URLError, OSError):
            return ""

    def until(self, holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> float:
        """Wait for it; how long it took."""
        started = time.monotonic()
        while not holds():
            assert time.monotonic() - started < within_s, f"not within {within_s:.0f} s: {what}"
            time.sleep(_LOOK_EVERY_S)
        return time.monotonic() - started
