"""Hosts that boot when the orchestrator has a run for them, and start their agent again when it dies, as systemd in the
image does. They go through the proxy."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import psutil
import requests

from agent.link import cmdline
from tests.chaos.agentprocess import Script
from tests.chaos.bench import ROOT

ASK_EVERY_S = 0.4
AGENT_AGAIN_S = 0.3


class Machine(threading.Thread):
    """`facts` is its script, but for what the boot script brings."""

    def __init__(self, facts: dict[str, object], url: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self.facts, self.url, self.folder = facts, url, folder
        self.boots = 0
        self.is_on = False
        self.agent: subprocess.Popen[bytes] | None = None
        self._over, self._reset = threading.Event(), threading.Event()

    def run(self) -> None:
        while not self._over.wait(ASK_EVERY_S):
            if (target := self._boot_script()) is not None:
                self.is_on = True
                self._boot(target)
                self.is_on = False

    def reset(self) -> None:
        """It boots anew by itself: all that was in memory is gone."""
        self._reset.set()
        self._kill()

    def process(self) -> psutil.Process | None:
        try:
            return psutil.Process(self.agent.pid) if self.agent else None
        except psutil.Error:
            return None

    def stop(self) -> None:
        self._over.set()
        self._kill()
        self.join()

    def _kill(self) -> None:
        if self.agent is not None:
            self.agent.kill()

    def _boot_script(self) -> cmdline.Target | None:
        try:
            script = requests.get(f"{self.url}/ipxe/{self.facts['mac']}", timeout=5).text
            return cmdline.parse(next((line for line in script.splitlines() if "vetting.token=" in line), ""))
        except (requests.RequestException, cmdline.BadCommandLine):
            return None

    def _boot(self, target: cmdline.Target) -> None:
        """Until it has powered off, or was reset."""
        self.boots += 1
        self._reset.clear()
        directory = self.folder / f"machine-{self.facts['number']}-boot-{self.boots}"
        directory.mkdir()
        boot_id = f"boot-{self.facts['number']}-{self.boots}"
        mine = {"url": self.url, "run": target.run, "token": target.token, "boot_id": boot_id}
        script = Script(**{**self.facts, **mine, "directory": str(directory)})  # type: ignore[arg-type]
        file = directory / "script.json"
        file.write_text(json.dumps(asdict(script)))
        while not (self._over.is_set() or self._reset.is_set() or (directory / "off").exists()):
            with (directory / "agent.log").open("ab") as log:
                self.agent = subprocess.Popen(
                    [sys.executable, "-m", "tests.chaos.agentprocess", str(file)],
                    cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            self.agent.wait()
            self._over.wait(AGENT_AGAIN_S)
