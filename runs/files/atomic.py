"""Replace a file as a whole: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, content: bytes, mode: int = 0o644, *, sync: bool = False) -> None:
    """Replace `path`. With `sync` the content is on the disk before it replaces the old one, and the file's name is
    before this returns: so a loss of power can't lose or halve it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)
        if sync:
            _sync_names(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _sync_names(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write only if the content differs. True if it did."""
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    write(path, content)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; an empty one if the file is missing or damaged. (Only what can be computed again is
    kept in such files.)"""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> bool:
    return write_if_changed(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
