from __future__ import annotations

import errno
import os
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from hosts.models import Host
from runs import invariants, jobs, retention
from runs.files import logs as logfiles
from runs.models import Artifact, Finding, Lease, Run, StageRun
from tests import rows
from tests.work import begin, do_jobs, do_queued
from vetting import config

pytestmark = pytest.mark.django_db

OLD = timedelta(days=91)


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    settings.RUNS_DIR.mkdir()
    settings.VETTING = config.Config()


def a_run_with_files(name: str = "node-1", age: timedelta = OLD, **fields: Any) -> Run:
    """One report and one log, both of this age."""
    number = Run.objects.count() + 1
    when = timezone.now() - age
    run = rows.a_run(rows.a_host(name, f"52:54:00:00:01:{number:02x}"), **{"ended_at": when} | fields)
    rows.a_finding(rows.a_stage(run))
    log = logfiles.path(run.pk)
    log.parent.mkdir(parents=True)
    (log.parent / "report.html").write_text("report")
    log.write_text("line\n")
    os.utime(log, (when.timestamp(), when.timestamp()))
    Artifact.objects.create(run=run, name="report.html", path=f"{run.pk}/report.html", size=6, created_at=when)
    return run


def files(settings: Any) -> set[str]:
    return {str(p.relative_to(settings.RUNS_DIR)) for p in settings.RUNS_DIR.rglob("*") if p.is_file()}


def its_clock(monkeypatch: pytest.MonkeyPatch, *moments: float) -> None:
    """The sweep's own clock says these, the last one for ever; everybody else's goes on."""
    left = list(moments)
    clock = SimpleNamespace(monotonic=lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(retention, "time", clock)


def test_old_artifacts_go_with_their_rows_and_old_logs_go(settings: Any) -> None:
    a_run_with_files()
    assert len(retention.sweep()) == 2
    assert files(settings) == set()
    assert Artifact.objects.count() == 0


def test_the_history_stays_for_ever() -> None:
    run = a_run_with_files(age=timedelta(days=4000))
    retention.sweep()
    assert Run.objects.filter(pk=run.pk).exists()
    assert StageRun.objects.filter(run=run).exists()
    assert Finding.objects.filter(run=run).exists()


def test_what_is_younger_than_the_limit_stays(settings: Any) -> None:
    a_run_with_files(age=timedelta(days=89))
    assert retention.sweep() == []
    assert len(files(settings)) == 2


@pytest.mark.parametrize("state", ["Memory", "FailedHolding"])
def test_files_of_a_live_or_held_run_stay_however_old(state: str) -> None:
    a_run_with_files(state=state, ended_at=None)
    assert retention.sweep() == []


def test_artifacts_and_logs_have_their_own_limits(settings: Any) -> None:
    settings.VETTING = config.parse({"artifacts": {"retention_days": 1}, "logs": {"retention_days": 365}}, "test")
    run = a_run_with_files()
    retention.sweep()
    assert files(settings) == {f"{run.pk}/run.log"}


@pytest.mark.parametrize("path", ["../precious.txt", "/etc/hostname", ".", "1/../../precious.txt"])
def test_a_path_that_leads_outside_is_left_alone_and_logged(
    path: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    precious = settings.RUNS_DIR.parent / "precious.txt"
    precious.write_text("keep")
    Artifact.objects.create(run=rows.a_run(), name="x", path=path, size=1, created_at=timezone.now() - OLD)
    assert retention.sweep() == []
    assert precious.exists()
    assert "lies outside of RUNS_DIR" in caplog.text


def test_a_symbolic_link_is_no_way_out(settings: Any) -> None:
    precious = settings.RUNS_DIR.parent / "precious"
    precious.mkdir()
    (precious / "run.log").write_text("keep")
    os.utime(precious / "run.log", (0, 0))
    (settings.RUNS_DIR / "77").symlink_to(precious)
    Artifact.objects.create(run=rows.a_run(), name="x", path="77/run.log", size=1, created_at=timezone.now() - OLD)
    assert retention.sweep() == []
    assert (precious / "run.log").exists()


def test_a_file_that_is_gone_already_takes_its_row_along(settings: Any) -> None:
    run = a_run_with_files()
    (settings.RUNS_DIR / f"{run.pk}/report.html").unlink()
    retention.sweep()
    assert Artifact.objects.count() == 0


def test_a_file_that_cannot_be_removed_keeps_its_row(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    run = a_run_with_files()
    file = settings.RUNS_DIR / f"{run.pk}/report.html"
    file.unlink()
    file.mkdir()
    assert [item.path.name for item in retention.sweep()] == ["run.log"]
    assert Artifact.objects.count() == 1
    assert "could not remove" in caplog.text


def test_a_dry_run_lists_and_removes_nothing(settings: Any) -> None:
    a_run_with_files()
    out = StringIO()
    call_command("janitor", "--dry-run", stdout=out)
    assert "report.html (6 bytes)" in out.getvalue()
    assert "2 files, 11 bytes would go" in out.getvalue()
    assert len(files(settings)) == 2
    call_command("janitor", stdout=out)
    assert files(settings) == set()


def test_the_tick_asks_for_one_sweep_per_interval(settings: Any) -> None:
    a_run_with_files()
    retention.tick()
    assert len(files(settings)) == 2
    assert do_jobs() == 1
    assert files(settings) == set()
    a_run_with_files("node-2")
    retention.tick()
    assert do_jobs() == 0


def test_the_tick_asks_again_when_the_interval_is_over(settings: Any) -> None:
    settings.VETTING = config.parse({"janitor": {"interval_minutes": 1e-9}}, "test")
    retention.tick()
    assert do_jobs() == 1
    a_run_with_files()
    retention.tick()
    assert do_jobs() == 1
    assert files(settings) == set()


def test_a_sweep_that_could_not_be_asked_for_is_asked_for_by_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when the interval is over."""
    with monkeypatch.context() as patched, pytest.raises(OperationalError):
        patched.setattr(jobs, "ask", refuse)
        retention.tick()
    retention.tick()
    assert do_jobs() == 1


def refuse(kind: jobs.Kind, *args: object, **more: object) -> None:
    raise OperationalError("database is locked")


def test_a_clock_that_was_set_back_stops_no_sweep() -> None:
    Lease.objects.create(name=Lease.SWEEP, ticked_at=timezone.now() + timedelta(hours=9))
    retention.tick()
    assert do_jobs() == 1


def test_what_does_not_fit_into_the_time_of_one_sweep_is_another_jobs(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run_with_files()
    its_clock(monkeypatch, 0.0, 0.0, 100.0)
    retention.tick()
    begin()
    do_queued()
    assert len(files(settings)) == 1
    its_clock(monkeypatch, 0.0, 1.0)
    assert do_jobs() == 1
    assert files(settings) == set()


class Ticking:
    """A clock of the sweep's own: each look at it takes 8 s, as if each folder did."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        self.now_s += 8.0
        return self.now_s


@pytest.fixture
def looked_into(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """The folders of runs that were looked into, in order."""
    real, looked = os.scandir, []

    def scandir(folder: Path) -> Any:
        if Path(folder).parent == settings.RUNS_DIR:
            looked.append(Path(folder).name)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    return looked


def old_logs_of(settings: Any, *names: str, age: timedelta = OLD) -> None:
    for name in names:
        (settings.RUNS_DIR / name).mkdir()
        (settings.RUNS_DIR / name / "run.log").write_text("line\n")
        when = (timezone.now() - age).timestamp()
        os.utime(settings.RUNS_DIR / name / "run.log", (when, when))


def test_a_walk_through_many_folders_ends_in_time_and_the_next_one_goes_on(
    settings: Any, monkeypatch: pytest.MonkeyPatch, looked_into: list[str]
) -> None:
    """Where only the last folders hold an old log, a walk that began anew each time would never reach them."""
    numbers = [str(number) for number in (7, 8, 9, 10, 11, 100)]
    old_logs_of(settings, *numbers, age=timedelta(days=1))
    old_logs_of(settings, "101")
    monkeypatch.setattr(retention, "time", Ticking())
    retention.tick()
    begin()
    do_queued()
    first = list(looked_into)
    assert 0 < len(first) < 5
    assert Lease.objects.get(name=Lease.SWEEP).position == int(first[-1])
    do_jobs()
    assert looked_into == [*numbers, "101"]
    assert files(settings) == {f"{number}/run.log" for number in numbers}
    assert Lease.objects.get(name=Lease.SWEEP).position == 0


def test_a_folder_in_which_nothing_is_left_is_removed(settings: Any, looked_into: list[str]) -> None:
    emptied, kept = a_run_with_files(), a_run_with_files("node-2", age=timedelta(days=1, hours=1))
    (settings.RUNS_DIR / str(kept.pk + 50)).mkdir()
    retention.sweep(dry_run=True)
    assert len(list(settings.RUNS_DIR.iterdir())) == 3
    retention.sweep()
    assert sorted(int(path.name) for path in settings.RUNS_DIR.iterdir()) == [kept.pk, kept.pk + 50], (
        "a run that is newer than those known may be about to write"
    )
    looked_into.clear()
    retention.sweep()
    assert str(emptied.pk) not in looked_into


def test_a_folder_that_cannot_be_read_keeps_no_other_from_the_sweep(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old_logs_of(settings, "1", "2", "3")
    real = os.scandir

    def refuse(folder: Path) -> Any:
        if Path(folder).name == "2":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return real(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        retention.sweep()
    assert files(settings) == {"2/run.log"}
    assert f"can't look into {settings.RUNS_DIR / '2'}: Permission denied" in caplog.text


def test_a_folder_that_is_no_runs_is_left_alone(settings: Any) -> None:
    old_logs_of(settings, "lost+found", "007")
    assert retention.sweep() == []


@pytest.mark.parametrize("path", ["1/nul\0", "1/" + "x" * 300, "loop/run.log"])
def test_a_path_that_cannot_be_followed_keeps_no_other_from_the_sweep(path: str, settings: Any) -> None:
    (settings.RUNS_DIR / "loop").symlink_to("loop")
    run = a_run_with_files()
    Artifact.objects.create(run=run, name="x", path=path, size=1, created_at=timezone.now() - OLD * 2)
    retention.sweep()
    assert files(settings) == set()


def test_an_import_that_is_confirmed_meanwhile_stops_no_sweep(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR.joinpath("imports").mkdir()
    for number in (1, 2):
        file = settings.DATA_DIR / "imports" / f"{number:032x}"
        file.write_text("")
        os.utime(file, (0, 0))
    real = Path.stat

    def gone(path: Path, **more: Any) -> os.stat_result:
        if path.name.endswith("1") and path.parent.name == "imports":
            path.unlink(missing_ok=True)
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", gone)
    assert [item.path.name[-1] for item in retention.sweep()] == ["2"]


# --- the cap on the size -----------------------------------------------------------------------------------------


def cap(settings: Any, size_bytes: float | None) -> None:
    settings.VETTING = config.parse({"janitor": {"most_gb": size_bytes and size_bytes / 1e9}}, "test")


def aged_runs(*days: float) -> list[Run]:
    """Runs with 11 bytes of files each, which the log's row knows, too."""
    runs = [a_run_with_files(f"node-{number}", timedelta(days=age)) for number, age in enumerate(days)]
    Run.objects.update(log_bytes=5)
    return runs


def test_beyond_the_cap_the_files_of_the_oldest_runs_go(settings: Any) -> None:
    middle, oldest, newest = aged_runs(20, 30, 10)
    cap(settings, 23)
    assert {item.path.name for item in retention.sweep()} == {"run.log", "report.html"}
    assert {path.split("/")[0] for path in files(settings)} == {str(middle.pk), str(newest.pk)}
    oldest.refresh_from_db()
    assert oldest.files_removed_at is not None and oldest.artifacts.count() == 0
    assert retention.sweep() == []


def test_under_the_cap_and_without_one_nothing_goes(settings: Any) -> None:
    aged_runs(20, 30, 10)
    for most in (33, None):
        cap(settings, most)
        assert retention.sweep() == []


@pytest.mark.parametrize("fields", [{"state": "FailedHolding"}, {"state": "Storage", "ended_at": None}, {}])
def test_files_that_are_in_use_stay_whatever_the_cap(settings: Any, fields: dict[str, Any]) -> None:
    """Also those of a run that ended within a day."""
    run = a_run_with_files(age=timedelta(hours=1), **fields)
    Run.objects.update(log_bytes=5)
    cap(settings, 1)
    assert retention.sweep() == []
    assert run.artifacts.count() == 1


def test_a_dry_run_of_the_cap_lists_and_marks_nothing(settings: Any) -> None:
    aged_runs(20, 30, 10)
    cap(settings, 23)
    assert len(retention.sweep(dry_run=True)) == 2
    assert len(files(settings)) == 6
    assert not Run.objects.exclude(files_removed_at=None).exists()


def of_files() -> list[str]:
    """What the doctor says of a missing log or a report that was written."""
    return [one.what for one in invariants.check() if "was written" in one.what or "its log has" in one.what]


def test_killed_at_any_step_it_is_finished_by_the_next_sweep(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    remove = retention._remove
    for steps in range(2):
        Run.objects.all().delete()
        Host.objects.all().delete()
        oldest, _ = aged_runs(30, 10)
        cap(settings, 12)
        left = [remove] * steps

        def dies(item: retention.Removal, left: list[Any] = left) -> bool:
            if not left:
                raise Killed
            return left.pop()(item)

        monkeypatch.setattr(retention, "_remove", dies)
        with pytest.raises(Killed):
            retention.sweep()
        monkeypatch.setattr(retention, "_remove", remove)
        assert of_files() == []
        retention.sweep()
        oldest.refresh_from_db()
        assert oldest.artifacts.count() == 0 and not any(path.startswith(f"{oldest.pk}/") for path in files(settings))


def test_the_doctor_misses_no_file_that_the_cap_removed_and_one_that_was_written_since(settings: Any) -> None:
    aged_runs(30)
    Run.objects.update(report_at=timezone.now() - timedelta(days=30))
    cap(settings, 1)
    retention.sweep()
    assert of_files() == []
    Run.objects.update(report_at=timezone.now())
    assert ["its report was written" in what for what in of_files()] == [True]
