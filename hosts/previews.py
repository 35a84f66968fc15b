"""The files between an import's preview and its confirmation. Each has an unguessable name and is readable by this
server only. It is deleted when the import was confirmed, when the preview found a fault, or after an hour."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from import_export.tmp_storages import BaseStorage

KEPT_S = 3600
_NAME = re.compile(r"[0-9a-f]{32}")


class Previews(BaseStorage):
    """The storage in which django-import-export keeps the file of a preview."""

    def save(self, data: bytes) -> None:
        self.name = secrets.token_hex(16)
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder() / self.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    def read(self) -> str | bytes:
        data = (folder() / self.name).read_bytes()
        return data if self.read_mode == "rb" else data.decode(self.encoding or "utf-8")

    def remove(self) -> None:
        remove(self.name)


def folder() -> Path:
    return settings.DATA_DIR / "imports"


def is_there(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and (folder() / name).is_file()


def remove(name: str) -> None:
    if _NAME.fullmatch(name):
        (folder() / name).unlink(missing_ok=True)


def stale() -> Iterator[Path]:
    """The files of previews that were not confirmed in time."""
    oldest = time.time() - KEPT_S
    if not folder().is_dir():
        return
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # confirmed meanwhile
            if _NAME.fullmatch(path.name) and path.stat().st_mtime < oldest:
                yield path
