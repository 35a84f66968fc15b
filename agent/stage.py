"""What a stage gets and what it returns. A stage is a function `(StageContext) -> StageReport`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent.contract import stage_values, wire
from agent.host.stop import StopFlag

T = TypeVar("T")


class StageMemory:
    """A small JSON object that survives the agent within one boot, so that a stage can continue where it was."""

    def __init__(self, directory: Path, stage: str, attempt: int) -> None:
        self.path = directory / f"stage-{stage}-{attempt}.json"

    def load(self) -> dict[str, Any]:
        """What was saved last. Empty for a fresh attempt, and for a file whose digest is wrong: the content decides
        what is written to disks."""
        try:
            digest, _, body = self.path.read_text().partition("\n")
            data = json.loads(body) if digest == _digest(body) else {}
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def save(self, data: dict[str, Any]) -> None:
        """Replace what was saved, whole or not at all. If the disk is full, the stage goes on without it."""
        draft = self.path.with_suffix(".new")
        with contextlib.suppress(OSError):
            body = json.dumps(data)
            draft.write_text(f"{_digest(body)}\n{body}")
            draft.replace(self.path)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


@dataclass(frozen=True)
class StageContext:
    """One attempt of one stage. `log` takes a level (debug, info, warning, error) and a line. `progress` replaces the
    whole list that the next heartbeat sends. `last_continue_age_s` is the time since the orchestrator last answered a
    heartbeat of this very attempt (safety gate 5), infinite before the first. `link_s` is for how many seconds the
    bench's link is lent to a stage that borrows it."""

    order: wire.StageOrder
    claim: wire.ClaimAnswer
    inventory: wire.Inventory | None
    overrides: list[wire.OverrideFlags]
    progress: Callable[[list[wire.Progress]], None]
    log: Callable[[str, str], None]
    measure: Callable[[wire.Measurement], None]
    stop: StopFlag
    last_continue_age_s: Callable[[], float]
    in_image: bool
    memory: StageMemory
    link_s: Callable[[], float] = lambda: 0.0

    def check_values(self, params: type, limits: type) -> None:
        """Check before the work that the profile gives all values, so that no work is done that could not be judged.
        Raises ProfileLacks."""
        self.params(params)
        self.limits(limits)

    def params(self, kind: type[T]) -> T:
        """What to run, as the stage's own dataclass. Raises ProfileLacks, since no parameter has a default here."""
        return stage_values.read(kind, self.order.params, f"stages.{self.order.name}.params")

    def limits(self, kind: type[T]) -> T:
        """What passes, as the stage's own dataclass. Raises ProfileLacks, since no limit has a default here."""
        return stage_values.read(kind, self.order.limits, f"stages.{self.order.name}.limits")


@dataclass(frozen=True)
class StageReport:
    """The result of a stage. `wire.Result` is made of it, with the error counters that rose meanwhile."""

    outcome: wire.Outcome
    reason: str = ""
    checks: list[wire.Check] = field(default_factory=list)
    findings: list[wire.Finding] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    refusals: list[wire.Refusal] = field(default_factory=list)
    inventory: wire.Inventory | None = None
    evidence: dict[str, str] = field(default_factory=dict)
    cause: wire.Cause | None = None


@dataclass(frozen=True)
class Settled:
    """What the checks of a stage come to. `cause` is NOT_EXPECTED if there was nothing to test."""

    outcome: wire.Outcome
    reason: str = ""
    cause: wire.Cause | None = None


NOTHING_EXPECTED = Settled(wire.Outcome.NOT_TESTED, "not expected here", wire.Cause.NOT_EXPECTED)


def settle(checks: Iterable[wire.Check], required: Collection[str], not_expected: Collection[str]) -> Settled:
    """The result of a stage from its checks: failed if a check failed, else not tested if a required check was not
    tested, else passed.

    A check is required if its name is in `required` and its topic is not in `not_expected`. A required check that
    nobody made is not tested.
    """
    checks = list(checks)
    failed = [check for check in checks if check.outcome is wire.Outcome.FAILED]
    if failed:
        return Settled(wire.Outcome.FAILED, _sentences(failed))
    missing = _missing(checks, required, not_expected)
    if missing:
        return Settled(wire.Outcome.NOT_TESTED, "; ".join(missing))
    if any(check.outcome is wire.Outcome.PASSED for check in checks):
        return Settled(wire.Outcome.PASSED)
    expected = [check for check in checks if not _taken_off(check, not_expected)]
    return Settled(wire.Outcome.NOT_TESTED, _sentences(expected)) if expected else NOTHING_EXPECTED


def _missing(checks: list[wire.Check], required: Collection[str], not_expected: Collection[str]) -> list[str]:
    made = {check.name for check in checks}
    needed = [name for name in required if name not in made and not _off(name, not_expected)]
    unmade = [f"{name}: was not run" for name in needed if not name.startswith(wire.COUNTER_CHECKS)]
    return unmade + [
        _sentence(check)
        for check in checks
        if check.outcome is wire.Outcome.NOT_TESTED and check.name in required and not _taken_off(check, not_expected)
    ]


def _taken_off(check: wire.Check, not_expected: Collection[str]) -> bool:
    return check.outcome is wire.Outcome.NOT_TESTED and check.topic in not_expected


def _off(name: str, not_expected: Collection[str]) -> bool:
    """Whether `not_expected` covers a check that was not made. Such a check has no topic, so the first word of its name
    is used (`gpu.present` → gpu)."""
    return name.partition(".")[0] in not_expected


def _sentences(checks: list[wire.Check]) -> str:
    return "; ".join(_sentence(check) for check in checks)


def _sentence(check: wire.Check) -> str:
    where = f" ({check.component})" if check.component else ""
    return f"{check.name}{where}: {check.reason or check.outcome}"
