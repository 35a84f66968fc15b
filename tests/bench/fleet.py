"""Rows of many hosts whose runs are being tested, and what their agents send, as prepared bytes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agent.contract import codec, wire
from tests.ports import free_port

LINES_PER_BATCH = 5
SAMPLES_PER_BATCH = wire.MAX_MEASUREMENTS_PER_BATCH
SAMPLE_EVERY_S = 5.0
STAGE = "InventoryCheck"
# Seconds between two calls of a kind, as the agent makes them.
EVERY_S = {
    "heartbeat": wire.HEARTBEAT_INTERVAL_S,
    "log": wire.LOG_INTERVAL_S,
    "sensor": wire.SENSOR_INTERVAL_S,
}


@dataclass(frozen=True)
class Agent:
    """One host under test. `address` is a loopback address of its own: the web process counts connections by it."""

    run: int
    token: str
    boot_id: str
    address: str


def set_up(directory: Path, port: int, database_url: str = "") -> None:
    """Settings of an installation in `directory`, and its migrated database."""
    config = directory / "vetting.yaml"
    config.write_text(f"web: {{listen: 127.0.0.1, port: {port}, boot_port: {free_port()}}}\n")
    os.environ |= {
        "VETTING_DATA_DIR": str(directory),
        "VETTING_CONFIG": str(config),
        "VETTING_SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": database_url or f"sqlite:///{directory / 'vetting.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
        "VETTING_LOG_LEVEL": "WARNING",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def claimed_runs(count: int) -> list[Agent]:
    """Hosts whose run has been claimed and is in its first stage. The first one comes there by the product's own calls;
    the rows of the others are copies of its rows."""
    from django.conf import settings

    settings.AGENT_TOKEN_BCRYPT_ROUNDS = 4  # each is made once here; the web process checks with what was made
    first = _claimed_run()
    return [first, *_copies(first, count - 1)]


def _claimed_run() -> Agent:
    from hosts.models import Host, HostMac
    from runs import agent_calls, boot_script, lifecycle
    from runs.models import Boot

    host = Host.objects.create(name="bench-0")
    HostMac.objects.create(host=host, mac="52:54:00:00:00:00")
    run = lifecycle.start_run(host, profile_name="quick")
    lifecycle.dispatch(run)
    token = boot_script.script_fetched(host, "127.0.0.1").token
    claim = wire.Claim("boot-0", f"4c4c4544-0042-3510-8051-{0:012x}", ["52:54:00:00:00:00"])
    agent_calls.claim(Boot.objects.get(run=run), claim, "127.0.0.1")
    return Agent(run.pk, token, "boot-0", address(0))


def _copies(first: Agent, count: int) -> Iterator[Agent]:
    from hosts.models import Host
    from runs import tokens
    from runs.models import Boot, Run, StageRun

    boot, stage = Boot.objects.select_related("run").get(run=first.run), StageRun.objects.get(run=first.run)
    hosts = Host.objects.bulk_create([Host(name=f"bench-{n}") for n in range(1, count + 1)])
    fields = {field.attname: getattr(boot.run, field.attname) for field in Run._meta.concrete_fields}
    runs = Run.objects.bulk_create([Run(**fields | {"id": None, "host_id": host.pk}) for host in hosts])
    boots, stages = [], []
    for n, run in enumerate(runs, start=1):
        token = tokens.make(run.pk, run.host_id, boot.number, boot.nonce)
        yield Agent(run.pk, token, f"boot-{n}", address(n))
        boots.append(_copy(boot, run_id=run.pk, boot_id=f"boot-{n}", agent_token_hash=tokens.hashed(token)))
        stages.append(_copy(stage, run_id=run.pk))
    Boot.objects.bulk_create(boots)
    StageRun.objects.bulk_create(stages)


def _copy(row: object, **changed: object) -> object:
    kind = type(row)
    fields = {field.attname: getattr(row, field.attname) for field in kind._meta.concrete_fields}  # type: ignore[attr-defined]
    return kind(**fields | {"id": None} | changed)


def address(number: int) -> str:
    return f"127.1.{number // 250}.{1 + number % 250}"


def body(agent: Agent, call: str, seq: int, began: float) -> bytes:
    """The message of this number. All agents share its end, which is encoded once."""
    return b'{"boot_id":"%s",%s' % (agent.boot_id.encode(), _rest(call, seq, began))


@cache
def _rest(call: str, seq: int, began: float) -> bytes:
    whole: bytes = codec.dumps(_message(call, seq, began))
    return whole.removeprefix(b'{"boot_id":"",')


def _message(call: str, seq: int, began: float) -> object:
    if call == "heartbeat":
        progress = [wire.Progress("cpu", float(seq % 100), "verifying")]
        return wire.Heartbeat("", STAGE, 1, float(seq), progress)
    if call == "log":
        lines = [wire.LogLine(began + 2 * seq, "info", STAGE, line_text(seq, k)) for k in range(LINES_PER_BATCH)]
        return wire.LogBatch("", seq, lines)
    at = began + SAMPLE_EVERY_S * seq
    measured = [wire.Measurement(at, "cpu", f"CPU{k}", "temp", 40.0 + k, "C") for k in range(SAMPLES_PER_BATCH)]
    return wire.SensorBatch("", seq, measured)


def line_text(seq: int, k: int) -> str:
    return f"batch {seq} line {k}"
