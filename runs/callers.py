"""Read the callers of many agents' calls in one query: each boot with its run and the running attempt.

The statement is fixed text. If the ORM made it, that would take longer than everything else for the small groups of a
calm bench.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

from runs.models import Boot, Outcome, Run, StageRun

Key = tuple[int, int]
_COLUMNS: tuple[tuple[type[models.Model], frozenset[str]], ...] = (
    (
        Boot,
        frozenset(
            {"id", "run_id", "number", "nonce", "agent_token_hash", "claimed_at", "dead_at", "boot_id", "log_seq"}
            | {"sensor_seq"}
        ),
    ),
    (Run, frozenset({"id", "host_id", "state", "log_bytes", "sensor_seq"})),
    (StageRun, frozenset({"id", "run_id", "name", "attempt", "by_retry", "go_at", "link_until", "progress"})),
)


@dataclass
class Caller:
    """A boot (`boot.run` is its run) and the attempt that runs, or waits for its go. Other columns are read only if
    somebody asks for them."""

    boot: Boot
    stage_run: StageRun | None


def of(keys: Collection[Key]) -> dict[Key, Caller]:
    """Callers by run and number of the boot. Call it in a transaction: nobody else changes these boots and runs until
    its end. On PostgreSQL, rows that somebody else is changing are left out."""
    found: dict[Key, Caller] = {}
    runs: dict[int, Run] = {}
    if not keys:
        return found
    real = connections[DEFAULT_DB_ALIAS]  # not the proxy, which looks for it again at each use
    boots, its_runs, attempts = _parts(real.vendor)
    with real.cursor() as cursor:
        cursor.execute(_statement(real.vendor, len(keys)), [part for key in keys for part in key])
        rows = cursor.fetchall()
    for row in rows:
        boot, run = boots.made(row, real), its_runs.made(row, real)
        stage_run = attempts.made(row, real) if row[attempts.first] is not None else None
        boot.run = runs.setdefault(run.pk, run)
        key = (boot.run_id, boot.number)
        known = found.setdefault(key, Caller(boot, stage_run))
        if known.stage_run and stage_run and stage_run.attempt > known.stage_run.attempt:
            known.stage_run = stage_run
    return found


@cache
def _statement(vendor: str, count: int) -> str:
    boot, run, stage = (model._meta.db_table for model, _ in _COLUMNS)
    columns = ", ".join(f"{field.model._meta.db_table}.{field.column}" for part in _fields() for field in part)
    lock = "" if vendor == "sqlite" else f" FOR NO KEY UPDATE OF {boot}, {run} SKIP LOCKED"
    return (
        f"SELECT {columns} FROM (VALUES {', '.join(['(%s, %s)'] * count)}) AS asked"
        f" JOIN {boot} ON {boot}.run_id = asked.column1 AND {boot}.number = asked.column2"
        f" JOIN {run} ON {run}.id = {boot}.run_id"
        f" LEFT JOIN {stage} ON {stage}.run_id = {run}.id AND {stage}.name = {run}.state"
        f" AND {stage}.outcome = '{Outcome.RUNNING.value}'{lock}"
    )


@cache
def _fields() -> tuple[tuple[models.Field[Any, Any], ...], ...]:
    """The fields of each model that are read, in the order in which the model has them."""
    return tuple(
        tuple(field for field in model._meta.concrete_fields if field.attname in names) for model, names in _COLUMNS
    )


@dataclass(frozen=True)
class _Part:
    """Which columns of a row belong to a model, and how their values become Python values. `made` does the work of
    `Model.from_db`, but sends no signals and does not check for each other column whether it was read."""

    model: type[models.Model]
    names: tuple[str, ...]
    first: int
    converted: tuple[tuple[int, tuple[Callable[..., Any], ...], Any], ...]

    def made(self, row: Sequence[Any], real: BaseDatabaseWrapper) -> Any:
        values = list(row[self.first : self.first + len(self.names)])
        for at, converters, column in self.converted:
            for convert in converters:
                values[at] = convert(values[at], column, real)
        made = self.model.__new__(self.model)
        made.__dict__.update(zip(self.names, values, strict=True), _state=_read_from(real.alias))
        return made


def _read_from(alias: str) -> ModelState:
    state = ModelState()
    state.adding, state.db = False, alias
    return state


@cache
def _parts(vendor: str) -> tuple[_Part, ...]:
    return tuple(_each_part())


def _each_part() -> Iterator[_Part]:
    first = 0
    for (model, _), fields in zip(_COLUMNS, _fields(), strict=True):
        columns = [field.get_col(model._meta.db_table) for field in fields]
        converters = [
            (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)) for column in columns
        ]
        converted = tuple(
            (at, found, column) for at, (found, column) in enumerate(zip(converters, columns, strict=True)) if found
        )
        yield _Part(model, tuple(field.attname for field in fields), first, converted)
        first += len(fields)
