"""What an installation takes while nothing happens: web process and worker on SQLite, DHCP off.

Memory is the proportional set size (PSS): a page that n processes share counts a n-th for each. Bytes are those that
the processes caused to be written to storage, as the kernel counts them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 120.0
SETTLES_S = 30.0


@dataclass(frozen=True)
class Taken:
    """By one process, since its start but for `pss_bytes`."""

    title: str
    pss_bytes: int
    cpu_s: float
    written_bytes: int


def main(seconds: float) -> None:
    with TemporaryDirectory() as directory, running(Path(directory)) as processes:
        time.sleep(SETTLES_S)
        before, started = taken(processes), time.monotonic()
        time.sleep(seconds)
        after, took_s = taken(processes), time.monotonic() - started
    for pid, one in sorted(after.items(), key=lambda item: -item[1].pss_bytes):
        cpu_s = one.cpu_s - before[pid].cpu_s if pid in before else one.cpu_s
        print(f"{one.pss_bytes / 1e6:6.1f} MB {100 * cpu_s / took_s:5.2f} % of a core  {one.title}")
    both = [(before[pid], one) for pid, one in after.items() if pid in before]
    print(
        json.dumps({
            "processes": len(after),
            "pss_mb": round(sum(one.pss_bytes for one in after.values()) / 1e6, 1),
            "core_percent": round(100 * sum(new.cpu_s - old.cpu_s for old, new in both) / took_s, 2),
            "written_mb_per_minute": round(
                sum(new.written_bytes - old.written_bytes for old, new in both) * 60 / took_s / 1e6, 3
            ),
        })
    )  # fmt: skip


@contextmanager
def running(directory: Path) -> Iterator[list[psutil.Process]]:
    """Web and worker over a database of their own. Ends both."""
    port = free_port()
    (directory / "vetting.yaml").write_text(
        f"web: {{port: {port}, boot_port: {free_port()}, address: 127.0.0.1}}\npxe: {{mode: 'off'}}\n"
        "iperf3: {supervise: 'off'}\n"
    )
    environment = {
        **os.environ,
        "VETTING_DATA_DIR": str(directory),
        "VETTING_CONFIG": str(directory / "vetting.yaml"),
        "DATABASE_URL": f"sqlite:///{directory / 'vetting.sqlite3'}",
    }
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
    children = [psutil.Popen([*manage, what], cwd=ROOT, env=environment) for what in ("web", "vetworker")]
    try:
        _wait_for(f"http://127.0.0.1:{port}/healthz")
        yield children
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(30)


def taken(roots: list[psutil.Process]) -> dict[int, Taken]:
    return {one.pid: _taken_by(one) for root in roots for one in (root, *root.children(recursive=True))}


def _taken_by(process: psutil.Process) -> Taken:
    times = process.cpu_times()
    title = " ".join(process.cmdline())[-72:]
    return Taken(title, process.memory_full_info().pss, times.user + times.system, process.io_counters().write_bytes)


def _wait_for(url: str) -> None:
    """Until the worker has done a round: /healthz says so."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise SystemExit(f"{url} did not answer 200 within {STARTS_WITHIN_S:.0f} s")
