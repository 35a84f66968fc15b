"""The life of a run: one table, `(state, event) → (next state, effects)`, each row once.

Only this table says what comes next. A pair that is not in it is not allowed: `step` raises `NotAllowed`, and the API
answers 409. `transition` applies it; nothing else writes `Run.state`. No Django import.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from runs.stages import STAGES


class State(StrEnum):
    """Each stage of a run is a state, too, named as its folder is: CPUStress is `State.CPU_STRESS`. Type checkers know
    those that the orchestrator's own code asks for."""

    _ignore_ = ["stage"]

    REGISTERED = "Registered"
    QUEUED = "Queued"
    WAITING_WOL = "WaitingWoL"
    BOOTING = "Booting"
    if TYPE_CHECKING:
        INVENTORY_CHECK = "InventoryCheck"
        FIRMWARE = "Firmware"
        SPEC_VALIDATE = "SpecValidate"
        STORAGE = "Storage"
        SMART = "SMART"
        CPU_STRESS = "CPUStress"
        MEMORY = "Memory"
        NETWORK = "Network"
        BURN = "Burn"
        GPU = "GPU"
        REPORTING = "Reporting"
    for stage in STAGES:
        vars()[stage.folder.upper()] = stage.name
    COMPLETED = "Completed"
    FAILED = "Failed"
    FAILED_HOLDING = "FailedHolding"
    RELEASED = "Released"
    CANCELLED = "Cancelled"


class Event(StrEnum):
    """What can happen to a run, and who causes it."""

    QUEUE = "queue"  # operator: start vetting
    DISPATCH = "dispatch"  # worker: a slot is free
    BOOT_SEEN = "boot_seen"  # agent: the machine fetched its boot script
    CLAIMED = "claimed"  # agent: token checked and bound
    STAGE_DONE = "stage_done"  # agent: passed, or not tested, or failed under on_failure: continue
    STAGE_FAILED = "stage_failed"  # agent: a check failed
    STAGE_REFUSED = "stage_refused"  # agent: the wipe probe found something (gate 3)
    BENCH_UNFIT = "bench_unfit"  # agent: the bench could not have measured: another attempt follows
    HOLD = "hold"  # agent: the host is held
    HOST_RESET = "host_reset"  # agent: back under another boot id
    CONTRACT_MISMATCH = "contract_mismatch"  # agent: built from another contract
    RETRY = "retry"  # worker: the operator asked for it, and a slot is free
    RELEASE = "release"  # operator: power it off
    CANCEL = "cancel"  # operator: stop
    BOOT_DEADLINE = "boot_deadline"  # watchdog: nothing claimed the run
    HEARTBEAT_DEADLINE = "heartbeat_deadline"  # watchdog: the host went silent
    STAGE_DEADLINE = "stage_deadline"  # watchdog: the stage took too long
    BENCH_DEADLINE = "bench_deadline"  # watchdog: one of these two, while the bench was unfit
    HOLD_DEADLINE = "hold_deadline"  # watchdog: held longer than the bench allows


class Effect(StrEnum):
    """What a transition writes besides the state, in the same transaction (see `effects.py`)."""

    WAKE = "wake"  # ask pxe to wake the host
    EXPECT_BOOT = "expect_boot"  # a new boot with its own token, and a deadline
    OPEN_STAGE = "open_stage"  # a row for the stage's next attempt
    CLOSE_STAGE = "close_stage"  # the running attempt has failed: the host is lost
    CANCEL_STAGE = "cancel_stage"  # the running attempt is not tested: the operator stopped the run
    GIVE_UP_STAGE = "give_up_stage"  # the running attempt has failed: it took too long, though the host answers
    DROP_STAGE = "drop_stage"  # the running attempt is not tested: the bench is to blame
    OPEN_HOLD = "open_hold"  # a new key pair
    CLOSE_HOLD = "close_hold"  # forget the key pair
    WRITE_VERDICT = "write_verdict"  # verdict of the run, health of the host
    END = "end"  # the testing is over: note when
    REOPEN = "reopen"  # a retry: the run goes on
    REPORT = "report"  # a report is due
    CYCLE_POWER = "cycle_power"  # the host hung: power-cycle it, if it allows that
    READ_POWER = "read_power"  # the agent powers the host off: read whether it is off
    TELL_STAGE_FAILED = "tell_stage_failed"  # notifications, by kind
    TELL_HOLDING = "tell_holding"
    TELL_COMPLETED = "tell_completed"


class Row(NamedTuple):
    """One row of the table. `goes_to` is None for a retry, which names its stage itself."""

    state: State
    event: Event
    goes_to: State | None
    effects: tuple[Effect, ...] = ()


class NotAllowed(Exception):
    """The table has no row for this state and event."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a run that is {state} cannot take '{event}'")
        self.state = state
        self.event = event


STAGE_STATES: tuple[State, ...] = tuple(State(stage.name) for stage in STAGES)
AGENT_SILENT = (State.WAITING_WOL, State.BOOTING)
TESTING = tuple(state for state in STAGE_STATES if state is not State.REPORTING)
OCCUPIES_SLOT = frozenset((*AGENT_SILENT, *STAGE_STATES))
ENDED = frozenset((State.COMPLETED, State.RELEASED, State.CANCELLED))
HELD = frozenset((State.FAILED_HOLDING,))
LIVE = frozenset((State.REGISTERED, State.QUEUED, *AGENT_SILENT, *STAGE_STATES))

_FAIL = (Effect.WRITE_VERDICT, Effect.END, Effect.REPORT, Effect.TELL_STAGE_FAILED)
_LOST = (Effect.CLOSE_STAGE, *_FAIL)
_STOP = (Effect.CANCEL_STAGE, Effect.END, Effect.REPORT, Effect.READ_POWER)
_RELEASED = (Effect.CLOSE_HOLD, Effect.WRITE_VERDICT, Effect.END, Effect.REPORT, Effect.READ_POWER)


def _rows() -> tuple[Row, ...]:
    S, E, F = State, Event, Effect
    before_stages = (
        Row(S.REGISTERED, E.QUEUE, S.QUEUED),
        Row(S.QUEUED, E.DISPATCH, S.WAITING_WOL, (F.EXPECT_BOOT, F.WAKE)),
        Row(S.WAITING_WOL, E.BOOT_SEEN, S.BOOTING),
        Row(S.BOOTING, E.CLAIMED, STAGE_STATES[0], (F.OPEN_STAGE,)),
        *(Row(state, E.BOOT_DEADLINE, S.FAILED, _FAIL) for state in AGENT_SILENT),
        *(Row(state, E.CONTRACT_MISMATCH, S.FAILED, _FAIL) for state in AGENT_SILENT),
        *(Row(state, E.CANCEL, S.CANCELLED, (F.END, F.REPORT)) for state in (S.REGISTERED, S.QUEUED, *AGENT_SILENT)),
    )
    onward = tuple(Row(state, E.STAGE_DONE, after, (F.OPEN_STAGE,)) for state, after in pairwise(STAGE_STATES))
    each_stage = tuple(
        row
        for state in TESTING
        for row in (
            Row(state, E.STAGE_FAILED, S.FAILED, _FAIL),
            Row(state, E.HOST_RESET, S.FAILED, _LOST),
            Row(state, E.HEARTBEAT_DEADLINE, S.FAILED, (*_LOST, F.CYCLE_POWER)),
            Row(state, E.STAGE_DEADLINE, S.FAILED, (F.GIVE_UP_STAGE, *_FAIL)),
            Row(state, E.BENCH_DEADLINE, S.FAILED, (F.DROP_STAGE, *_FAIL)),
            Row(state, E.CANCEL, S.CANCELLED, _STOP),
        )
    )
    once_more = tuple(
        Row(State(stage.name), E.BENCH_UNFIT, State(stage.name), (F.OPEN_STAGE,))
        for stage in STAGES
        if stage.shares_link
    )
    the_end = (
        Row(S.STORAGE, E.STAGE_REFUSED, S.FAILED, _FAIL),
        Row(S.REPORTING, E.STAGE_DONE, S.COMPLETED, (F.WRITE_VERDICT, F.END, F.REPORT, F.READ_POWER, F.TELL_COMPLETED)),
        Row(S.REPORTING, E.STAGE_FAILED, S.FAILED, _FAIL),
        Row(S.REPORTING, E.CANCEL, S.CANCELLED, _STOP),
        Row(S.FAILED, E.HOLD, S.FAILED_HOLDING, (F.OPEN_HOLD, F.REPORT, F.TELL_HOLDING)),
        Row(S.FAILED_HOLDING, E.HOLD, S.FAILED_HOLDING, (F.CLOSE_HOLD, F.OPEN_HOLD)),
        Row(S.FAILED_HOLDING, E.RETRY, None, (F.CLOSE_HOLD, F.REOPEN, F.OPEN_STAGE)),
        Row(S.FAILED_HOLDING, E.RELEASE, S.RELEASED, _RELEASED),
        Row(S.FAILED_HOLDING, E.HOLD_DEADLINE, S.RELEASED, _RELEASED),
    )
    return (*before_stages, *onward, *each_stage, *once_more, *the_end)


TABLE: tuple[Row, ...] = _rows()
_BY_PAIR: dict[tuple[State, Event], Row] = {(row.state, row.event): row for row in TABLE}


def step(state: State, event: Event) -> Row:
    """The row for this state and event; raises NotAllowed when there is none."""
    try:
        return _BY_PAIR[state, event]
    except KeyError:
        raise NotAllowed(state, event) from None


def allows(state: State, event: Event) -> bool:
    return (state, event) in _BY_PAIR
