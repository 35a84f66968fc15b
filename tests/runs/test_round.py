"""The worker for real: rounds by a django-q2 cluster, its parent, and what they survive."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from runs.files import volatile

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def environment(directory: Path) -> dict[str, str]:
    (directory / "vetting.yaml").write_text("iperf3: {supervise: off}\n")
    return {
        **os.environ,
        "VETTING_DATA_DIR": str(directory),
        "VETTING_CONFIG": str(directory / "vetting.yaml"),
        "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": f"sqlite:///{directory / 'vetting.sqlite3'}",
    }


class Worker:
    """A `manage.py vetworker` with a copy of this database as its own. `start_s`: until its first round was done."""

    def __init__(self, directory: Path, migrated: Path) -> None:
        self.database = Path(shutil.copy(migrated, directory / "vetting.sqlite3"))
        self.env = environment(directory)
        self.start_s = 0.0
        self.log = (directory / "worker.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "vetworker"], cwd=ROOT, env=self.env, stdout=self.log, stderr=self.log
        )

    def manage(self, *words: str) -> None:
        subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=self.env, check=True, capture_output=True)

    def ticked_at(self) -> str:
        """When the last round was done; empty before the first."""
        seen = volatile.path(self.database.parent / "run") / "seen-round"
        return str(seen.stat().st_mtime_ns) if seen.exists() else ""

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

    def sql(self, *statements: str) -> list[tuple]:
        with sqlite3.connect(self.database, timeout=20) as connection:
            return [connection.execute(statement).fetchone() for statement in statements]

    def only(self, statement: str) -> str:
        """The one value that this asks for, as text; empty where there is no row."""
        row = self.sql(statement)[0]
        return str(row[0]) if row and row[0] is not None else ""


def wait_for(condition: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables, which `migrate` takes seconds to make."""
    directory = tmp_path_factory.mktemp("migrated")
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(directory), check=True, capture_output=True)
    return directory / "vetting.sqlite3"


@pytest.fixture
def worker(tmp_path: Path, migrated: Path) -> Iterator[Worker]:
    started = time.monotonic()
    worker = Worker(tmp_path, migrated)
    try:
        wait_for(lambda: bool(worker.ticked_at()), 120, "the first round was never done")
        worker.start_s = time.monotonic() - started
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
    killed, limit_s = time.monotonic(), max(60.0, 45 + worker.start_s)  # a busy machine starts a worker in 20 s
    wait_for(lambda: "is stuck, starting it again" in worker.said(), limit_s, "the stall was not noticed")
    worker.next_round(limit_s - (time.monotonic() - killed))


def test_another_process_goes_on_after_the_one_that_does_the_round_was_killed(worker: Worker) -> None:
    holder = "SELECT holder FROM runs_lease WHERE name = 'round'"
    killed = worker.only(holder)
    os.kill(int(killed.split("/")[2]), signal.SIGKILL)
    wait_for(lambda: worker.only(holder) not in (killed, ""), 60, "nobody leads")
    worker.next_round(20)
    assert "is stuck" not in worker.said()


def test_a_killed_parent_leaves_no_second_cluster_working(worker: Worker) -> None:
    family = worker.cluster()
    worker.process.kill()
    worker.process.wait()
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 30, "orphans")


A_DUE_REPORT = """
from tests import rows
rows.a_run(report_due=True)
"""
# What a report reads of the measurements never ends, and nothing can interrupt it.
ENDLESS = (
    "ALTER TABLE runs_series RENAME TO kept",
    "CREATE VIEW runs_series AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT i AS id, 1 AS run_id, 'cpu' AS component_kind, 'C' AS component, 'temp' AS name, 'C' AS unit FROM n",
)
ENDS = ("DROP VIEW runs_series", "ALTER TABLE kept RENAME TO runs_series")


def test_a_report_that_never_ends_stops_no_round_and_once_killed_is_written_by_the_next_try(worker: Worker) -> None:
    worker.sql(*ENDLESS)
    worker.manage("shell", "-v", "0", "-c", A_DUE_REPORT)
    holder = "SELECT holder FROM runs_job WHERE started_at IS NOT NULL"
    wait_for(lambda: bool(worker.only(holder)), 60, "the report was never begun")
    before = len(worker.said())
    for _ in range(3):
        worker.next_round(20)
    os.kill(int(worker.only(holder).split("/")[2]), signal.SIGKILL)
    wait_for(lambda: "killed" in worker.only("SELECT problem FROM runs_job"), 30, "that it was killed was not noticed")
    worker.sql(*ENDS, "UPDATE runs_job SET due_at = asked_at")
    wait_for(lambda: worker.only("SELECT report_due FROM runs_run") == "0", 60, "the report was never written")
    wait_for(lambda: worker.only("SELECT COUNT(*) FROM runs_job") == "0", 20, "the job outlived the report")
    assert "is stuck" not in worker.said()[before:]
