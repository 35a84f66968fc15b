"""Photos that an operator adds to a run: of a label, a bent pin, a burnt connector. They are kept as files of the run,
go into the RMA pack, and are removed with the run's other files."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from django.conf import settings
from django.db.models import QuerySet

from hosts import bounds
from runs import retention
from runs.files import atomic, storage
from runs.machine import State
from runs.models import Actor, Artifact, Run
from runs.transition import Refused, locked, write_event

PREFIX = "photo-"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS = 60
KIND_BYTES = 16
"""So much of a photo says what it is."""
TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def kind(data: bytes) -> str:
    """`jpg`, `png` or `webp`, by the first bytes and not by what anybody says; empty for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def of(run: Run) -> QuerySet[Artifact]:
    return run.artifacts.filter(name__startswith=PREFIX)


def add(run: Run, name: str, data: bytes, who: str) -> Artifact:
    """Keep a photo. Raises Refused, and OSError if it can't be written.

    1. The file, under a name that follows from its content: the same photo again replaces itself. 2. In one
    transaction, its row and a line of the history. Killed between the two, it leaves a file that no row names, which
    `doctor` finds and removes.
    """
    ending = kind(data)
    if not ending:
        raise Refused(f"{bounds.quoted(name)} is no photo: JPEG, PNG and WebP are taken")
    if len(data) > bounds.PHOTO.most:
        raise Refused(f"{bounds.quoted(name)} has {len(data):,} bytes: at most {bounds.PHOTO.most:,} are taken")
    kept_as = f"{PREFIX}{_safe(name)}-{hashlib.sha256(data).hexdigest()[:8]}.{ending}"
    _refuse_if_full(run, kept_as)
    storage.is_there()
    path = settings.RUNS_DIR / str(run.pk) / kept_as
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    atomic.write(path, data, mode=0o640, sync=True)
    with locked(run.pk) as now:
        _refuse_if_full(now, kept_as)
        fields = {"path": f"{run.pk}/{kept_as}", "size": len(data)}
        row, is_new = Artifact.objects.get_or_create(run=now, name=kept_as, defaults=fields)
        if is_new:
            write_event(now, "photo_added", actor=Actor.OPERATOR, who=who, text=kept_as)
    return row


def remove(run: Run, name: str, who: str) -> None:
    """Raises Refused if there is none of this name, and OSError if its file can't be removed. The file goes first: a
    row without a file can be removed again."""
    row = of(run).filter(name=name).first()
    path = retention.inside(row.path) if row else None
    if row is None or path is None:
        raise Refused(f"run {run.pk} has no photo {bounds.quoted(name)}")
    path.unlink(missing_ok=True)
    with locked(run.pk) as now:
        if of(now).filter(pk=row.pk).delete()[0]:
            write_event(now, "photo_removed", actor=Actor.OPERATOR, who=who, text=row.name)


def may_have(run: Run) -> bool:
    """When the run is over or its host is held, unless the files of the run were removed."""
    return (run.is_over or run.state == State.FAILED_HOLDING) and run.files_removed_at is None


def _refuse_if_full(run: Run, kept_as: str) -> None:
    if not may_have(run):
        raise Refused(f"run {run.pk} takes no photos: it goes on, or its files were removed")
    if of(run).exclude(name=kept_as).count() >= bounds.PHOTOS.most:
        raise Refused(f"run {run.pk} has {bounds.PHOTOS.most} photos already: remove one first")


def _safe(name: str) -> str:
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return _UNSAFE.sub("_", stem).strip("._-")[:_NAME_CHARACTERS] or "photo"
