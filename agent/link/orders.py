"""What the orchestrator said last, from whichever answer it came, and what the agent does about it. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto

from agent.contract import wire

FAILED_STATES = ("Failed", "FailedHolding")


class Action(Enum):
    TEST = auto()  # run the stage that is named
    AWAIT_GO = auto()  # the stage that is named comes next, but not yet
    HOLD = auto()  # the run has failed: keep the host open
    SHUT_DOWN = auto()  # the run is over
    IDLE = auto()  # nothing to do that has not been done


@dataclass(frozen=True)
class Word:
    """The state of the run as the orchestrator told it."""

    state: str
    attempt: int = 0
    go: bool = False
    cmd: wire.Cmd = wire.Cmd.CONTINUE
    overrides: list[wire.OverrideFlags] = field(default_factory=list)
    reason: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.state, self.attempt


def from_claim(answer: wire.ClaimAnswer) -> Word:
    return Word(answer.next_state, answer.attempt, answer.go, overrides=answer.override_flags)


def from_heartbeat(answer: wire.HeartbeatAnswer) -> Word:
    """`retry_stage` names its stage itself; all else speaks of the run's state."""
    stage = answer.stage if answer.cmd is wire.Cmd.RETRY_STAGE and answer.stage else answer.next_state
    return Word(stage, answer.attempt, answer.go, answer.cmd, answer.override_flags, answer.reason)


def from_result(answer: wire.ResultAnswer) -> Word:
    return Word(answer.next_state, answer.attempt, answer.go, answer.cmd, reason=answer.reason)


def decide(word: Word, stages: Collection[str], done: Collection[tuple[str, int]]) -> Action:
    """`stages` are those the claim ordered, `done` the attempts that are over. A heartbeat's answer may be older
    than a result's: it then speaks of an attempt that is done, and nothing follows from it."""
    if word.cmd is wire.Cmd.SHUTDOWN:
        return Action.SHUT_DOWN
    if word.cmd is wire.Cmd.ABORT or word.state in FAILED_STATES:
        return Action.HOLD
    if word.state not in stages or word.key in done:
        return Action.IDLE
    return Action.TEST if word.go else Action.AWAIT_GO


def breaks_off(word: Word, running: tuple[str, int]) -> str:
    """Why the attempt that runs now must stop at once, in words; empty when it goes on."""
    if word.cmd is wire.Cmd.SHUTDOWN:
        return f"the run was ended: {word.reason}" if word.reason else "the run was ended"
    if word.cmd is wire.Cmd.ABORT:
        return f"the run has failed meanwhile: {word.reason}" if word.reason else "the run has failed meanwhile"
    if word.cmd is wire.Cmd.RETRY_STAGE and word.key != running:
        return f"{word.state} is to be run again, as attempt {word.attempt}"
    return ""
