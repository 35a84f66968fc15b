#!/usr/bin/env python3
"""Fetch the front-end files that are kept in the repository, or check that they are what MANIFEST says.

    scripts/vendor_assets.py            needs npm; writes the files and MANIFEST
    scripts/vendor_assets.py --check    needs nothing; exit status 1 names the files that differ

Nobody who installs Vetting needs this: the files are committed. To update one, change its version here and run it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "vetting" / "static" / "vendor"
MANIFEST = VENDOR / "MANIFEST"


@dataclass(frozen=True)
class Package:
    """An npm package at an exact version, and which of its files are kept."""

    name: str
    version: str
    licence: str
    files: tuple[str, ...]


PACKAGES = (Package("uplot", "1.6.32", "MIT", ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE")),)


def main() -> int:
    if "--check" in sys.argv[1:]:
        problems = differences()
        print("\n".join(problems) or f"{len(recorded())} files as recorded")
        return 1 if problems else 0
    for package in PACKAGES:
        fetch(package)
    MANIFEST.write_text(manifest())
    return 0


def fetch(package: Package) -> None:
    """Put the package's files into VENDOR/<name>/. Raises CalledProcessError where npm can't get it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{package.name}@{package.version}"
        subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for name in package.files:
                source = archive.extractfile(f"package/{name}")
                assert source is not None, f"{wanted} has no file {name}"
                target = VENDOR / package.name / Path(name).name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read())


def manifest() -> str:
    """One line per file: sha256, path below vendor/, package and version, licence."""
    lines = [
        f"{_digest(VENDOR / package.name / Path(name).name)}  {package.name}/{Path(name).name}  "
        f"{package.name}@{package.version}  {package.licence}"
        for package in PACKAGES
        for name in package.files
    ]
    return "\n".join(sorted(lines)) + "\n"


def recorded() -> dict[str, str]:
    """Path below vendor/ → sha256, as MANIFEST has it."""
    return {line.split()[1]: line.split()[0] for line in MANIFEST.read_text().splitlines() if line}


def differences() -> list[str]:
    """Files that are missing, changed, or not in MANIFEST."""
    known = recorded()
    there = {str(p.relative_to(VENDOR)) for p in VENDOR.rglob("*") if p.is_file() and p != MANIFEST}
    changed = [name for name in sorted(known.keys() & there) if _digest(VENDOR / name) != known[name]]
    return [
        *(f"{name}: missing" for name in sorted(known.keys() - there)),
        *(f"{name}: not in MANIFEST" for name in sorted(there - known.keys())),
        *(f"{name}: sha256 differs from MANIFEST" for name in changed),
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
