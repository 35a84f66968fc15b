"""Restore a system from an archive. The whole archive is checked before anything is changed; if a step fails, it is
undone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from hosts.models import Host
from runs.invariants import Scope, stored
from runs.models import Artifact, Lease, Run
from runs.reports import write as report
from vetting.atwork import why_at_work
from vetting.backups import archive, databases, making


class CannotRestore(Exception):
    """Nothing was changed; the message says why and what to do."""


@dataclass(frozen=True)
class Restored:
    """The result of a restore. `safety_copy` is a backup of the previous data; `notes` are for the operator."""

    manifest: dict[str, Any]
    safety_copy: Path | None
    notes: list[str]


def restore(path: Path, *, yes: bool = False, progress: archive.Progress = archive.silent) -> Restored:
    """Replace the data of this system by the archive's.

    1. Unpack beside the data and check every file. 2. Refuse what can't work, and a system with data unless `yes`.
    3. Copy what is there. 4. Put database and files in place, and migrate; undo both where that fails.
    5. Write the reports that did not come along.
    Raises CannotRestore, archive.BadArchive, databases.DatabaseProblem, OSError.
    """
    if why := why_at_work():
        raise CannotRestore(why)
    if settings.RUNS_ARE_SHARED:
        raise CannotRestore(
            "the files of runs are on shared storage: restore without VETTING_RUNS_DIR, copy the directory `runs` of "
            "the data directory there, and set it again"
        )
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.DATA_DIR) as folder:
        staged = Path(folder)
        room = making.free_bytes(settings.DATA_DIR)
        manifest = archive.unpack(path, staged, room_bytes=room, progress=progress)
        database = databases.current()
        _refuse_other_kind(manifest, database)
        _refuse_newer(manifest)
        safety_copy = _copy_of_now(yes=yes, progress=progress)
        with _files_replaced(staged / "runs"), database.replaced(staged / database.member):
            progress("migrations", 0)
            call_command("migrate", verbosity=0, interactive=False)
            _set_right()
    return Restored(manifest, safety_copy, _notes(manifest, path))


def _refuse_other_kind(manifest: dict[str, Any], database: databases.Database) -> None:
    kind, member = manifest.get("database"), database.member
    if kind != database.kind or member not in manifest["files"]:
        raise CannotRestore(
            f"the archive has a {kind} database and this system uses {database.kind}: set DATABASE_URL to the other "
            "kind, and restore into that"
        )


def _refuse_newer(manifest: dict[str, Any]) -> None:
    ours = set(MigrationLoader(None).disk_migrations)
    ours_apps = {app for app, _ in ours}
    theirs = {(app, name) for app, name in manifest["migrations"]}
    if newer := sorted(one for one in theirs - ours if one[0] in ours_apps):
        raise CannotRestore(
            f"the archive is of a newer version ({manifest.get('version')}; it has {newer[0][0]} {newer[0][1]}): "
            "install that version first"
        )


def _copy_of_now(*, yes: bool, progress: archive.Progress) -> Path | None:
    """Back up the data that is about to be replaced; None if there is none."""
    if not (there := _what_is_there()):
        return None
    if not yes:
        raise CannotRestore(f"this system has {there}: with --yes all of it is replaced, after a backup of it was made")
    path = settings.DATA_DIR / f"before-restore-{timezone.now():%Y%m%d-%H%M%S}.tar.gz"
    return making.make(path, progress=progress).path


def _what_is_there() -> str:
    tables = set(connection.introspection.table_names())
    counts = {
        words: model.objects.count()
        for words, model in (("runs", Run), ("hosts", Host), ("accounts", get_user_model()))
        if model._meta.db_table in tables
    }
    return ", ".join(f"{count} {words if count > 1 else words[:-1]}" for words, count in counts.items() if count)


@contextmanager
def _files_replaced(staged: Path) -> Iterator[None]:
    """Replace the runs' directory by the archive's files; if it fails, the old directory is put back."""
    place, kept = settings.RUNS_DIR, settings.RUNS_DIR.with_name("runs.replaced")
    shutil.rmtree(kept, ignore_errors=True)
    if place.exists():
        place.rename(kept)
    try:
        if staged.exists():
            staged.rename(place)
        else:
            place.mkdir(mode=0o750)
        yield
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        if kept.exists():
            kept.rename(place)
        raise
    shutil.rmtree(kept, ignore_errors=True)


def _set_right() -> None:
    """Adjust the restored rows. Release the lease. Write reports again that are missing or changed during the backup.
    Delete rows of other files that are missing."""
    Lease.objects.update(holder="", until=None)
    Lease.objects.filter(name__startswith=Lease.round_of("")).delete()  # of machines that may be no more
    differing = {
        one.run
        for find in (stored.different_files, stored.missing_reports)
        for one in find(Scope())
        if one.run is not None
    }
    for run in Run.objects.filter(pk__in=differing, report_due=False):
        report.write(run)
    for one in Artifact.objects.filter(run__in=differing).exclude(name__in=report.NAMES):
        if not (settings.RUNS_DIR / one.path).is_file():
            one.delete()


def _notes(manifest: dict[str, Any], path: Path) -> list[str]:
    notes = []
    if manifest.get("secret_key_id") != making.secret_key_id():
        notes.append(
            "VETTING_SECRET_KEY differs from the archive's: sessions, the tokens of live runs and sealed hold keys are "
            "no longer valid. If you have the old key, put it into secrets.env and restart."
        )
    if manifest.get("configuration_sha256") != making.configuration_digest():
        notes.append(
            f"vetting.yaml differs from the archive's and was not changed. To print the archive's: tar -xzOf {path} "
            f"{archive.CONFIGURATION}"
        )
    if manifest.get("secrets"):
        notes.append(
            f"The archive holds secrets, which stay in it. To look at them: tar -xzOf {path} {archive.SECRETS}"
        )
    return notes
