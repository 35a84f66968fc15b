"""A web process of the product, as the benchmarks start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]


@contextmanager
def started(server: str, port: int, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, once it answers; ended afterwards. `server` is daphne, uvicorn, or bare (tests/bench/bare.py)."""
    words = ["manage.py", "web", "--server", server]
    if server == "bare":
        words = ["-m", "tests.bench.bare", str(port), str(directory / "bare.sqlite3")]
    web = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=os.environ)
    try:
        _wait_for(port)
        yield web
    finally:
        web.terminate()
        web.wait()


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            if requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the web process did not come up")
