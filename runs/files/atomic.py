"""Files that are replaced whole: a reader sees the old content or the new one, never a half."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, content: bytes, mode: int = 0o644, *, sync: bool = False) -> None:
    """With `sync` it is on the disk before it takes the old one's place, and so is its name before we return: whole and
    there also through a loss of power."""
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
    """True when `path` held something else before."""
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    write(path, content)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; an empty one where there is none or it is damaged (all we keep so can be made
    again)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> bool:
    return write_if_changed(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
