"""The verdict of a run, the components to blame, and the host's health. Plain functions of data.

Failed comes before error, error before incomplete, incomplete before passed. Warnings never fail a run. For each
stage, the attempts in the boot of its newest attempt count: a critical finding stays even if a retry in the same boot
passes. Attempts of earlier boots do not count, since the host may have been repaired in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hosts.models import Health
from runs.models import Outcome, Severity, Verdict


class Tried(Protocol):
    """What says whether an attempt counts: a row of the database has it, too."""

    @property
    def name(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def boot(self) -> int: ...


Attempt = TypeVar("Attempt", bound=Tried)


@dataclass(frozen=True)
class StageOutcome:
    """One attempt of one stage. `counts` is False if the stage is not in the profile, or not expected on this host."""

    name: str
    attempt: int
    boot: int
    outcome: str
    counts: bool = True


@dataclass(frozen=True)
class Seen:
    """What the verdict needs of a finding: its attempt, severity and component."""

    stage: str
    attempt: int
    severity: str
    component: str


def verdict(
    stages: Sequence[StageOutcome],
    findings: Iterable[Seen] = (),
    *,
    bench_error: str = "",
    wanted: Collection[str] = (),
) -> Verdict:
    """The verdict of a run with these attempts and findings.

    `bench_error` says what was wrong with the bench, if anything. `wanted` names the stages without which a run is not
    complete. A run that tested nothing never passes.
    """
    counted = counting(stages)
    if any(stage.outcome == Outcome.FAILED for stage in counted) or critical(stages, findings):
        return Verdict.FAILED
    if bench_error:
        return Verdict.ERROR
    return Verdict.PASSED if _is_complete(counted, wanted) else Verdict.INCOMPLETE


def counting(stages: Iterable[Attempt]) -> list[Attempt]:
    """The attempts that count for the verdict, oldest first."""
    ordered = sorted(stages, key=lambda stage: stage.attempt)
    newest_boot = {stage.name: stage.boot for stage in ordered}
    return [stage for stage in ordered if stage.boot == newest_boot[stage.name]]


def critical(stages: Iterable[StageOutcome], findings: Iterable[Seen]) -> list[Seen]:
    """The critical findings of the attempts that count."""
    counted = {(stage.name, stage.attempt) for stage in counting(stages)}
    return [f for f in findings if f.severity == Severity.CRITICAL and (f.stage, f.attempt) in counted]


def components(stages: Iterable[StageOutcome], findings: Iterable[Seen]) -> list[str]:
    """The components to blame, in the order of the findings."""
    return list(dict.fromkeys(finding.component for finding in critical(stages, findings)))


def health_after(health: str, result: Verdict) -> Health:
    """The host's health after a run. Passed makes it good, failed bad. Incomplete and error make it unknown, unless it
    was bad. A cancelled run changes nothing."""
    if result in (Verdict.PASSED, Verdict.FAILED):
        return Health.GOOD if result == Verdict.PASSED else Health.BAD
    if result == Verdict.NONE or health == Health.BAD:
        return Health(health)
    return Health.UNKNOWN


def _is_complete(counted: list[StageOutcome], wanted: Collection[str]) -> bool:
    """Whether the last attempt of each stage passed, every wanted stage is there, and something was tested."""
    last = {stage.name: stage for stage in counted}
    tested = [stage for stage in last.values() if stage.counts]
    return bool(tested) and all(stage.outcome == Outcome.PASSED for stage in tested) and set(wanted) <= last.keys()
