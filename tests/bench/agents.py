"""Many agents at the rates of the contract against one web process on SQLite: is everything accepted, and what is
recorded exactly what was sent?

Per agent a heartbeat every 5 s, a log batch every 2 s, a batch of 50 measurements every 5 s, each sent at its own
moment whatever became of the last (open loop). Afterwards the rows and log lines are counted against what was sent.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import requests

from agent.contract import codec, wire
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
LINES_PER_BATCH = 5


@dataclass
class Tally:
    """What was sent and answered; `late_s` are the answer times in seconds."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)


def main(agents: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        _set_up(Path(directory), port)
        tokens = _claimed_runs(agents)
        web = _start_web(port)
        try:
            process = psutil.Process(web.pid)
            before = process.cpu_times()
            started = time.monotonic()
            tally = asyncio.run(_load(port, tokens, seconds))
            took = time.monotonic() - started
            after, memory = process.cpu_times(), process.memory_info().rss
        finally:
            web.terminate()
            web.wait()
        cpu = (after.user + after.system) - (before.user + before.system)
        _report(agents, seconds, took, tally, cpu, memory)


def _set_up(directory: Path, port: int) -> None:
    config = directory / "vetting.yaml"
    config.write_text(f"web: {{listen: 127.0.0.1, port: {port}, boot_port: {free_port()}}}\n")
    os.environ |= {
        "VETTING_DATA_DIR": str(directory),
        "VETTING_CONFIG": str(config),
        "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": f"sqlite:///{directory / 'vetting.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
        "VETTING_LOG_LEVEL": "WARNING",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _claimed_runs(agents: int) -> list[tuple[int, str]]:
    """(run, token) of hosts whose run has been claimed and is in its first stage."""
    from django.conf import settings

    from hosts.models import Host, HostMac
    from runs import agent_calls, boot_script, lifecycle
    from runs.models import Boot

    settings.AGENT_TOKEN_BCRYPT_ROUNDS = 4  # each is made once here; the web process checks with what was made
    made = []
    for n in range(agents):
        mac = f"52:54:00:00:{n // 256:02x}:{n % 256:02x}"
        host = Host.objects.create(name=f"bench-{n}")
        HostMac.objects.create(host=host, mac=mac)
        run = lifecycle.start_run(host, profile_name="quick")
        lifecycle.dispatch(run)
        token = boot_script.script_fetched(host, "127.0.0.1").token
        claim = wire.Claim(f"boot-{n}", f"4c4c4544-0042-3510-8051-{n:012x}", [mac])
        agent_calls.claim(Boot.objects.get(run=run), claim, "127.0.0.1")
        made.append((run.pk, token))
    return made


def _start_web(port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "daphne", "--verbosity", "0", "-b", "127.0.0.1", "-p", str(port)]
    web = subprocess.Popen([*command, "vetting.asgi:application"], cwd=ROOT)
    for _ in range(300):
        try:
            if requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).ok:
                return web
        except requests.ConnectionError:
            time.sleep(0.1)
    web.terminate()
    raise SystemExit("the web process did not come up")


async def _load(port: int, tokens: list[tuple[int, str]], seconds: float) -> Tally:
    tally = Tally()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as client:
        loops = [
            _repeat(client, n, run, token, call, every, seconds, tally)
            for n, (run, token) in enumerate(tokens)
            for call, every in (
                ("heartbeat", wire.HEARTBEAT_INTERVAL_S),
                ("log", wire.LOG_INTERVAL_S),
                ("sensor", wire.SENSOR_INTERVAL_S),
            )
        ]
        await asyncio.gather(*loops)
    return tally


async def _repeat(
    client: aiohttp.ClientSession,
    n: int,
    run: int,
    token: str,
    call: str,
    every: float,
    seconds: float,
    tally: Tally,
) -> None:
    end = time.monotonic() + seconds
    due = time.monotonic() + random.uniform(0, every)
    seq, pending = 0, set()
    while due < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        if call == "heartbeat":
            pending.add(asyncio.create_task(_send(client, run, token, call, _message(n, call, seq), due, tally)))
        else:  # batches of one agent follow each other, as the real agent sends them
            await _send(client, run, token, call, _message(n, call, seq), due, tally)
        due += every
    await asyncio.gather(*pending)


def _message(n: int, call: str, seq: int) -> bytes:
    boot = f"boot-{n}"
    if call == "heartbeat":
        progress = [wire.Progress("cpu", seq % 100, "verifying")]
        return codec.dumps(wire.Heartbeat(boot, "InventoryCheck", 1, float(seq), progress))
    if call == "log":
        lines = [
            wire.LogLine(time.time(), "info", "InventoryCheck", f"batch {seq} line {k}") for k in range(LINES_PER_BATCH)
        ]
        return codec.dumps(wire.LogBatch(boot, seq, lines))
    measured = [wire.Measurement(time.time(), "cpu", f"CPU{k}", "temp", 40.0 + k, "C") for k in range(50)]
    return codec.dumps(wire.SensorBatch(boot, seq, measured))


async def _send(
    client: aiohttp.ClientSession, run: int, token: str, call: str, body: bytes, due: float, tally: Tally
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    tally.sent[call] += 1
    async with client.post(f"/api/v1/runs/{run}/{call}", data=body, headers=headers) as reply:
        await reply.read()
    tally.statuses[reply.status] += 1
    tally.late_s.append(time.monotonic() - due)


def _report(agents: int, seconds: float, took: float, tally: Tally, cpu_s: float, memory: int) -> None:
    from runs.files import logs as logfiles
    from runs.models import Measurement, Run

    recorded = Measurement.objects.count()
    lines = sum(logfiles.path(pk).read_bytes().count(b"\n") for pk in Run.objects.values_list("pk", flat=True))
    late = sorted(tally.late_s)
    print(f"agents {agents}, {seconds:.0f} s, one web process (daphne, SQLite), load generator on the same two cores")
    sent = sum(tally.sent.values())
    print(f"requests {sent} ({sent / took:.0f}/s), statuses {dict(tally.statuses)}")
    print(f"measurements recorded {recorded} of {tally.sent['sensor'] * 50} sent")
    print(f"log lines recorded {lines} of {tally.sent['log'] * LINES_PER_BATCH} sent")
    print(
        f"answer times p50 {late[len(late) // 2] * 1000:.1f} ms, "
        f"p99 {late[int(len(late) * 0.99)] * 1000:.1f} ms, max {late[-1] * 1000:.0f} ms"
    )
    print(f"web process {100 * cpu_s / took:.0f} % of one core, {memory / 2**20:.0f} MB")
    lost = tally.sent["sensor"] * 50 - recorded + tally.sent["log"] * LINES_PER_BATCH - lines
    print("nothing lost" if lost == 0 and set(tally.statuses) == {200} else f"LOST {lost}")
    if lost or set(tally.statuses) != {200}:
        raise SystemExit(1)
