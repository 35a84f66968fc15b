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

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "vetting" / "static" / "vendor"
FOR_TESTS = ROOT / "tests" / "browser" / "vendor"


@dataclass(frozen=True)
class Package:
    """An npm package at an exact version, which of its files are kept, and where: below `<folder>/<name>/`."""

    name: str
    version: str
    licence: str
    files: tuple[str, ...]
    folder: Path = SHIPPED


PACKAGES = (
    Package("uplot", "1.6.32", "MIT", ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE")),
    Package("axe-core", "4.14.1", "MPL-2.0", ("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"), FOR_TESTS),
)
FOLDERS = (SHIPPED, FOR_TESTS)


def main() -> int:
    if "--check" in sys.argv[1:]:
        problems = [problem for folder in FOLDERS for problem in differences(folder)]
        print("\n".join(problems) or f"{sum(len(recorded(folder)) for folder in FOLDERS)} files as recorded")
        return 1 if problems else 0
    for package in PACKAGES:
        fetch(package)
    for folder in FOLDERS:
        (folder / "MANIFEST").write_text(manifest(folder))
    return 0


def fetch(package: Package) -> None:
    """Put the package's files into its folder. Raises CalledProcessError where npm can't get it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{package.name}@{package.version}"
        subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for name in package.files:
                source = archive.extractfile(f"package/{name}")
                assert source is not None, f"{wanted} has no file {name}"
                target = package.folder / package.name / Path(name).name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read())


def manifest(folder: Path) -> str:
    """One line per file: sha256, path below the folder, package and version, licence."""
    lines = [
        f"{_digest(folder / package.name / Path(name).name)}  {package.name}/{Path(name).name}  "
        f"{package.name}@{package.version}  {package.licence}"
        for package in PACKAGES
        for name in package.files
        if package.folder == folder
    ]
    return "\n".join(sorted(lines)) + "\n"


def recorded(folder: Path) -> dict[str, str]:
    """Path below the folder → sha256, as its MANIFEST has it."""
    return {line.split()[1]: line.split()[0] for line in (folder / "MANIFEST").read_text().splitlines() if line}


def differences(folder: Path) -> list[str]:
    """Files that are missing, changed, or not in the folder's MANIFEST."""
    known = recorded(folder)
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "MANIFEST"}
    changed = [name for name in sorted(known.keys() & there) if _digest(folder / name) != known[name]]
    return [
        *(f"{name}: missing" for name in sorted(known.keys() - there)),
        *(f"{name}: not in MANIFEST" for name in sorted(there - known.keys())),
        *(f"{name}: sha256 differs from MANIFEST" for name in changed),
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
