"""A database of the first schema, with history, comes to this version without loss: by an upgrade, and by a restore."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from runs.files import logs as logfiles
from runs.measurements import reading
from runs.models import Artifact, Run
from tests.backups.conftest import own_sqlite, own_system, sqlite_at  # noqa: F401  fixtures
from tests.upgrade.first_schema import COPIED, FILE
from vetting import doctor
from vetting.backups import making, restoring

Content = dict[str, tuple[list[str], list[tuple[Any, ...]]]]


@pytest.fixture
def old(own_sqlite: None, tmp_path: Path) -> Iterator[Path]:  # noqa: F811
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FILE.read_text(encoding="utf-8"))
    return path


def content(path: Path, like: Content | None = None) -> Content:
    """Columns and rows of our tables; of those columns alone that `like` has, where it is given."""
    found: Content = {}
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            if table.startswith(COPIED) and (like is None or table in like):
                columns = (
                    like[table][0] if like else [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                )
                names = ", ".join(f'"{column}"' for column in columns)
                found[table] = columns, connection.execute(f"SELECT {names} FROM {table} ORDER BY 1").fetchall()
    return found


def kept_measurements(before: Content) -> Counter[tuple[Any, ...]]:
    """The rows of the first schema, with times to the millisecond; they are not in `before` any more."""
    columns, rows = before.pop("runs_measurement")
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return Counter(
        (
            row["run_id"],
            row["at"][:23],
            *(row[name] for name in ("component_kind", "component", "name", "value", "unit")),
        )
        for row in found
    )


def measurements() -> Counter[tuple[Any, ...]]:
    return Counter(
        (run, f"{datetime.fromtimestamp(one.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:23], *one[1:])
        for run in Run.objects.values_list("pk", flat=True)
        for one in reading.every(run)
    )


def make_files() -> None:
    """As long as the rows say."""
    sizes = {logfiles.path(run.pk): run.log_bytes for run in Run.objects.only("pk", "log_bytes") if run.log_bytes}
    sizes |= {settings.RUNS_DIR / one.path: one.size for one in Artifact.objects.all()}
    for path, size in sizes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def test_an_upgrade_loses_nothing(old: Path) -> None:
    before = content(old)
    assert {table: len(rows) > 0 for table, (_, rows) in before.items()}.items() >= {
        "runs_run": True, "runs_runevent": True, "runs_measurement": True, "runs_stagerun": True, "hosts_host": True,
    }.items()  # fmt: skip
    measured = kept_measurements(before)
    with sqlite_at(old):
        call_command("migrate", verbosity=0)
        make_files()
        assert doctor.violations(again_after_s=0) == []
        assert measurements() == measured
    assert content(old, like=before) == before


def test_a_backup_of_the_first_schema_is_restored_and_brought_forward(old: Path, tmp_path: Path) -> None:
    before = content(old)
    measured = kept_measurements(before)
    with sqlite_at(old):
        for run, length in sqlite3.connect(old).execute("SELECT id, log_bytes FROM runs_run WHERE log_bytes"):
            logfiles.append(run, 0, b"x" * length)
        made = making.make(tmp_path / "backup.tar.gz")
    restoring.restore(made.path)
    assert measurements() == measured
    after = content(tmp_path / "vetting.sqlite3", like=before)
    rewritten = {"runs_artifact"}  # the reports did not come along
    assert {t: rows for t, rows in after.items() if t not in rewritten} == {
        t: rows for t, rows in before.items() if t not in rewritten | {"runs_lease"}
    } | {"runs_lease": after["runs_lease"]}
    assert doctor.violations(again_after_s=0) == []
