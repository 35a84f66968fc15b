"""Does an agent's `/result` wait for messages? Hosts report a failed stage, of which a webhook is told by a real
worker: once the receiver answers, once it takes the connection and never answers. How long did each result take?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.contract import codec, wire
from tests.bench import fleet, web
from tests.bench.results import _post
from tests.notifications.receivers import Received, http_server, silent_server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HOSTS, EVERY_S = 50, 0.2
STARTED_S = 120.0


def main() -> None:
    servers: dict[str, Callable[[], AbstractContextManager[Received]]] = {
        "the receiver answers": http_server,
        "the receiver hangs": silent_server,
    }
    for title, server in servers.items():
        _apart(title, server)


def _apart(title: str, server: Callable[[], AbstractContextManager[Received]]) -> None:
    if (child := os.fork()) == 0:
        try:
            with TemporaryDirectory() as directory, server() as receiver:
                print(f"{title:22} {_measured(Path(directory), receiver.url)}", flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _measured(directory: Path, receiver: str) -> str:
    port = free_port()
    fleet.set_up(directory, port)
    with (directory / "vetting.yaml").open("a") as config:
        config.write(
            "notifications:\n  burst_after: null\n"
            f"  targets: [{{name: hook, kind: webhook, url: '{receiver}', token_env: BENCH_KEY}}]\n"
            "  routes: [{to: [hook]}]\niperf3: {supervise: 'off'}\n"
        )
    os.environ["BENCH_KEY"] = "k" * 32
    hosts = fleet.claimed_runs(HOSTS)
    worker = subprocess.Popen([sys.executable, "manage.py", "vetworker"], cwd=ROOT)
    try:
        with web.started("daphne", port, directory):
            _worker_is_at_work()
            took = [_sent(f"http://127.0.0.1:{port}", host) for host in hosts]
            return f"{_words(took)}; {_deliveries()}"
    finally:
        worker.terminate()
        worker.wait()


def _sent(url: str, host: fleet.Agent) -> float:
    finding = wire.Finding("smart.wear", wire.Severity.CRITICAL, "disk", "S4EVNX0M803122", "sda: 91 % worn", 91.0)
    result = wire.Result(
        host.boot_id, fleet.STAGE, 1, wire.Outcome.FAILED, "bench", 1.0, 2.0,
        findings=[finding], inventory=wire.Inventory(),
    )  # fmt: skip
    began = time.monotonic()
    _post(url, (host.run, host.token), "result", codec.dumps(result))
    took = time.monotonic() - began
    time.sleep(EVERY_S)
    return took


def _worker_is_at_work() -> None:
    from runs.models import Lease

    until = time.monotonic() + STARTED_S
    while not Lease.objects.filter(name=Lease.ROUND).exclude(ticked_at=None).exists():
        if time.monotonic() > until:
            raise SystemExit("the worker did no round")
        time.sleep(0.2)


def _deliveries() -> str:
    from notifications.models import Delivery

    sent, tried = Delivery.objects.exclude(sent_at=None).count(), Delivery.objects.exclude(attempted_at=None).count()
    return f"of {Delivery.objects.count()} messages {tried} were tried and {sent} sent meanwhile"


def _words(took: list[float]) -> str:
    ordered = sorted(took)
    median, high, worst = (ordered[int((len(ordered) - 1) * share)] * 1000 for share in (0.5, 0.95, 1))
    return f"{len(took)} results: median {median:.1f} ms, p95 {high:.1f} ms, worst {worst:.1f} ms"
