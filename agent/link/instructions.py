"""The orchestrator's latest instruction, whichever answer it came in, and what the agent does about it. No I/O."""

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
class Instruction:
    """The state of the run, as the orchestrator's answer gives it."""

    state: str
    attempt: int = 0
    go: bool = False
    cmd: wire.Cmd = wire.Cmd.CONTINUE
    overrides: list[wire.OverrideFlags] = field(default_factory=list)
    reason: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.state, self.attempt


def from_claim(answer: wire.ClaimAnswer) -> Instruction:
    return Instruction(answer.next_state, answer.attempt, answer.go, overrides=answer.override_flags)


def from_heartbeat(answer: wire.HeartbeatAnswer) -> Instruction:
    """`retry_stage` names the stage itself. All other commands refer to the run's state."""
    stage = answer.stage if answer.cmd is wire.Cmd.RETRY_STAGE and answer.stage else answer.next_state
    return Instruction(stage, answer.attempt, answer.go, answer.cmd, answer.override_flags, answer.reason)


def from_result(answer: wire.ResultAnswer) -> Instruction:
    return Instruction(answer.next_state, answer.attempt, answer.go, answer.cmd, reason=answer.reason)


def decide(instruction: Instruction, stages: Collection[str], done: Collection[tuple[str, int]]) -> Action:
    """What to do now. `stages` are the ones in the claim, `done` are the attempts that have ended. A heartbeat's answer
    may be older than a result's and name an attempt that is done; then there is nothing to do."""
    if instruction.cmd is wire.Cmd.SHUTDOWN:
        return Action.SHUT_DOWN
    if instruction.cmd is wire.Cmd.ABORT or instruction.state in FAILED_STATES:
        return Action.HOLD
    if instruction.state not in stages or instruction.key in done:
        return Action.IDLE
    return Action.TEST if instruction.go else Action.AWAIT_GO


def stop_reason(instruction: Instruction, running: tuple[str, int]) -> str:
    """Why the running attempt must stop at once, as a sentence. Empty if it goes on."""
    if instruction.cmd is wire.Cmd.SHUTDOWN:
        return f"the run was ended: {instruction.reason}" if instruction.reason else "the run was ended"
    if instruction.cmd is wire.Cmd.ABORT:
        return (
            f"the run has failed meanwhile: {instruction.reason}"
            if instruction.reason
            else "the run has failed meanwhile"
        )
    if instruction.cmd is wire.Cmd.RETRY_STAGE and instruction.key != running:
        return f"{instruction.state} is to be run again, as attempt {instruction.attempt}"
    return ""
