"""`manage.py up` on loopback: web, worker and database of one test, with nothing in place of any of them."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.waiting import until
from tests.ports import free_port
from tests.runs.webprocess import ROOT

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30

REGISTER = """
from hosts.models import Host, HostMac
host = Host.objects.create(name={name!r}, expected={expected!r}, wake_method="operator")
HostMac.objects.create(host=host, mac={mac!r})
"""


class Installation:
    """`notifications` is that part of vetting.yaml. Its boot files are empty: nothing here boots them."""

    def __init__(self, folder: Path, notifications: dict[str, Any]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = folder / "vetting.sqlite3"
        self._up: subprocess.Popen[bytes] | None = None
        config = {
            "web": {"listen": "127.0.0.1", "port": self.port, "boot_port": free_port()},
            "pxe": {"mode": "off"},
            "iperf3": {"supervise": "off"},
            "notifications": notifications,
        }
        (folder / "vetting.yaml").write_text(yaml.safe_dump(config))
        (folder / "image").mkdir()
        for name in ("vmlinuz", "initrd.zst"):
            (folder / "image" / name).touch()
        self._environment = {
            **os.environ,
            "VETTING_DATA_DIR": str(folder),
            "VETTING_CONFIG": str(folder / "vetting.yaml"),
            "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
            "VETTING_TESTING": "1",
            "DATABASE_URL": f"sqlite:///{self.database}",
        }

    def start(self) -> None:
        """Returns when the web answers and the worker does its rounds."""
        with (self.folder / "up.log").open("ab") as log:
            self._up = subprocess.Popen(self._manage("up"), cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        until("a healthy orchestrator", self._is_healthy, START_TIMEOUT_S, every_s=0.1)

    def stop(self) -> int:
        """SIGTERM; its exit status. Raises TimeoutExpired, after killing it, when it does not end within the limit."""
        assert self._up is not None
        self._up.send_signal(signal.SIGTERM)
        try:
            return self._up.wait(STOP_TIMEOUT_S)
        finally:
            self._up.kill()
            self._up.wait()

    def vet(self, name: str, mac: str, expected: dict[str, Any]) -> int:
        """Register a host and start its run, as an operator does; the run's number."""
        self.manage("shell", "--verbosity", "0", "-c", REGISTER.format(name=name, mac=mac, expected=expected))
        answer = self.manage("vet", name, "--profile", "quick", "--no-wait")
        return int(answer.split()[1])

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            self._manage(*words), cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"manage.py {words[0]}: {done.stderr[-2000:]}"
        return done.stdout

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """What is committed at this moment, read past Django."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def last_words(self) -> str:
        return (self.folder / "up.log").read_text(errors="replace")[-3000:]

    def _is_healthy(self) -> bool:
        assert self._up is not None and self._up.poll() is None, self.last_words()
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    @staticmethod
    def _manage(*words: str) -> list[str]:
        return [sys.executable, "manage.py", *words]
