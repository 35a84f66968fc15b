"""`python -m tests.mutants`: switches the detector of each finding code off and runs tests that reach it, until one
fails. First it runs the tests once and writes down which of them make which code. Stopped, it goes on where it was.

Exit status: 0 every code has a test that noticed, 1 some have none, 2 no code fits, 3 the tests fail by themselves.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from agent.contract.codes import CODES
from tests.mutants import page, plugin, record
from tests.mutants.record import Mutant
from tests.mutants.silencing import ROOT
from tests.rack.zoo import results, specimen

# Where detectors are tested without a browser, a virtual machine or processes of their own.
FOLDERS = ("tests/agent", "tests/agent_stages", "tests/runs", "tests/agentapi")
MOST_TESTS = 40
TRACE = ROOT / "var" / "mutants-trace.json"


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    due = [code for code in CODES if any(fnmatch.fnmatchcase(code, glob) for glob in options.only.split() or ["*"])]
    if not due:
        return _tell(f"no finding code fits {options.only!r}; they stand in agent/contract/codes.py", 2)
    commit = results.commit_of_the_product()
    try:
        reach = _trace(commit, options.jobs)
    except subprocess.CalledProcessError as error:
        return _tell(f"the tests fail by themselves (pytest's exit status {error.returncode}): mend them first", 3)
    known = record.read()
    fresh = {code for code in due if code in known and known[code].commit == commit and not commit.endswith("+")}
    for number, code in enumerate(code for code in due if code not in fresh):
        mutant = _run(code, reach.get(code, []), commit)
        record.append(mutant)
        print(f"{number + 1}/{len(due) - len(fresh)} {code}: {mutant.test or 'nothing noticed'}", flush=True)
    known = record.read()
    page.PAGE.write_text(page.render(known, specimen.every(), results.read()), encoding="utf-8")
    unproved = [code for code in due if known[code].test is None]
    words = f"{len(due) - len(unproved)} of {len(due)} noticed; not: {', '.join(unproved) or 'none'}"
    return _tell(words, bool(unproved))


def _tell(text: str, status: int) -> int:
    print(text, flush=True)
    return int(status)


def _trace(commit: str, jobs: int) -> dict[str, list[str]]:
    """The tests that make each code, of one run of all of them. Raises CalledProcessError."""
    if TRACE.exists() and (kept := json.loads(TRACE.read_text()))["commit"] == commit:
        return dict(kept["reach"])
    with tempfile.TemporaryDirectory() as folder:
        print(f"running {', '.join(FOLDERS)} once, to see which test makes which finding", flush=True)
        done = _pytest([*FOLDERS, "-n", str(jobs)], {plugin.TRACE_INTO: folder}, quiet=False)
        done.check_returncode()
        rows = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    reach: dict[str, list[str]] = {}
    for row in rows:
        for code, tests in row.items():
            reach.setdefault(code, []).extend(tests)
    TRACE.parent.mkdir(exist_ok=True)
    TRACE.write_text(json.dumps({"commit": commit, "reach": reach}))
    return reach


def _run(code: str, tests: Sequence[str], commit: str) -> Mutant:
    chosen = _of_many_files(tests)[:MOST_TESTS]
    noticed = None
    if chosen:
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder, "told")
            _pytest([*chosen, "-x"], {plugin.SILENCE: code, plugin.TOLD_IN: str(told)}, quiet=True)
            noticed = told.read_text() if told.exists() else None
    return Mutant(code, commit, datetime.now(UTC).isoformat(timespec="seconds"), len(chosen), noticed)


def _of_many_files(tests: Iterable[str]) -> list[str]:
    """In turns from each file, so that the first few are of different kinds; those of detectors before those of what
    is done with findings, and short names before generated ones."""
    files: dict[str, list[str]] = {}
    for test in sorted(tests, key=lambda test: (_folder(test), len(test))):
        files.setdefault(test.partition("::")[0], []).append(test)
    return [test for turn in zip_longest(*files.values()) for test in turn if test]


def _folder(test: str) -> int:
    return next((number for number, folder in enumerate(FOLDERS) if test.startswith(folder + "/")), len(FOLDERS))


def _pytest(words: Sequence[str], environment: dict[str, str], *, quiet: bool) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header",
         "-m", "not rack and not install and not slow and not browser and not image", *words],
        cwd=ROOT, env=os.environ | {"PYTEST_PLUGINS": "tests.mutants.plugin"} | environment,
        stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.STDOUT if quiet else None,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Switches detectors off, one by one.")
    parser.add_argument("--only", default="", metavar="GLOBS", help="finding codes that fit")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes of the first run of the tests")
    return parser


if __name__ == "__main__":
    sys.exit(main())
