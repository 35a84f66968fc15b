"""OpenStack Ironic as its package ships it: installed into an environment of the benchmark's own, and started.

It runs as one process, API and conductor together (upstream's `ironic` command), so no message between the two costs
anything. SQLite, no authentication, fake hardware, no power sync, and no line of log for each request.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import requests

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / "var/bench/ironic"
REQUIREMENTS = ROOT / "requirements/bench-ironic.txt"
READY = ENVIRONMENT / ".ready"
INSTALL = "python -m tests.bench ironic --install"
STARTS_WITHIN_S, STOPS_WITHIN_S = 120.0, 60.0
PAGE = 1000
TOKEN = "a-token-of-the-agent"
CALLBACK = "https://127.0.0.1:9999"
VERSION = {"X-OpenStack-Ironic-API-Version": "latest"}
# In this state a heartbeat is recorded and does nothing else. In others Ironic calls the agent.
STATE = "clean hold"
FAKE = (
    "bios", "boot", "console", "firmware", "inspect", "management", "power", "raid", "rescue", "vendor",
)  # fmt: skip
CONFIG = """\
[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = bench
my_ip = 127.0.0.1
state_path = {directory}
default_log_levels = ironic=WARNING
enabled_hardware_types = fake-hardware
{fake}
enabled_deploy_interfaces = direct
enabled_network_interfaces = noop
enabled_storage_interfaces = noop
[api]
host_ip = 127.0.0.1
port = {port}
max_limit = {page}
[conductor]
sync_power_state_interval = 0
[database]
connection = sqlite:///{directory}/ironic.sqlite
[oslo_concurrency]
lock_path = {directory}
"""


def install() -> None:
    """A new environment with the pinned packages."""
    venv.create(ENVIRONMENT, clear=True, with_pip=True)
    pip = [str(ENVIRONMENT / "bin/pip"), "-q", "--disable-pip-version-check", "install", "--require-hashes"]
    if subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=False).returncode:
        raise SystemExit(f"pip could not install {REQUIREMENTS.relative_to(ROOT)}: its reason stands above")
    READY.touch()


def is_installed() -> bool:
    return READY.exists() and READY.stat().st_mtime >= REQUIREMENTS.stat().st_mtime


def version() -> str:
    """Of the installed package. Ends the program if it is missing or older than its requirements."""
    if not is_installed():
        raise SystemExit(f"OpenStack Ironic {pinned()} is not installed in {ENVIRONMENT}. Install it with: {INSTALL}")
    return pinned()


def pinned() -> str:
    lines = REQUIREMENTS.read_text().splitlines()
    return next(line.split()[0].removeprefix("ironic==") for line in lines if line.startswith("ironic=="))


@dataclass(frozen=True)
class Ironic:
    directory: Path
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def fill(self, nodes: int) -> list[str]:
        """Add so many nodes, and return their UUIDs: one by the API, the rows of the others are copies of its row."""
        made = requests.post(f"{self.url}/nodes", json=_node(), headers=VERSION, timeout=60)
        if made.status_code != 201:
            raise SystemExit(f"Ironic made no node: {made.status_code} {made.text[:500]}")
        with closing(self._database()) as database, database:
            _copy(database, nodes - 1)
            internal = json.dumps({"agent_secret_token": TOKEN, "agent_url": CALLBACK})
            database.execute("UPDATE nodes SET provision_state = ?, driver_internal_info = ?", (STATE, internal))
            return [row["uuid"] for row in database.execute("SELECT uuid FROM nodes ORDER BY id")]

    def heard(self) -> int:
        """Of so many nodes a heartbeat is recorded."""
        with closing(self._database()) as database:
            asked = "SELECT count(*) FROM nodes WHERE driver_internal_info LIKE '%agent_last_heartbeat%'"
            return int(database.execute(asked).fetchone()[0])

    def list_nodes(self) -> int:
        """Read the list of all nodes, page after page. Return how many there were."""
        count, url = 0, f"{self.url}/nodes?limit={PAGE}"
        with requests.Session() as session:
            while url:
                answer = session.get(url, headers=VERSION, timeout=300)
                answer.raise_for_status()
                page: dict[str, Any] = answer.json()
                count += len(page["nodes"])
                url = page.get("next", "")
        return count

    def _database(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.directory / "ironic.sqlite", timeout=60)
        database.row_factory = sqlite3.Row
        return database


def heartbeat(node: str) -> bytes:
    """What an agent sends for this node, from the path on."""
    body = json.dumps({"callback_url": CALLBACK, "agent_version": "11.0.0", "agent_token": TOKEN})
    (name, value), *_ = VERSION.items()
    return (
        f"POST /v1/heartbeat/{node} HTTP/1.1\r\nHost: 127.0.0.1\r\n{name}: {value}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextmanager
def running() -> Iterator[Ironic]:
    """A new one with an empty database."""
    with TemporaryDirectory(prefix="vetting-bench-") as directory, _running(Path(directory)) as ironic:
        yield ironic


@contextmanager
def _running(directory: Path) -> Iterator[Ironic]:
    port, config, log = free_port(), directory / "ironic.conf", directory / "ironic.log"
    fake = "\n".join(f"enabled_{kind}_interfaces = fake" for kind in FAKE)
    config.write_text(CONFIG.format(directory=directory, fake=fake, port=port, page=PAGE))
    _make_schema(config, log)
    with log.open("ab") as output:
        service = psutil.Popen(_command("ironic", config), env=_environment(), stdout=output, stderr=output)
    try:
        ironic = Ironic(directory, port, service.pid)
        _wait_for(ironic, service, log)
        yield ironic
    finally:
        _stop(service)


def _make_schema(config: Path, log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(
            [*_command("ironic-dbsync", config), "create_schema"],
            env=_environment(), stdout=output, stderr=output, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"ironic-dbsync made no database:\n{_end_of(log)}")


def _command(name: str, config: Path) -> list[str]:
    return [str(ENVIRONMENT / "bin/python"), str(ENVIRONMENT / "bin" / name), "--config-file", str(config)]


def _environment() -> dict[str, str]:
    """Ours, without what points Python or Django at our own packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DJANGO", "VETTING_"))}


def _wait_for(ironic: Ironic, service: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if requests.get(f"{ironic.url}/nodes", headers=VERSION, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise SystemExit(f"Ironic did not answer within {STARTS_WITHIN_S:.0f} s. The end of its log:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


def _stop(service: psutil.Popen) -> None:
    """It ends its running work first; what does not end in time is killed."""
    family = [service, *service.children(recursive=True)] if service.is_running() else []
    service.terminate()
    _, alive = psutil.wait_procs(family, STOPS_WITHIN_S)
    for one in alive:
        one.kill()


def _node() -> dict[str, object]:
    properties = {"cpus": 64, "memory_mb": 524_288, "local_gb": 3_840, "cpu_arch": "x86_64"}
    return {"driver": "fake-hardware", "name": "bench-0", "properties": properties}


def _copy(database: sqlite3.Connection, count: int) -> None:
    row = dict(database.execute("SELECT * FROM nodes").fetchone())
    del row["id"]
    values = (list((row | {"uuid": str(uuid.uuid4()), "name": f"bench-{n}"}).values()) for n in range(1, count + 1))
    places = ", ".join("?" * len(row))
    database.executemany(f"INSERT INTO nodes ({', '.join(row)}) VALUES ({places})", values)


if __name__ == "__main__":
    install()
    print(f"OpenStack Ironic {version()} with {sys.version.split()[0]} in {ENVIRONMENT}")
