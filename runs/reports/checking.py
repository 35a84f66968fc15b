"""Whether a file that left an installation is still as it was made."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from runs.reports import signing

SUMS = "SHA256SUMS"
KEY = "public-key.pem"
_UNLISTED = {SUMS, SUMS + signing.SUFFIX, KEY}
_PIECE = 2**20
# What the library raises for damaged, encrypted or unusual archives.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
_SUMS_MOST = 2**20


def problem(path: Path, key: bytes, signature: Path | None = None) -> str:
    """Why the file is not what the owner of this public key (PEM) made; empty if it is. A pack is checked entry by
    entry: nothing may differ, be missing or be added."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as pack:
                return next(_of_pack(pack, key), "")
        return _of_file(path, signature or path.with_name(path.name + signing.SUFFIX), key)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except _UNREADABLE as error:
        return f"the archive can't be read ({error})"


def sums(files: dict[str, bytes]) -> bytes:
    """The list that `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


def _of_file(path: Path, signature: Path, key: bytes) -> str:
    return (
        ""
        if signing.is_genuine(path.read_bytes(), signature.read_bytes(), key)
        else "it differs, or another key signed"
    )


def _of_pack(pack: zipfile.ZipFile, key: bytes) -> Iterator[str]:
    names = pack.namelist()
    if len(names) != len(set(names)):
        yield "two entries have the same name"
    if not {SUMS, SUMS + signing.SUFFIX} <= set(names):
        yield f"it has no {SUMS} with a signature"
    if pack.getinfo(SUMS).file_size > _SUMS_MOST:
        yield f"its {SUMS} is too long"
    listed = pack.read(SUMS)
    if not signing.is_genuine(listed, pack.read(SUMS + signing.SUFFIX), key):
        yield f"its {SUMS} differs, or another key signed"
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in listed.decode().splitlines())}
    yield from (f"{name} was added" for name in names if name not in wanted and name not in _UNLISTED)
    yield from (f"{name} is missing" for name in wanted if name not in names)
    yield from (f"{name} differs" for name, digest in wanted.items() if _digest(pack, name) != digest)


def _digest(pack: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with pack.open(name) as entry:
        while piece := entry.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
