"""`./manage.py selftest`: test the tester. Deliberate faults go through the agent's stages and the rules of the
verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agent.contract import codec, wire
from runs.judging.verdict import Seen, StageOutcome, verdict
from runs.models import Verdict

EXIT_BLIND, EXIT_NOT_PROVEN = 1, 2
TIMEOUT_S = 300


@dataclass(frozen=True)
class Judged:
    """A trial and what a run would have come to without its fault and with it. `trouble` is the agent's own word."""

    trial: str
    fault: str
    wants: str
    trouble: str
    well: Verdict
    broken: Verdict

    @property
    def is_proven(self) -> bool:
        """A fault with a finding must fail the run; one that only cuts the work short must keep it from passing."""
        due = Verdict.FAILED if self.wants else Verdict.INCOMPLETE
        return not self.trouble and self.well == Verdict.PASSED and self.broken == due

    @property
    def is_blind(self) -> bool:
        """The worst case: with the fault the run would have passed."""
        return self.broken == Verdict.PASSED

    def as_data(self) -> dict[str, Any]:
        return {
            "trial": self.trial, "fault": self.fault, "without": self.well, "with": self.broken,
            "proven": self.is_proven, "trouble": self.trouble,
        }  # fmt: skip


class Command(BaseCommand):
    help = (
        "Make the tools fail on purpose and prove that a run would not have passed. Needs stressapptest, fio and "
        "stress-ng on this machine; touches no disk. Exit status 0 proven, 1 a fault would have passed, 2 not proven."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="As a JSON list, for other programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        judged = [_judge(json.loads(line)) for line in _trials()]
        rows = [one.as_data() for one in judged]
        self.stdout.write(json.dumps(rows, indent=1) if options["json"] else "\n".join(map(_sentence, judged)))
        if any(one.is_blind for one in judged):
            sys.exit(EXIT_BLIND)
        if not judged or not all(one.is_proven for one in judged):
            sys.exit(EXIT_NOT_PROVEN)


def _trials() -> Iterator[str]:
    """Run the agent as a process, as in the image: the server must not import stages."""
    command = [sys.executable, "-m", "agent", "--selftest"]
    try:
        done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise CommandError(
            f"the agent's self-test did not end within {TIMEOUT_S} s", returncode=EXIT_NOT_PROVEN
        ) from None
    if done.returncode != 0:
        raise CommandError(f"the agent's self-test failed: {done.stderr[-500:]}", returncode=EXIT_NOT_PROVEN)
    yield from done.stdout.splitlines()


def _judge(row: dict[str, Any]) -> Judged:
    results = [codec.decode(wire.Result, row[which]) for which in ("well", "broken")]
    return Judged(row["trial"], row["fault"], row["wants"], row["trouble"], *map(_verdict, results))


def _verdict(result: wire.Result) -> Verdict:
    """The verdict of a run with only this stage."""
    stages = [StageOutcome(result.stage, result.attempt, 1, result.outcome)]
    seen = [Seen(result.stage, result.attempt, one.severity, one.component) for one in result.findings]
    return verdict(stages, seen, wanted=[result.stage])


def _sentence(one: Judged) -> str:
    word = "proven" if one.is_proven else "BLIND" if one.is_blind else "not proven"
    line = f"{word:10}  {one.trial:10}  {one.fault}: {one.broken}; without it: {one.well}"
    return f"{line}\n{'':12}{one.trouble}" if one.trouble else line
