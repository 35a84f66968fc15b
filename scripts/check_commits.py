"""Checks the subjects of commits: `scope: imperative`, at most 72 characters.

`scripts/check_commits.py` reads the commits since main, or the last ten where HEAD is main, and warns; `--strict` makes
a warning an error. `--message FILE` reads one message, as git's commit-msg hook does, and refuses a bad one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

MOST_CHARACTERS = 72
LAST = 10
SUBJECT = re.compile(r"[a-z0-9][a-z0-9_.,/ -]*: \S")
MADE_BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
NOT_IMPERATIVE = re.compile(r"(?:\w+ed|\w+ing|adds|fixes|makes|moves|removes|renames|says|uses|writes)\b")
IMPERATIVE_ALL_THE_SAME = frozenset({"bring", "embed", "feed", "need", "shed", "speed", "string"})


def faults(subject: str) -> list[str]:
    """What is wrong with one subject; empty where nothing is. Git's own subjects are left alone."""
    if subject.startswith(MADE_BY_GIT):
        return []
    found = []
    if len(subject) > MOST_CHARACTERS:
        found.append(f"{len(subject)} characters, {MOST_CHARACTERS} at most")
    if not SUBJECT.match(subject):
        return [*found, "does not begin with a scope, as in `runs: refuse a second retry`"]
    first = subject.split(": ", 1)[1].split()[0].lower()
    if NOT_IMPERATIVE.fullmatch(first) and first not in IMPERATIVE_ALL_THE_SAME:
        found.append(f"`{first}` is not imperative")
    if subject.endswith("."):
        found.append("ends with a full stop")
    return found


def subject_of(message: str) -> str:
    """The first line of a message that is no comment."""
    lines = (line.strip() for line in message.splitlines() if not line.startswith("#"))
    return next((line for line in lines if line), "")


def recent_subjects() -> list[str]:
    """Of the commits that main does not have yet; the last ten where it has them all or there is no main."""
    return _log("main..HEAD") or _log(f"-{LAST}")


def _log(which: str) -> list[str]:
    done = subprocess.run(["git", "log", "--no-merges", "--format=%h %s", which], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def report(lines: list[tuple[str, str]]) -> int:
    """Prints each fault and returns how many subjects have one."""
    bad = 0
    for name, subject in lines:
        if found := faults(subject):
            bad += 1
            print(f"{name}: {subject}\n    {'; '.join(found)}", file=sys.stderr)
    return bad


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the subjects of commits.")
    parser.add_argument("--message", type=Path, metavar="FILE", help="check this message and refuse a bad one")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a subject has a fault")
    given = parser.parse_args(arguments)
    if given.message:
        return bool(report([("message", subject_of(given.message.read_text(encoding="utf-8")))]))
    lines = [(name, subject) for name, _, subject in (line.partition(" ") for line in recent_subjects())]
    bad = report(lines)
    print(f"{len(lines)} commit subjects looked at, {bad} with a fault (CONTRIBUTING.md says the rule)")
    return bool(bad and given.strict)


if __name__ == "__main__":
    sys.exit(main())
