"""A real orchestrator, web and worker as processes, over a database and a data directory of its own; whoever dies is
started again, as systemd does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import requests

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 300.0
RESTART_AFTER_S = 0.5
CONFIG = """\
web: {{listen: 127.0.0.1, port: {port}, boot_port: {boot_port}}}
iperf3: {{supervise: off}}
dispatcher: {{max_concurrent: 3}}
deadlines: {{heartbeat_s: 60, boot_s: 120}}
bench: {{loopback_min_of_link: 0, calm_wait_s: 0}}
"""
PARTS = ("web", "worker")


class Bench:
    """`folder` is the data directory; it may lie on a small disk that can be filled."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.port = folder, free_port()
        self.clock = folder / "clock"
        config = folder / "vetting.yaml"
        config.write_text(CONFIG.format(port=self.port, boot_port=free_port()))
        image = folder / "image"
        image.mkdir(exist_ok=True)
        for name in ("vmlinuz", "initrd.zst"):
            (image / name).touch()
        self.env = {
            **os.environ,
            "VETTING_DATA_DIR": str(folder),
            "VETTING_CONFIG": str(config),
            "VETTING_SECRET_KEY": "k" * 40,
            "VETTING_LOG_LEVEL": "WARNING",
            "VETTING_TESTING": "1",
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "vetting.settings",
            "CHAOS_CLOCK": str(self.clock),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        for part in PARTS:
            self._start(part)
        self._keeper.start()

    def await_answer(self) -> None:
        end = time.monotonic() + START_LIMIT_S
        while not self.answers():
            assert time.monotonic() < end, f"the web process did not come up: {self.folder}/web.log"
            time.sleep(0.1)

    def stop(self) -> None:
        """Without a word: what it holds is to be as if the plug was pulled."""
        self._over.set()
        self._keeper.join()
        self.crash()

    def answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/livez", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def crash(self) -> None:
        """Everything of it, at once."""
        for process in self._all():
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(OSError, ValueError):  # one whose parent was killed before
            os.killpg(int((self.folder / "run" / "qcluster.pid").read_text()), signal.SIGKILL)

    def process(self, target: str) -> psutil.Process | None:
        """`web`, `worker`, `cluster` (django-q2's) or `job N` (one of those that it has started)."""
        try:
            if target in PARTS:
                return psutil.Process(self._running[target].pid)
            clusters = psutil.Process(self._running["worker"].pid).children()
            if target == "cluster":
                return clusters[0] if clusters else None
            jobs = clusters[0].children(recursive=True) if clusters else []
            return jobs[int(target.split()[1]) % len(jobs)] if jobs else None
        except psutil.Error:
            return None

    def move_clock(self, hours: float) -> None:
        draft = self.clock.with_suffix(".new")
        draft.write_text(str(hours * 3600))
        draft.replace(self.clock)

    def _all(self) -> list[psutil.Process]:
        found = []
        for child in self._running.values():
            with contextlib.suppress(psutil.Error):
                parent = psutil.Process(child.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def _start(self, part: str) -> None:
        argv = [sys.executable, "manage.py", "vetworker"] if part == "worker" else self._web()
        path = f"{ROOT / 'tests' / 'chaos' / 'clock'}:{ROOT}"
        with (self.folder.parent / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                argv, cwd=ROOT, env={**self.env, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _web(self) -> list[str]:
        listen = ["-b", "127.0.0.1", "-p", str(self.port), "--verbosity", "0"]
        return [sys.executable, "-m", "daphne", *listen, "vetting.asgi:application"]

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            for part in PARTS:
                if self._running[part].poll() is not None and not self._over.wait(RESTART_AFTER_S):
                    self._start(part)


def end_with(process: psutil.Process | None, number: signal.Signals) -> bool:
    """Whether it was there to be sent this."""
    if process is None:
        return False
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True
