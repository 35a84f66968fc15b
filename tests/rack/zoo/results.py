"""The record of the zoo's runs: one line of JSON each, only ever added to, with the commit that was run."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.rack.orchestrator import ROOT
from tests.rack.outcome import Found, Seen
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.specimen import Specimen

RESULTS = ROOT / "docs" / "zoo-results.jsonl"
# What is vetted with. The rack and its machine files are not in it: a new machine makes no old result stale, and each
# result carries the digest of its own file.
PRODUCT = ("agent", "agentapi", "hosts", "live-image", "manage.py", "notifications", "pxe", "requirements", "runs",
           "vetting")  # fmt: skip
CHANGED = "+"


@dataclass(frozen=True)
class Result:
    """One run. `file` is the digest of the machine file, `seconds` the whole run from nothing to clean; `found` are the
    critical findings and warnings; `jobs` is how many machines the bench ran at a time."""

    machine: str
    commit: str
    file: str
    at: str
    seconds: float
    boot_s: float | None
    run_s: float | None
    state: str
    verdict: str
    stage: str
    judged: Judged
    why: list[str]
    found: list[dict[str, str]]
    jobs: int = 1
    estimate_off_percent: float | None = None

    @property
    def blamed(self) -> list[dict[str, str]]:
        return [one for one in self.found if one["severity"] == "critical"]


def of_run(
    specimen: Specimen, seen: Seen, judged: tuple[Judged, list[str]], *, commit: str, at: str, seconds: float, jobs: int
) -> Result:
    return Result(
        specimen.name, commit, specimen.digest, at, round(seconds, 1), seen.boot_s, seen.run_s, seen.state,
        seen.verdict, seen.stage, *judged, [asdict(one) for one in seen.found if _counts(one)], jobs,
        _rounded(seen.estimate_off_percent),
    )  # fmt: skip


def read(path: Path = RESULTS) -> list[Result]:
    """In the order in which they were run."""
    if not path.exists():
        return []
    return [_result(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def append(result: Result, path: Path = RESULTS) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")


def newest(results: Iterable[Result]) -> dict[str, Result]:
    """The last result of each machine."""
    return {result.machine: result for result in results}


def due(specimens: list[Specimen], results: Iterable[Result], commit: str, repeat: int) -> list[Specimen]:
    """What has still to be run so that each machine has `repeat` results at this commit, in rounds; first what has no
    result at any commit. Results of a changed working copy or of another version of the file don't count."""
    results = list(results)
    ever = {(result.machine, result.file) for result in results}
    done = Counter((result.machine, result.file) for result in results if result.commit == commit)
    if commit.endswith(CHANGED):
        done.clear()
    ordered = sorted(specimens, key=lambda one: (one.name, one.digest) in ever)
    return [
        one for number in range(1, repeat + 1) for one in ordered if done[one.name, one.digest] < number
    ]  # fmt: skip


def commit_of_the_product(root: Path = ROOT) -> str:
    """The newest commit that changed what is vetted with; with a `+` where the working copy differs from it, and
    `unknown+` where there is no history."""
    named = _git(root, "log", "-1", "--format=%h", "--abbrev=10", "--", *PRODUCT).strip() or "unknown"
    clean = named != "unknown" and not _git(root, "status", "--porcelain", "--", *PRODUCT).strip()
    return named if clean else named + CHANGED


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""


def _counts(found: Found) -> bool:
    return found.severity in ("critical", "warning")


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)


def _result(line: dict[str, Any]) -> Result:
    return Result(**{**line, "judged": Judged(line["judged"])})
