"""The archive: a compressed tar file of known names, and at its end a manifest with the hash of each.

    database.sqlite3 or database.dump, runs/<id>/<file>, vetting.yaml, secrets.env (only where asked for), manifest.json

Anybody may have changed an archive: other names, links, names that come twice, wrong hashes and missing files are
refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
MANIFEST = "manifest.json"
SQLITE, POSTGRESQL = "database.sqlite3", "database.dump"
CONFIGURATION, SECRETS = "vetting.yaml", "secrets.env"
_NAME = re.compile(
    r"manifest\.json|database\.(sqlite3|dump)|vetting\.yaml|secrets\.env|runs/[1-9]\d{0,18}(/\w[\w.+-]{0,200}){1,3}",
    re.ASCII,
)
_PIECE = 1 << 20
_FACTS = {"files": dict, "migrations": list, "database": str, "made_at": str, "version": str, "runs": int}
_MANIFEST_MAX = 1 << 30
# Size of a file's headers: a long name has a header of its own, which tarfile reads into memory.
_HEADERS_MAX = 64 << 10
Progress = Callable[[str, int], None]


def is_name(name: str) -> bool:
    """Whether an archive may contain a file of this name. No allowed name leads out of the target directory."""
    return bool(_NAME.fullmatch(name))


class BadArchive(Exception):
    """The archive can't be restored; the message says why."""


def silent(what: str, done_bytes: int) -> None:
    """For callers who need no progress."""


@dataclass
class Writer:
    """Adds files to a tar stream and notes size and hash of each."""

    tar: tarfile.TarFile
    progress: Progress = silent
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: int = 0

    def add(self, name: str, path: Path, length: int | None = None) -> None:
        """Add the file, or its first `length` bytes: a log grows while it is copied. Raises FileNotFoundError."""
        with path.open("rb") as stream:
            size = path.stat().st_size if length is None else min(length, path.stat().st_size)
            self._put(name, stream, size, path.stat().st_mtime)

    def add_text(self, name: str, text: str) -> None:
        data = text.encode()
        self._put(name, io.BytesIO(data), len(data), time.time())

    def finish(self, facts: dict[str, Any]) -> None:
        """Add the manifest as the last file: an archive without it was never finished."""
        self.add_text(MANIFEST, json.dumps({"format": FORMAT, **facts, "files": dict(self.files)}, indent=0))

    def _put(self, name: str, stream: BinaryIO, size: int, modified: float) -> None:
        if not is_name(name):
            raise ValueError(f"{name!r} is no name for an archive")
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(modified), 0o640
        reader = _Hashing(stream, lambda count: self.progress(name, self.written + count))
        self.tar.addfile(info, reader)
        self.written += size
        self.files[name] = {"size": size, "sha256": reader.digest.hexdigest()}


@dataclass
class _Hashing:
    stream: BinaryIO
    told: Callable[[int], None]
    digest: Any = field(default_factory=hashlib.sha256)
    count: int = 0

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.digest.update(data)
        self.count += len(data)
        self.told(self.count)
        return data


@contextmanager
def writing(path: Path, progress: Progress = silent) -> Iterator[Writer]:
    """Write an archive that only we may read. It gets its name when it is complete and synced to the disk."""
    half = path.with_name(f".{path.name}.half")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    try:
        with half.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3, format=tarfile.PAX_FORMAT) as tar:
                yield Writer(tar, progress)
            _sync(file)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def unpack(path: Path, into: Path, *, room_bytes: int, progress: Progress = silent) -> dict[str, Any]:
    """Unpack every file of the archive below `into` and check it; returns the manifest. Raises BadArchive, and OSError
    if `path` can't be read."""
    seen: dict[str, dict[str, Any]] = {}
    total = 0
    try:
        with _unpacked(path) as (stream, tar):
            for member in tar:
                _refuse(member, seen)
                total += member.size
                if total > room_bytes:
                    raise BadArchive(f"more than the {room_bytes / 1e9:.1f} GB that are free here: make room first")
                stream.left = member.size
                seen[member.name] = _take(tar, member, into / member.name)
                stream.left = _HEADERS_MAX
                progress(member.name, total)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError, zlib.error) as error:
        raise BadArchive(f"{path} is damaged, or not made by `backup`: {error}") from None
    return _checked(into / MANIFEST, seen)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[_Bounded, tarfile.TarFile]]:
    with gzip.open(path) as plain:
        stream = _Bounded(plain)
        # To read, tarfile calls none of the other methods that its type asks for.
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
            yield stream, tar


@dataclass
class _Bounded:
    """The unpacked stream, of which at most `left` bytes may be read: the headers of one file, then its content."""

    stream: gzip.GzipFile
    left: int = _HEADERS_MAX

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.left:
            raise BadArchive(f"the headers of a file in it are larger than {_HEADERS_MAX >> 10} KiB")
        data = self.stream.read(size)
        self.left -= len(data)
        return data

    def seek(self, place: int) -> int:
        return self.stream.seek(place)

    def tell(self) -> int:
        return self.stream.tell()


def _refuse(member: tarfile.TarInfo, seen: dict[str, Any]) -> None:
    if not is_name(member.name):
        raise BadArchive(f"it has a file {member.name[:200]!r}, which no backup of ours has: nothing was restored")
    if not member.isreg() or member.issparse() or member.size < 0:
        raise BadArchive(f"{member.name} is no plain file: nothing was restored")
    if member.name in seen:
        raise BadArchive(f"it has {member.name} twice: nothing was restored")
    if MANIFEST in seen:
        raise BadArchive(f"{member.name} comes after the manifest: nothing was restored")


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> dict[str, Any]:
    source, digest, size = tar.extractfile(member), hashlib.sha256(), 0
    assert source is not None  # a plain file
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with target.open("xb") as file:
        target.chmod(0o600 if member.name in (SECRETS, SQLITE, POSTGRESQL) else 0o640)
        while data := source.read(_PIECE):
            digest.update(data)
            size += len(data)
            file.write(data)
        _sync(file)
    return {"size": size, "sha256": digest.hexdigest()}


def _checked(manifest: Path, seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if MANIFEST not in seen:
        raise BadArchive("it has no manifest at its end: the backup was cut off")
    if seen.pop(MANIFEST)["size"] > _MANIFEST_MAX:
        raise BadArchive("its manifest is too large")
    facts = _parsed(manifest.read_bytes())
    if facts.get("format") != FORMAT:
        raise BadArchive(f"it has format {facts.get('format')!r}, not {FORMAT}: use the version that made it")
    if wrong := [name for name, kind in _FACTS.items() if not isinstance(facts.get(name), kind)]:
        raise BadArchive(f"its manifest has no {', '.join(wrong)}")
    if not all(_is_migration(row) for row in facts["migrations"]):
        raise BadArchive("its manifest lists no migrations")
    told = facts["files"]
    for name in sorted(told.keys() | seen.keys()):
        if told.get(name) != seen.get(name):
            raise BadArchive(f"{name} is not the file that was backed up (missing, or size or hash differ)")
    return facts


def _is_migration(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(isinstance(word, str) for word in row)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        raise BadArchive("its manifest is no JSON") from None
    if not isinstance(facts, dict):
        raise BadArchive("its manifest is no object")
    return facts


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
