"""One host sends its largest results, one after the other, while another sends heartbeats to the same web process: how
long did a heartbeat wait at worst, how long was a transaction open, and how large are the pages afterwards?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from agent.contract import codec, wire
from tests.bench import fleet, web
from tests.ports import free_port

LARGEST_BYTES = 2 * 1024 * 1024
RESULTS = 6
EVERY_S = 0.1


def main() -> None:
    with TemporaryDirectory() as directory:
        port = free_port()
        fleet.set_up(Path(directory), port)
        loud, calm, third = ((one.run, one.token) for one in fleet.claimed_runs(3))
        with web.started("daphne", port, Path(directory)):
            url = f"http://127.0.0.1:{port}"
            quiet_s = _beats(url, calm, lambda: time.sleep(5))
            took: list[float] = []
            loud_s = _beats(url, calm, lambda: took.extend(_results(url, loud)))
        print(f"heartbeats of another host, nothing else going on: {_words(quiet_s)}")
        print(f"the same while one sends {len(took)} results of {LARGEST_BYTES / 2**20:.0f} MiB: {_words(loud_s)}")
        print(f"a large result was answered after {max(took):.2f} s at worst")
        print(f"its transaction was open for {_longest_transaction(third):.3f} s")
        print(f"pages afterwards: {_pages(loud[0])}")


def largest(boot_id: str, stage: str) -> bytes:
    """As many findings as one message takes."""
    finding = wire.Finding("smart.wear", wire.Severity.WARNING, "disk", "S4EVNX0M803122", "sda: 91 % worn", 91.0)
    each = len(codec.dumps(finding)) + 1
    many = [finding] * ((LARGEST_BYTES - 4_096) // each)
    inventory = wire.Inventory() if stage == "InventoryCheck" else None
    return codec.dumps(
        wire.Result(boot_id, stage, 1, wire.Outcome.NOT_TESTED, "bench", 1.0, 2.0, findings=many, inventory=inventory)
    )


def _results(url: str, run: tuple[int, str]) -> list[float]:
    took, stage = [], "InventoryCheck"
    for _ in range(RESULTS):
        body = largest("boot-0", stage)
        began = time.monotonic()
        answer = _post(url, run, "result", body)
        took.append(time.monotonic() - began)
        if not answer["go"]:
            break
        stage = answer["next_state"]
    return took


def _beats(url: str, run: tuple[int, str], meanwhile: Any) -> list[float]:
    waited: list[float] = []
    over = threading.Event()

    def beat() -> None:
        body = codec.dumps(wire.Heartbeat("boot-1", "InventoryCheck", 1, 1.0))
        while not over.is_set():
            began = time.monotonic()
            _post(url, run, "heartbeat", body)
            waited.append(time.monotonic() - began)
            time.sleep(EVERY_S)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        meanwhile()
    finally:
        over.set()
        thread.join()
    return waited


def _post(url: str, run: tuple[int, str], call: str, body: bytes) -> Any:
    headers = {"Authorization": f"Bearer {run[1]}", "Content-Type": "application/json"}
    reply = requests.post(f"{url}/api/v1/runs/{run[0]}/{call}", data=body, headers=headers, timeout=120)
    reply.raise_for_status()
    return reply.json()


def _longest_transaction(run: tuple[int, str]) -> float:
    from agentapi import endpoint
    from runs.database import transactions

    real, held = transactions.short, [0.0]

    @contextmanager
    def measured(what: str) -> Iterator[None]:
        with real(what):
            began = time.monotonic()
            yield
        held.append(time.monotonic() - began)

    transactions.short = measured
    body = largest("boot-2", "InventoryCheck")
    assert endpoint.answer(endpoint.Request("result", run[0], run[1], body, "127.0.0.1")).status == 200
    return max(held)


def _pages(run_id: int) -> str:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    from runs.models import Run

    settings.ALLOWED_HOSTS = ["*"]
    client, run = Client(), Run.objects.get(pk=run_id)
    client.force_login(get_user_model().objects.create_superuser("bench"))
    addresses = ("/", run.get_absolute_url(), run.host.get_absolute_url())
    return ", ".join(f"{address} {len(client.get(address).content):,} bytes" for address in addresses)


def _words(waited_s: list[float]) -> str:
    ordered = sorted(waited_s)
    return f"{len(ordered)} sent, median {ordered[len(ordered) // 2] * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms"
