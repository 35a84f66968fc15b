"""Back up a running system: first the database as of one moment, then the files that this copy names."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from runs import retention
from runs.files import logs as logfiles
from vetting.backups import archive, databases
from vetting.backups.databases import Rows

_RUNS = "SELECT id, log_bytes FROM runs_run ORDER BY id"
_ARTIFACTS = "SELECT run_id, path FROM runs_artifact ORDER BY run_id, path"
_MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"


@dataclass(frozen=True)
class Made:
    """What a backup contains. `left_out`: files that rows name and that did not exist."""

    path: Path
    size: int
    runs: int
    files: int
    left_out: list[str]


class CannotBackUp(Exception):
    """Nothing was written; the message says why."""


def make(path: Path, *, with_secrets: bool = False, progress: archive.Progress = archive.silent) -> Made:
    """Write the archive; never overwrites a file. Raises CannotBackUp, databases.DatabaseProblem and OSError."""
    if path.exists():
        raise CannotBackUp(f"{path} is there already: choose another name, or remove it")
    if not path.parent.is_dir():
        raise CannotBackUp(f"there is no directory {path.parent}")
    database, left_out = databases.current(), []
    with tempfile.TemporaryDirectory(prefix=".vetting-backup-", dir=path.parent) as folder:
        copy = Path(folder) / database.member
        with database.snapshot(copy, progress) as ask, archive.writing(path, progress) as writer:
            writer.add(database.member, copy)
            for name, file, length in _files(ask):
                if not _is_added(writer, name, file, length):
                    left_out.append(name)
            _configuration(writer, with_secrets=with_secrets)
            runs = ask("SELECT count(*) FROM runs_run")[0][0]
            writer.finish({"runs": runs, **_facts(database.kind, ask, with_secrets)})
    return Made(path, path.stat().st_size, runs, len(writer.files), left_out)


def _files(ask: Rows) -> Iterator[tuple[str, Path, int | None]]:
    """Each file as (name in the archive, path, length): a log is copied as far as the copied rows know it."""
    for run, length in ask(_RUNS):
        if length:
            yield f"runs/{run}/run.log", logfiles.path(run), length
    for _, relative in ask(_ARTIFACTS):
        if (file := retention.inside(relative)) is not None:
            yield f"runs/{relative}", file, None


def _is_added(writer: archive.Writer, name: str, file: Path, length: int | None) -> bool:
    """Whether the file was added. The janitor may have removed it, or its name is not one that we give."""
    if not archive.is_name(name):
        return False
    try:
        writer.add(name, file, length)
    except FileNotFoundError:
        return False
    return True


def _configuration(writer: archive.Writer, *, with_secrets: bool) -> None:
    if (path := settings.CONFIGURATION.path) is not None:
        writer.add(archive.CONFIGURATION, path)
    if with_secrets:
        known = {"VETTING_SECRET_KEY": settings.SECRET_KEY, **settings.TARGET_SECRETS, **settings.BMC_PASSWORDS}
        writer.add_text(archive.SECRETS, "".join(f"{name}={value}\n" for name, value in sorted(known.items())))


def _facts(kind: str, ask: Rows, with_secrets: bool) -> dict[str, Any]:
    return {
        "made_at": timezone.now().isoformat(),
        "version": version(),
        "database": kind,
        "migrations": [list(row) for row in ask(_MIGRATIONS)],
        "configuration_sha256": configuration_digest(),
        "secret_key_id": secret_key_id(),
        "secrets": with_secrets,
    }


def version() -> str:
    """The version that CHANGELOG.md names first."""
    text = (settings.BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8")
    return next((line[3:].strip() for line in text.splitlines() if line.startswith("## ")), "")


def configuration_digest() -> str:
    path = settings.CONFIGURATION.path
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def secret_key_id() -> str:
    """An id that shows whether two systems have the same secret key and reveals nothing else about it."""
    return hmac.new(settings.SECRET_KEY.encode(), b"vetting backup", hashlib.sha256).hexdigest()[:16]


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free - (64 << 20)
