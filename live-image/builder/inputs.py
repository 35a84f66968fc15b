"""What an image was built from, as one digest: the same digest, no new build."""

import hashlib
import os
from pathlib import Path

IGNORED = ("__pycache__", ".ruff_cache")


def digest(directory: Path, *settings: str) -> str:
    """SHA-256 over every file of `directory` (name, mode, content or link target) and the settings."""
    seen = hashlib.sha256()
    for setting in settings:
        _add(seen, setting.encode())
    for path in sorted(directory.rglob("*")):
        if any(part in IGNORED for part in path.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        _add(seen, os.fsencode(path.relative_to(directory)))
        _add(seen, b"x" if os.access(path, os.X_OK) else b"-")
        _add(seen, os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes())
    return seen.hexdigest()


def _add(seen: "hashlib._Hash", data: bytes) -> None:
    """With its length, so that moving bytes from one entry to the next changes the digest."""
    seen.update(len(data).to_bytes(8, "big"))
    seen.update(data)
