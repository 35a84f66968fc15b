from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60.0


def environment(tmp_path: Path, configuration: str) -> dict[str, str]:
    (tmp_path / "vetting.yaml").write_text(configuration)
    own = {"VETTING_CONFIG": str(tmp_path / "vetting.yaml"), "VETTING_DATA_DIR": str(tmp_path / "data")}
    return {**os.environ, **own, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_it_serves_where_the_configuration_says_and_ends_on_sigterm(tmp_path: Path, server: str) -> None:
    if find_spec(server) is None:
        pytest.skip("pip install --require-hashes -r requirements/uvicorn.txt")
    port = free_port()
    web = f"web: {{listen: 127.0.0.1, port: {port}, boot_port: {free_port()}}}\n"
    env = environment(tmp_path, web)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True, timeout=START_LIMIT_S
    )
    process = subprocess.Popen([sys.executable, "manage.py", "web", "--server", server], cwd=ROOT, env=env)
    try:
        assert _answers(f"http://127.0.0.1:{port}/admin/login/", process) == 200
        call = requests.post(f"http://127.0.0.1:{port}/api/v1/runs/1/heartbeat", data=b"{}", timeout=30)
        assert (call.status_code, call.json()) == (401, {"error": "no token of ours"})
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(15) in (0, -signal.SIGTERM)


def _answers(url: str, process: subprocess.Popen) -> int:
    """The status of the first answer, within START_LIMIT_S."""
    session = requests.Session()
    session.trust_env = False
    ends = time.monotonic() + START_LIMIT_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            return session.get(url, timeout=5).status_code
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"no answer at {url}; exit status {process.poll()}")


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("web: {port: 80000}", r"web\.port: .*less than or equal to 65535 \(given: 80000\)"),
        ("wbe: {port: 8000}", r"wbe: Extra inputs are not permitted"),
        ("pxe: {mode: dhcp}", r"pxe: .*mode dhcp also needs interface, subnet, range_start, range_end"),
        ("notifications: {routes: [{to: [fax]}]}", r"a route names fax; targets are none"),
    ],
)
def test_a_wrong_value_stops_the_start_and_is_named(tmp_path: Path, configuration: str, said: str) -> None:
    env = environment(tmp_path, configuration)
    command = [sys.executable, "manage.py", "web"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=START_LIMIT_S)
    assert done.returncode != 0
    assert re.search(said, done.stderr), done.stderr[-800:]
