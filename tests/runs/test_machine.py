"""The table of a run's life: complete, without dead ends, and the picture of it current."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runs import machine
from runs.machine import (
    AGENT_SILENT,
    ENDED,
    HELD,
    LIVE,
    OCCUPIES_SLOT,
    STAGE_STATES,
    TABLE,
    TESTING,
    Effect,
    Event,
    NotAllowed,
    Row,
    State,
)
from runs.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
DEADLINES = {Event.BOOT_DEADLINE, Event.HEARTBEAT_DEADLINE, Event.STAGE_DEADLINE, Event.HOLD_DEADLINE}
CLOSES_STAGE = {Effect.CLOSE_STAGE, Effect.GIVE_UP_STAGE, Effect.DROP_STAGE, Effect.CANCEL_STAGE}
WAITS_FOR_SOMEBODY = (*AGENT_SILENT, *TESTING, State.FAILED_HOLDING)


def rows_of(state: State) -> list[Row]:
    return [row for row in TABLE if row.state is state]


def targets(row: Row) -> tuple[State, ...]:
    """A retry goes to the stage that was asked for: any of them."""
    return TESTING if row.goes_to is None else (row.goes_to,)


def test_each_pair_of_state_and_event_stands_once() -> None:
    counted = Counter((row.state, row.event) for row in TABLE)
    assert [pair for pair, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_every_state_that_is_not_final_has_a_way_out(state: State) -> None:
    assert any(to is not state for row in rows_of(state) for to in targets(row))


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_final_state_has_none(state: State) -> None:
    assert rows_of(state) == []


@pytest.mark.parametrize("state", WAITS_FOR_SOMEBODY)
def test_every_state_that_waits_has_a_deadline(state: State) -> None:
    assert {row.event for row in rows_of(state)} & DEADLINES


@pytest.mark.parametrize("state", TESTING)
def test_a_stage_is_left_by_a_missed_heartbeat_and_a_missed_deadline(state: State) -> None:
    for event in (Event.HEARTBEAT_DEADLINE, Event.STAGE_DEADLINE, Event.HOST_RESET):
        row = machine.step(state, event)
        assert row.goes_to is State.FAILED
        answers = event is Event.STAGE_DEADLINE
        assert row.effects[0] is (Effect.GIVE_UP_STAGE if answers else Effect.CLOSE_STAGE), (
            "what was running has failed"
        )


def test_every_state_can_be_reached() -> None:
    seen, front = {State.REGISTERED}, [State.REGISTERED]
    while front:
        for row in rows_of(front.pop()):
            new = [to for to in targets(row) if to not in seen]
            seen.update(new)
            front.extend(new)
    assert seen == set(State)


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_an_end_can_be_reached_from_everywhere(state: State) -> None:
    seen, front = {state}, [state]
    while front:
        for row in rows_of(front.pop()):
            new = [to for to in targets(row) if to not in seen]
            seen.update(new)
            front.extend(new)
    assert seen & (ENDED | {State.FAILED})


def test_the_stages_follow_each_other_in_the_order_of_the_registry() -> None:
    assert [stage.name for stage in STAGES] == list(STAGE_STATES)
    for state, after in pairwise(STAGE_STATES):
        assert machine.step(state, Event.STAGE_DONE).goes_to is after


@pytest.mark.parametrize("state", list(State))
def test_only_what_has_not_ended_can_be_cancelled(state: State) -> None:
    may = state not in (*ENDED, State.FAILED, State.FAILED_HOLDING)
    assert machine.allows(state, Event.CANCEL) is may


@pytest.mark.parametrize("state", list(State))
def test_only_a_held_run_can_be_released_or_retried(state: State) -> None:
    for event in (Event.RELEASE, Event.RETRY, Event.HOLD_DEADLINE):
        assert machine.allows(state, event) is (state is State.FAILED_HOLDING)


@pytest.mark.parametrize("state", list(State))
def test_only_storage_can_be_refused_by_the_wipe_probe(state: State) -> None:
    assert machine.allows(state, Event.STAGE_REFUSED) is (state is State.STORAGE)


@pytest.mark.parametrize("state", list(State))
def test_only_a_stage_on_the_shared_link_is_done_again_for_the_benchs_sake(state: State) -> None:
    assert machine.allows(state, Event.BENCH_UNFIT) is (state is State.NETWORK)
    if state is State.NETWORK:
        assert machine.step(state, Event.BENCH_UNFIT) == Row(state, Event.BENCH_UNFIT, state, (Effect.OPEN_STAGE,))


@pytest.mark.parametrize("state", TESTING)
def test_a_deadline_that_a_starved_bench_missed_blames_nobody(state: State) -> None:
    effects = machine.step(state, Event.BENCH_DEADLINE).effects
    assert effects[0] is Effect.DROP_STAGE
    assert not {Effect.CLOSE_STAGE, Effect.GIVE_UP_STAGE} & set(effects)


@pytest.mark.parametrize("state", TESTING)
def test_a_cancelled_stage_is_neither_failed_nor_the_benchs(state: State) -> None:
    assert CLOSES_STAGE & set(machine.step(state, Event.CANCEL).effects) == {Effect.CANCEL_STAGE}


def test_every_event_and_every_effect_is_used() -> None:
    assert {row.event for row in TABLE} == set(Event)
    assert {effect for row in TABLE for effect in row.effects} == set(Effect)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.state}-{row.event}")
def test_the_effects_fit_where_the_row_goes(row: Row) -> None:
    to = row.goes_to
    if to in STAGE_STATES or to is None:
        assert Effect.OPEN_STAGE in row.effects
    if to is State.FAILED:
        assert {Effect.WRITE_VERDICT, Effect.END, Effect.REPORT} <= set(row.effects)
    if to is State.FAILED_HOLDING:
        assert Effect.OPEN_HOLD in row.effects
    if row.state is State.FAILED_HOLDING:
        assert Effect.CLOSE_HOLD in row.effects, "no key outlives the hold that it was made for"
    if to in ENDED:
        assert Effect.END in row.effects and Effect.REPORT in row.effects
    if row.event is Event.CANCEL:
        assert Effect.WRITE_VERDICT not in row.effects, "a cancelled run has no verdict and changes no health"


def test_held_and_ended_runs_take_no_slot() -> None:
    assert not OCCUPIES_SLOT & (HELD | ENDED | {State.FAILED})
    assert LIVE >= OCCUPIES_SLOT
    assert not LIVE & (HELD | ENDED | {State.FAILED})
    assert set(State) == LIVE | HELD | ENDED | {State.FAILED}


def test_what_is_not_in_the_table_raises_with_both_names() -> None:
    with pytest.raises(NotAllowed, match="Completed cannot take 'cancel'"):
        machine.step(State.COMPLETED, Event.CANCEL)


def test_the_page_in_the_docs_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "draw_state_machine.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.state}-{row.event}")
def test_every_row_is_in_the_picture(row: Row) -> None:
    lines = (ROOT / "docs" / "state-machine.md").read_text().split("```")[1].splitlines()
    states = {row.state.value} | ({"Testing"} if row.state in TESTING else set())
    to = "Testing" if row.goes_to is None else row.goes_to
    edges = [
        line.strip().split(": ") for line in lines if any(line.strip().startswith(f"{s} --> {to}:") for s in states)
    ]
    assert any(row.event in events.split(", ") for _, events in edges)


class Walk(RuleBasedStateMachine):
    """Any events in any order: what the table refuses changes nothing, and what a run holds is let go again."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.REGISTERED
        self.stage_is_open = False
        self.key_is_out = False
        self.is_over = False

    @rule(event=st.sampled_from(list(Event)), asked=st.sampled_from(TESTING))
    def anything(self, event: Event, asked: State) -> None:
        if machine.allows(self.state, event):
            self._take(event, asked)
        else:
            with pytest.raises(NotAllowed):
                machine.step(self.state, event)

    @precondition(lambda self: self.state not in (*ENDED, State.FAILED))
    @rule(data=st.data(), asked=st.sampled_from(TESTING))
    def something_allowed(self, data: st.DataObject, asked: State) -> None:
        self._take(data.draw(st.sampled_from([row.event for row in rows_of(self.state)])), asked)

    def _take(self, event: Event, asked: State) -> None:
        row = machine.step(self.state, event)
        if event in (Event.STAGE_DONE, Event.STAGE_FAILED, Event.STAGE_REFUSED, Event.BENCH_UNFIT):
            self.stage_is_open = False  # its result is what closed it
        for effect in row.effects:
            self._carry_out(effect)
        self.state = row.goes_to or asked

    def _carry_out(self, effect: Effect) -> None:
        if effect is Effect.OPEN_STAGE:
            assert not self.stage_is_open
            self.stage_is_open = True
        elif effect in CLOSES_STAGE:
            self.stage_is_open = False
        elif effect in (Effect.OPEN_HOLD, Effect.CLOSE_HOLD):
            self.key_is_out = effect is Effect.OPEN_HOLD
        elif effect in (Effect.END, Effect.REOPEN):
            self.is_over = effect is Effect.END

    @invariant()
    def a_stage_is_open_exactly_while_the_run_is_in_one(self) -> None:
        assert self.stage_is_open is (self.state in STAGE_STATES)

    @invariant()
    def a_key_is_out_exactly_while_the_host_is_held(self) -> None:
        assert self.key_is_out is (self.state in HELD)

    @invariant()
    def it_is_over_exactly_when_nothing_is_tested_any_more(self) -> None:
        assert self.is_over is (self.state not in LIVE)


TestWalk = Walk.TestCase
