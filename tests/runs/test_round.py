"""The worker for real: rounds by a django-q2 cluster, its parent, and what they survive."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Worker:
    """A `manage.py vetworker` with a database of its own."""

    def __init__(self, directory: Path) -> None:
        self.database = directory / "vetting.sqlite3"
        self.env = {
            **os.environ,
            "VETTING_DATA_DIR": str(directory),
            "VETTING_CONFIG": str(directory / "vetting.yaml"),
            "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": f"sqlite:///{self.database}",
        }
        (directory / "vetting.yaml").write_text("iperf3: {supervise: off}\n")
        self.manage("migrate", "--verbosity", "0")
        self.log = (directory / "worker.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "vetworker"], cwd=ROOT, env=self.env, stdout=self.log, stderr=self.log
        )

    def manage(self, *words: str) -> None:
        subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=self.env, check=True, capture_output=True)

    def ticked_at(self) -> str:
        """When the last round was done, as the database has it; empty before the first."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10) as connection:
            row = connection.execute("SELECT ticked_at FROM runs_lease").fetchone()
        return (row and row[0]) or ""

    def next_round(self, within_s: float) -> float:
        """Seconds until another round was done; fails the test when none comes in time."""
        before, started = self.ticked_at(), time.monotonic()
        wait_for(lambda: self.ticked_at() > before, within_s, "no round was done")
        return time.monotonic() - started

    def cluster(self) -> list[psutil.Process]:
        """The processes of django-q2."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def idle(self) -> list[psutil.Process]:
        """Those that wait for a task, by the titles that django-q2 gives them."""
        return [p for p in self.cluster() if " ".join(p.cmdline()).split()[-1:] == ["idle"]]

    def said(self) -> str:
        return Path(self.log.name).read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.log.close()
        return status


def wait_for(condition: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    try:
        wait_for(lambda: bool(worker.ticked_at()), 60, "the first round was never done")
        yield worker
    finally:
        if worker.process.poll() is None:
            for process in worker.cluster():
                process.kill()
            worker.process.kill()
            worker.process.wait()


def test_it_stops_at_once_and_leaves_nobody_behind(worker: Worker) -> None:
    family = worker.cluster()
    assert worker.stop() == 0
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_cluster_whose_idle_worker_died_with_the_queues_lock_is_mended_within_60_s(worker: Worker) -> None:
    """One of the idle workers waits for the queue and so holds its lock; once it is killed nobody ever gets a task
    again, and the round stops with the session that runs."""
    idle = worker.idle()
    assert idle
    for process in idle:
        process.kill()
    killed = time.monotonic()
    wait_for(lambda: "is stuck, starting it again" in worker.said(), 60, "the stall was not noticed")
    worker.next_round(60 - (time.monotonic() - killed))


def test_a_killed_parent_leaves_no_second_cluster_working(worker: Worker) -> None:
    family = worker.cluster()
    worker.process.kill()
    worker.process.wait()
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 30, "orphans")
