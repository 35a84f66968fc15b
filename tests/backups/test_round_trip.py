"""A backup that is made while runs go on comes back whole, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction

from runs import lifecycle
from runs.files import logs as logfiles
from runs.models import Artifact, Lease, MeasurementBatch, Run, RunEvent, Series, StageRun
from runs.reports import write as report
from tests import factories
from tests.invariants.conftest import Runs, claimed, make_runs
from vetting import atwork, doctor
from vetting.backups import archive, making, restoring

KEPT = (Run, StageRun, RunEvent, Series, MeasurementBatch, Artifact)


def rows() -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in KEPT}


def nobody_at_work() -> None:
    Lease.objects.update(ticked_at=None)


class Load:
    """At each word of progress a host sends lines and a report is written anew; once a run begins and the janitor
    takes a file away."""

    def __init__(self, runs: Runs) -> None:
        self.runs, self.writes = runs, 0

    def __call__(self, what: str, done_bytes: int) -> None:
        self.writes += 1
        if self.writes > 40:
            return
        with transaction.atomic():
            run = Run.objects.get(pk=self.runs.testing.pk)
            factories.say(run, ("info", "Memory", "x" * 500))
            report.write(self.runs.passed)
        if self.writes == 3:
            claimed(9)
            Artifact.objects.get(run=self.runs.held, name=report.JSON_NAME).delete()
            (settings.RUNS_DIR / str(self.runs.held.pk) / report.JSON_NAME).unlink()


def a_backup_under_load_comes_back(folder: Path) -> None:
    runs = make_runs()
    factories.measure(runs.testing, 0.2)
    Run.objects.filter(pk=runs.testing.pk).update(sensor_seq=1)
    before, log = rows(), logfiles.path(runs.passed.pk).read_bytes()
    load = Load(runs)
    made = making.make(folder / "backup.tar.gz", progress=load)
    assert (made.runs, load.writes > 3, Run.objects.count()) == (3, True, 4)
    lifecycle.cancel(Run.objects.latest("pk"))
    nobody_at_work()

    done = restoring.restore(made.path, yes=True)

    after = rows()
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert [{**row, "size": 0, "created_at": 0} for row in after.pop("Artifact")] == [
        {**row, "size": 0, "created_at": 0} for row in before.pop("Artifact")
    ]
    assert after == before
    assert logfiles.path(runs.passed.pk).read_bytes() == log
    assert doctor.violations(again_after_s=0) == []
    assert done.safety_copy is not None and done.safety_copy.is_file()
    assert done.notes == []


def test_a_backup_under_load_comes_back_on_sqlite(own_sqlite: None, tmp_path: Path) -> None:
    a_backup_under_load_comes_back(tmp_path)


@pytest.mark.slow
def test_a_backup_under_load_comes_back_on_postgresql(own_postgresql: None, tmp_path: Path) -> None:
    a_backup_under_load_comes_back(tmp_path)


def test_a_system_with_data_is_not_replaced_unless_asked_to(own_sqlite: None, tmp_path: Path) -> None:
    factories.queued()
    made = making.make(tmp_path / "backup.tar.gz")
    factories.queued()
    with pytest.raises(CommandError, match="this system has 2 runs, 2 hosts: with --yes"):
        call_command("restore", made.path)
    assert Run.objects.count() == 2


def test_a_system_at_work_is_not_replaced(own_sqlite: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = making.make(tmp_path / "backup.tar.gz")
    factories.worker_at_work()
    monkeypatch.setattr(atwork, "sleep", lambda seconds: factories.worker_at_work())  # the next round
    with pytest.raises(CommandError, match="stop them first"):
        call_command("restore", made.path, "--yes")


def test_a_worker_that_was_stopped_just_now_is_not_at_work(
    own_sqlite: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the commands of the page stand below each other."""
    made = making.make(tmp_path / "backup.tar.gz")
    factories.worker_at_work()
    waited: list[float] = []
    monkeypatch.setattr(atwork, "sleep", waited.append)
    call_command("restore", made.path, "--yes")
    assert sum(waited) == atwork.ROUND_JUST_DONE_S


def test_where_migrating_fails_everything_is_as_it_was(
    own_sqlite: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = making.make(tmp_path / "backup.tar.gz")
    runs = make_runs()
    nobody_at_work()
    before, files = rows(), sorted(settings.RUNS_DIR.rglob("*"))

    def fail(*args: Any, **options: Any) -> None:
        raise CommandError("no such column")

    monkeypatch.setattr(restoring, "call_command", fail)
    with pytest.raises(CommandError, match="no such column"):
        restoring.restore(made.path, yes=True)
    assert (rows(), sorted(settings.RUNS_DIR.rglob("*"))) == (before, files)
    runs.refresh()
    assert doctor.violations(again_after_s=0) == []


def test_the_command_says_what_came_back_and_what_differs(own_sqlite: None, tmp_path: Path, settings: Any) -> None:
    factories.queued()
    call_command("backup", tmp_path / "backup.tar.gz", stdout=(said := io.StringIO()))
    assert ": 1 runs, " in said.getvalue()
    Run.objects.all().delete()
    settings.SECRET_KEY = "another-key-" * 4
    with pytest.raises(CommandError, match="breaks invariants"):  # a row of a factory has no history
        call_command(
            "restore", tmp_path / "backup.tar.gz", "--yes", stdout=(said := io.StringIO()), stderr=io.StringIO()
        )
    assert "VETTING_SECRET_KEY differs" in said.getvalue()


def test_secrets_are_in_it_only_where_they_were_asked_for(own_sqlite: None, tmp_path: Path, settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_RACK1": "hunter2"}
    plain, whole = tmp_path / "plain.tar.gz", tmp_path / "whole.tar.gz"
    names = {}
    for path, asked in ((plain, False), (whole, True)):
        making.make(path, with_secrets=asked)
        archive.unpack(path, folder := tmp_path / path.stem, room_bytes=1 << 30)
        names[path] = (folder / archive.SECRETS).exists()
        assert path.stat().st_mode & 0o077 == 0
    assert names == {plain: False, whole: True}
    assert "VETTING_BMC_RACK1=hunter2\n" in (tmp_path / whole.stem / archive.SECRETS).read_text()


def test_nothing_is_written_over_and_nothing_half_is_left(
    own_sqlite: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.tar.gz").write_text("another")
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", tmp_path / "there.tar.gz")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.Writer, "finish", full)
    with pytest.raises(CommandError, match=r"no backup was made: .*No space left"):
        call_command("backup", tmp_path / "new.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir() if "tar" in path.name) == ["there.tar.gz"]
