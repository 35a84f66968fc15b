#!/usr/bin/env python3
"""Ask an advisory database about every locked package: make audit

    scripts/audit.py [--accept ID]... [--service pypi|osv]... [--osv-url URL] [LOCK]...

Exit status 0: every package was asked about, and no vulnerability is known. 1: one is known. 3: not audited. pip-audit
itself says "No known vulnerabilities found" where a mirror in the database's place knows no package; so a release that
is known to be vulnerable is asked about first, and a package that was skipped counts as not audited.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = tuple(ROOT / f"requirements/{part}.txt" for part in ("base", "uvicorn", "dev"))
SERVICES = ("pypi", "osv")
KNOWN_TO_BE_BAD = "pyyaml==5.3"  # CVE-2020-14343: code runs while YAML is read
NONE_KNOWN, VULNERABLE, NOT_AUDITED = 0, 1, 3
LONGEST_S = 600


@dataclass
class Answer:
    """The answer of a database: the packages that it was asked about, their known vulnerabilities, and why the answer
    can't be trusted."""

    packages: int = 0
    known: list[str] = field(default_factory=list)
    problem: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    asked = _arguments(argv)
    problems = []
    for service in asked.service or SERVICES:
        database = ["--vulnerability-service", service, "--osv-url", asked.osv_url]
        answer = audit(asked.lock or LOCKS, database, asked.accept)
        if answer.known:
            print("\n".join(answer.known))
            return VULNERABLE
        if not answer.problem:
            print(f"no known vulnerability in {answer.packages} locked packages, says {service}")
            return NONE_KNOWN
        problems.append(f"{service}: {answer.problem}")
    print("not audited: no advisory database could be asked\n  " + "\n  ".join(problems))
    return NOT_AUDITED


def audit(locks: Sequence[Path], database: Sequence[str], accepted: Sequence[str]) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "bad.txt"
        bad.write_text(f"{KNOWN_TO_BE_BAD}\n")
        proof = ask([bad], ["--no-deps", *database])
    if not proof.known:
        knows_nothing = f"it knows nothing against {KNOWN_TO_BE_BAD}, which is known to be vulnerable"
        return Answer(problem=proof.problem or knows_nothing)
    return ask(locks, [*database, *(word for one in accepted for word in ("--ignore-vuln", one))])


def ask(files: Sequence[Path], options: Sequence[str]) -> Answer:
    """pip-audit's answer about what the files pin. It ends with 1 for a vulnerability and for a failure of its own."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner=off", "--format=json", *options]
    command += [word for file in files for word in ("--requirement", str(file))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S)
        return read(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Answer(problem=f"no answer within {LONGEST_S} s")
    except json.JSONDecodeError:
        last = done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode} and said nothing"]
        return Answer(problem=last[-1])


def read(told: dict[str, Any]) -> Answer:
    packages = told["dependencies"]
    skipped = [f"{one['name']} ({one['skip_reason']})" for one in packages if "skip_reason" in one]
    known = [line for one in packages for line in _lines(one)]
    if not packages:
        return Answer(problem="no package was asked about")
    more = f" and {len(skipped) - 1} more" if len(skipped) > 1 else ""
    return Answer(len(packages), known, f"skipped {skipped[0]}{more}" if skipped else "")


def _lines(package: dict[str, Any]) -> Iterator[str]:
    for one in package.get("vulns", []):
        names = ", ".join([one["id"], *one.get("aliases", [])])
        fixed = ", ".join(one.get("fix_versions", [])) or "no version yet"
        yield f"{package['name']} {package['version']}: {names}; fixed in {fixed}"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask an advisory database about every locked package.")
    add = parser.add_argument
    add("lock", nargs="*", type=Path, help="lock files; both of requirements/ where none is named")
    add("--accept", action="append", default=[], metavar="ID", help="an advisory that does not concern us")
    add("--service", action="append", choices=SERVICES, help="asked in this order; both where none is named")
    add("--osv-url", default="https://api.osv.dev/v1/query", help="another OSV database")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
