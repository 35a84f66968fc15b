#!/usr/bin/env python3
"""Build the live image twice, from the same archive, and compare the files: make image-twice

    scripts/build_twice.py [--folder var/twice] [--level fast] [option of build.py…]

The two builds share nothing: each has its own cache and its own directory. The exit status is 0 if every file has the
same SHA-256, else 1, with the names of those that differ. Where the apt sources keep no past, both builds get today's
date: they are equal as long as the archive does not change in between.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "live-image/build.py"
sys.path.insert(0, str(ROOT / "live-image"))

from builder import sources  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the live image twice and compare the files.")
    parser.add_argument("--folder", type=Path, default=ROOT / "var/twice")
    asked, more = parser.parse_known_args(argv)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not any(word.startswith(("--apt-", "--archive-date")) for word in more):
        more += todays_archive(asked.folder / "machine.sources")
    manifests = [built(asked.folder / name, more) for name in ("first", "second")]
    for line in (lines := differences(*manifests)):
        print(line)
    print("the two builds differ" if lines else f"equal: {len(manifests[0]['files'])} files have the same SHA-256")
    return int(bool(lines))


def todays_archive(listed: Path) -> list[str]:
    """This machine's own apt sources, with today's date for the times of files."""
    codename = subprocess.run(
        ["sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"'], capture_output=True, text=True, check=True
    ).stdout.strip()
    text = sources.from_machine(Path("/etc/apt"), codename)
    listed.write_text(text)
    today = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    return ["--apt-sources", str(listed), "--archive-date", sources.default_date(text, None, today) or today]


def built(folder: Path, more: Sequence[str]) -> dict[str, Any]:
    """The manifest of a build from nothing. Raises CalledProcessError."""
    shutil.rmtree(folder, ignore_errors=True)
    words = ["--output", str(folder / "image"), "--cache", str(folder / "cache"), *more]
    subprocess.run([sys.executable, str(BUILD), *words], check=True)
    shutil.rmtree(folder / "cache")
    manifest: dict[str, Any] = json.loads((folder / "image/manifest.json").read_text())
    return manifest


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """One line for each file and each package that is not the same in both manifests."""
    found = []
    for kind in ("files", "packages", "tools"):
        for name in sorted(first[kind].keys() | second[kind].keys()):
            one, other = first[kind].get(name), second[kind].get(name)
            if one != other:
                found.append(f"{kind}: {name}: {one} and {other}")
    return found


if __name__ == "__main__":
    sys.exit(main())
