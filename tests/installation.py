"""A large installation: thousands of hosts with years of runs, made in seconds.

Some runs are made in full as templates, one for each way in which a run stands or ends. The database then copies their
rows: a copy differs from its template by host, age, and numbers of its rows. Measurements are not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction

from agent.contract import codec
from hosts import adoption
from hosts.models import Health, Host, HostMac
from runs.machine import HELD, LIVE
from runs.models import (
    Artifact,
    Boot,
    Finding,
    HoldSession,
    LadderRung,
    Run,
    RunEvent,
    SpecDiff,
    StageRun,
    Verdict,
    WakeRequest,
)
from runs.profiles import load as profiles
from tests import factories
from tests.talker import INVENTORY

# Of so many hosts: how the newest run of each stands. None of the others goes on.
NEWEST: tuple[tuple[Callable[[], Run], int], ...] = (
    (factories.in_smart, 2), (factories.in_storage, 3), (factories.queued, 1), (factories.waiting, 1),
    (factories.held, 3), (factories.failed_unheld, 2), (factories.passed, 88),
)  # fmt: skip
EARLIER: tuple[tuple[Callable[[], Run], int], ...] = (
    (factories.passed, 85), (factories.released, 8), (factories.cancelled, 5), (factories.boot_failed, 2),
)  # fmt: skip
NEVER_EVERY = 50
"""One of so many hosts was never vetted."""
BETWEEN_S = 3600
"""Between two runs of the installation."""
EVIDENCE = {"tool": "a line of its output, as long as such lines are\n" * 30}
_COPIED = (Boot, LadderRung, WakeRequest, StageRun, RunEvent, Artifact, HoldSession, Finding, SpecDiff)
_TABLE = "installation_copy"


def fill(hosts: int, runs: int) -> None:
    """Add so many hosts, and so many runs of them, in turn; the newest run of each host last."""
    templates = {scene: _template(scene) for scene in dict.fromkeys(scene for scene, _ in (*NEWEST, *EARLIER))}
    with transaction.atomic():
        vetted = [pk for number, pk in enumerate(_hosts(hosts)) if number % NEVER_EVERY]
        _plan(list(_rows(vetted, runs, templates)))  # its query must not run inside the insertion
        _copy_runs()
        for model in _COPIED:
            _copy(model)
        _set_health()
    _refresh_statistics()


def _template(scene: Callable[[], Run]) -> Run:
    """One run in full: with the documents, the evidence and the events of a real one."""
    run = scene()
    found = _inventory(run.pk)
    spec = adoption.from_inventory(found)
    Host.objects.filter(pk=run.host_id).update(expected=spec, health=Health.UNKNOWN)
    over = run.state not in LIVE
    Run.objects.filter(pk=run.pk).update(
        profile=profiles.load("quick"), expected=spec, inventory=found if over and run.verdict else None
    )
    run.stage_runs.update(evidence=EVIDENCE)
    for stage in run.stage_runs.all():
        factories.tell(run, "stage_done", f"{stage.name} passed", state_before=stage.name, state_after=stage.name)
    return run


def _inventory(number: int) -> dict[str, Any]:
    """What a server with two sockets has."""
    found: dict[str, Any] = codec.encode(INVENTORY)
    found["memory"]["dimms"] = [
        found["memory"]["dimms"][0] | {"slot": f"DIMM_{letter}{n}", "serial": f"{number:04X}{letter}{n}"}
        for letter in "ABCDEFGH"
        for n in (1, 2)
    ]
    found["disks"] = [found["disks"][0] | {"serial": f"S{number:05d}{n:02d}"} for n in range(12)]
    return found


def _hosts(count: int) -> list[int]:
    specs = [adoption.from_inventory(_inventory(number)) for number in range(4)]
    first = Host.objects.count()
    made = Host.objects.bulk_create(
        Host(name=f"node-{number:05d}", expected=_spec(specs[number % 4], number), profile_name=_profile(number))
        for number in range(first, first + count)
    )
    HostMac.objects.bulk_create(HostMac(host=host, mac=mac) for host in made for mac in _macs(host.pk))
    return [host.pk for host in made]


def _spec(spec: dict[str, Any], number: int) -> dict[str, Any]:
    system = {"vendor": "Acme", "product": f"R{number % 8}00", "serial": f"SN{number:06d}"}
    return spec | {"system": (spec.get("system") or {}) | system}


def _profile(number: int) -> str:
    return "deep" if number % 10 == 0 else "quick"


def _macs(host: int) -> Iterator[str]:
    for port in range(2):
        yield f"02:{port:02x}:{host >> 24 & 255:02x}:{host >> 16 & 255:02x}:{host >> 8 & 255:02x}:{host & 255:02x}"


def _rows(hosts: list[int], runs: int, templates: dict[Any, Run]) -> Iterator[tuple[int, int, int, int]]:
    """Number, template, host, and how much older than its template: of each run. A live run is as old as that."""
    first = (Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    newest, earlier = _spread(NEWEST), _spread(EARLIER)
    for number in range(runs if hosts else 0):
        is_newest = number >= runs - len(hosts)
        scene = (newest if is_newest else earlier)[number * 37 % 100]
        template = templates[scene]
        lives = template.state in LIVE | HELD
        yield first + number, template.pk, hosts[number % len(hosts)], 0 if lives else (runs - number) * BETWEEN_S


def _spread(mix: Iterable[tuple[Any, int]]) -> list[Any]:
    return [scene for scene, count in mix for _ in range(count)]


# --- copying, by SQL that SQLite and PostgreSQL both know ----------------------------------------------------------


def _plan(rows: Iterable[tuple[int, int, int, int]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        cursor.execute(
            f"CREATE TEMPORARY TABLE {_TABLE} (run BIGINT PRIMARY KEY, template BIGINT, host BIGINT, older_s BIGINT)"
        )
        cursor.executemany(f"INSERT INTO {_TABLE} VALUES (%s, %s, %s, %s)", rows)
        cursor.execute(f"CREATE INDEX {_TABLE}_template ON {_TABLE} (template)")


def _copy_runs() -> None:
    """The live runs of a host are put in last: two at once are not allowed."""
    values = {"id": "c.run", "host_id": "c.host"}
    _insert(Run, values, f"{_TABLE} c JOIN runs_run t ON t.id = c.template", "c.run")
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Run]):
            cursor.execute(statement)


def _copy(model: type[models.Model]) -> None:
    table = model._meta.db_table
    origin, values = f"{_TABLE} c JOIN {table} t ON t.run_id = c.template", {"run_id": "c.run"}
    if any(field.name == "stage_run" for field in model._meta.concrete_fields):
        origin += (
            " JOIN runs_stagerun o ON o.id = t.stage_run_id"
            " JOIN runs_stagerun n ON n.run_id = c.run AND n.name = o.name AND n.attempt = o.attempt"
        )
        values["stage_run_id"] = "n.id"
    _insert(model, values, origin, "c.run, t.id")


def _insert(model: type[models.Model], values: dict[str, str], origin: str, order: str) -> None:
    """`values` are columns that are not the template's."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key or field.column in values]
    chosen = ", ".join(values.get(field.column) or _value(field) for field in fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {chosen} FROM {origin} ORDER BY {order}')


def _value(field: Any) -> str:
    column = f't."{field.column}"'
    if not isinstance(field, models.DateTimeField):
        return column
    if connection.vendor == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-' || c.older_s || ' seconds')"
    return f"{column} - c.older_s * interval '1 second'"


def _set_health() -> None:
    newest = Run.objects.filter(host=models.OuterRef("pk")).order_by("-pk").values("verdict")[:1]
    for verdict, health in ((Verdict.PASSED, Health.GOOD), (Verdict.FAILED, Health.BAD)):
        hosts = Host.objects.annotate(last=models.Subquery(newest)).filter(last=verdict)
        Host.objects.filter(pk__in=hosts.values("pk")).update(health=health)


def _refresh_statistics() -> None:
    """As PostgreSQL's autovacuum does by itself. SQLite has none, in use either."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
