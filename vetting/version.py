"""Which version of Vetting this is: its number, the commit that it was made of, and the live image."""

from __future__ import annotations

import re
import subprocess
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings

from pxe import image as files
from runs.files import atomic

VERSION = "0.1.0"
"""The same as in pyproject.toml, which an installation does not have."""
COMMIT_FILE = "COMMIT"
"""Written by install.sh beside the code."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}(-changed)?")
_SHOWN, _GIT_TIMEOUT_S = 12, 5


def sentence() -> str:
    """For a person, e.g. `Vetting 0.1.0, commit 1a2b3c4d5e6f, image 0f1e2d3c4b5a (small)`."""
    return f"Vetting {VERSION}, {f'commit {commit()}' if commit() else 'commit unknown'}, {image()}"


@cache
def commit() -> str:
    """The commit, with `-changed` if files differ from it; empty if it is not known."""
    written = settings.BASE_DIR / COMMIT_FILE
    if written.is_file():
        return _shortened(written.read_text(errors="replace").strip())
    said = _git("rev-parse", "HEAD")
    return _shortened(f"{said}{'-changed' if _git('status', '--porcelain', '--untracked-files=no') else ''}")


def image() -> str:
    """What the live image's manifest says of it."""
    path = files.directory() / "manifest.json"
    try:
        return _image(path, path.stat().st_mtime_ns)
    except OSError:
        return "no live image"


@lru_cache(maxsize=1)
def _image(path: Path, written_ns: int) -> str:
    """Every page says it, so the manifest is read once for each time when it was written."""
    manifest = atomic.read_json(path)
    inputs, level = str(manifest.get("inputs_sha256") or "")[:_SHOWN], str(manifest.get("level") or "")
    if not inputs:
        return "no live image"
    return f"image {inputs}{f' ({level[:_SHOWN]})' if level else ''}"


def _shortened(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        return ""
    hexadecimal, dash, rest = text.partition("-")
    return f"{hexadecimal[:_SHOWN]}{dash}{rest}"


def _git(*words: str) -> str:
    if not (settings.BASE_DIR / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(settings.BASE_DIR), *words],
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
