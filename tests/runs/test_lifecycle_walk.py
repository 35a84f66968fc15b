"""Anything that can happen to a host's runs, in any order, against the real database: what must always hold, holds.

A few walks each time; `VETTING_WALKS=200` takes as many."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agent.contract import codec, wire
from runs import lifecycle, stage_rows, watchdog
from runs.machine import ENDED, HELD, LIVE, STAGE_STATES, TESTING, Event, NotAllowed, State
from runs.models import Boot, Lease, Run
from runs.stages import STAGES
from runs.transition import Refused
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, SERIAL, Talker

OTHER_UUID = "11111111-2222-3333-4444-555555555555"
BAD_DISK = wire.Finding("smart.pending_sectors", wire.Severity.CRITICAL, "disk", SERIAL, "sda: 2 pending sectors")
WORN_DISK = wire.Finding("smart.wear", wire.Severity.WARNING, "disk", SERIAL, "sda: 91 % worn")
WIPE_REFUSED = wire.Refusal(3, SERIAL, "LVM", [wire.Signature("sda", "lvm", "pve", "LVM volume group pve")], "d1g3st")
NEEDS_A_CLAIM = ("heartbeat", "log", "result", "hold")
SELDOM = st.sampled_from([False, False, False, True])  # what ends a walk is not to end most of them at once
HOW = st.sampled_from(["passed", "failed", "not_tested", "critical", "refused"])


class Machine(Talker):
    """One boot of the host (or of a thief). It takes whatever status comes, and checks what may never be accepted."""

    last: tuple[str, bytes] | None = None
    status = 0

    def post(self, call: str, message: object, kind: type | None = None, *, status: int = 200) -> Any:
        return self.send(call, codec.dumps(message), kind)

    def send(self, call: str, body: bytes, kind: type | None = None) -> Any:
        boot = Boot.objects.select_related("run").get(run=self.run_id, number=int(self.token.split(".")[2]))
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"/api/v1/runs/{self.run_id}/{call}"
        reply = self.client.post(url, body, content_type="application/json", headers=headers)
        self.status, self.last = reply.status_code, (call, body)
        assert self.status in (200, 401, 403, 409), (call, reply.content)
        if boot.dead_at is not None:
            assert self.status == 401, f"{call} with the token of a dead boot"
        if call in NEEDS_A_CLAIM and self.status == 200 and boot.run.state not in ENDED:
            assert boot.claimed_at is not None and boot.boot_id == json.loads(body)["boot_id"], f"{call} unclaimed"
        return codec.loads(kind, reply.content) if kind and self.status == 200 else None


class Lifecycle(RuleBasedStateMachine):
    """One host, everybody who acts on it, and every machine that ever booted for it."""

    def __init__(self) -> None:
        super().__init__()
        self.rolled_back = transaction.atomic()
        self.rolled_back.__enter__()
        self.host = a_host("node-1", mac=MAC, expected=EXPECTED, destructive_allowed=True)
        self.machines: list[Machine] = []
        self.outcomes: dict[int, tuple[str, bool]] = {}
        self.start(False, "quick")
        work.dispatch()
        self.boot(True)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.rolled_back.__exit__(None, None, None)

    @property
    def run(self) -> Run | None:
        light = Run.objects.defer("profile", "expected", "disks", "inventory")  # asked for before and after every step
        return light.filter(host_id=self.host.pk).order_by("-id").first()

    def up(self) -> Machine | None:
        """The machine that most likely is at work: of the newest claimed boot."""
        run = self.run
        claimed = [m for m in self.machines if run and m.run_id == run.pk and m.token.split(".")[2] == self._boot(run)]
        return claimed[-1] if claimed else None

    def _boot(self, run: Run) -> str:
        return str(stage_rows.claimed_boot(run))

    # --- operator and worker ---

    @rule(going_on=st.booleans(), profile=st.sampled_from(["quick", "quick-write"]))
    def start(self, going_on: bool, profile: str) -> None:
        overrides = {"on_failure": "continue"} if going_on else {}
        self._try(lambda: lifecycle.start_run(self.host, profile_name=profile, overrides=overrides))

    @precondition(lambda self: self.run)
    @rule(really=SELDOM)
    def cancel(self, really: bool) -> None:
        if really:
            may = self.run.state in LIVE
            assert self._try(lambda: lifecycle.cancel(self.run)) is may

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(really=SELDOM)
    def release(self, really: bool) -> None:
        if really:
            lifecycle.release(self.run)

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(stage=st.sampled_from(STAGE_STATES), granted=st.booleans())
    def retry(self, stage: State, granted: bool) -> None:
        if self._try(lambda: lifecycle.ask_retry(self.run, stage)) and granted:
            work.dispatch()

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule()
    def retry_what_failed(self) -> None:
        stage = self.run.stage_runs.order_by("-id").first().name
        self._try(lambda: lifecycle.ask_retry(self.run, stage))
        work.dispatch()

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(digest=st.sampled_from(["d1g3st", "d1g3st", "other"]))
    def override(self, digest: str) -> None:
        run = self.run
        newest = run.stage_runs.filter(name="Storage").order_by("-attempt").first()
        given = self._try(lambda: lifecycle.override_wipe(run, newest.attempt if newest else 1, SERIAL, digest))
        if given:
            assert digest == "d1g3st" and newest.refusals and newest.boot == stage_rows.claimed_boot(run)
        work.dispatch()

    @rule()
    def tick(self) -> None:
        work.dispatch()

    # --- machines ---

    @rule(claims=st.booleans())
    def boot(self, claims: bool) -> None:
        machine = Machine(self.host, boot_id=f"boot-{len(self.machines) + 1}")
        if machine.fetch_script().kind == "boot":
            self.machines.append(machine)
            machine.hello()
            if claims:
                machine.claim()

    @precondition(lambda self: self.machines)
    @rule(data=st.data(), call=st.sampled_from(["hello", "claim", "heartbeat", "log", "hold"]))
    def any_machine_calls(self, data: st.DataObject, call: str) -> None:
        machine = data.draw(st.sampled_from(self.machines))
        getattr(machine, call)(*(["a line"] if call == "log" else []))

    @precondition(lambda self: self.machines)
    @rule(call=st.sampled_from(["claim", "result"]))
    def another_machine_steals_the_token(self, call: str) -> None:
        self.host.refresh_from_db()
        thief = Machine(self.host, boot_id="thief", uuid=OTHER_UUID)
        thief.run_id, thief.token = self.machines[-1].run_id, self.machines[-1].token
        if call == "result":
            thief.result("InventoryCheck")
        elif self.host.dmi_uuid:
            thief.claim()
        assert thief.status != 200

    @precondition(lambda self: self.up() and self.run.state in TESTING)
    @rule(count=st.integers(1, 8))
    def stages_pass(self, count: int) -> None:
        for _ in range(count):
            if self.run.state in TESTING:
                self._result(self.up(), "passed")

    @precondition(lambda self: self.up() and self.run.state in TESTING)
    @rule(how=HOW, and_holds=st.booleans())
    def stage_ends(self, how: str, and_holds: bool) -> None:
        self._result(self.up(), how)
        if and_holds and self.run.state == State.FAILED:
            self.up().hold()

    @precondition(lambda self: self.machines)
    @rule(data=st.data(), stage=st.sampled_from(TESTING), attempt=st.integers(1, 2), how=HOW)
    def any_result(self, data: st.DataObject, stage: State, attempt: int, how: str) -> None:
        """Late, early, of another boot, or of a stage that is not the one that runs."""
        self._result(data.draw(st.sampled_from(self.machines)), how, stage, attempt)

    @precondition(lambda self: any(machine.last for machine in self.machines))
    @rule(data=st.data())
    def the_same_again(self, data: st.DataObject) -> None:
        """Right after the first time: a lost answer. Nothing counts twice."""
        machine = data.draw(st.sampled_from([machine for machine in self.machines if machine.last]))
        machine.send(*machine.last)
        before = self._counted()
        machine.send(*machine.last)
        assert self._counted() == before

    # --- time ---

    @precondition(lambda self: self.run)
    @rule(which=st.sampled_from(["boot", "heartbeat", "stage", "hold"]), really=SELDOM)
    def time_passes(self, which: str, really: bool) -> None:
        if not really:
            return
        run, long_ago = self.run, timezone.now() - timedelta(days=30)
        if which == "boot":
            Run.objects.filter(pk=run.pk, boot_deadline__isnull=False).update(boot_deadline=long_ago)
        elif which == "heartbeat":
            Run.objects.filter(pk=run.pk).update(last_seen=long_ago)
            run.stage_runs.update(created_at=long_ago)
        elif which == "stage":
            run.stage_runs.exclude(go_at=None).update(go_at=long_ago)
        else:
            Run.objects.filter(pk=run.pk).update(state_since=long_ago)
        Lease.objects.update_or_create(name=Lease.web_of("127.0.0.1"), defaults={"web_seen_at": timezone.now()})
        watchdog.tick()

    # --- what must always hold ---

    @invariant()
    def a_host_has_one_live_or_held_run(self) -> None:
        assert Run.objects.live_or_held().filter(host=self.host).count() <= 1

    @invariant()
    def the_history_is_a_chain_of_states(self) -> None:
        if (run := self.run) is None:
            return
        at = State.REGISTERED
        for before, after in run.events.filter(kind__in=list(Event)).values_list("state_before", "state_after"):
            assert before == at
            at = State(after)
        assert at == run.state

    @invariant()
    def an_attempt_has_one_outcome(self) -> None:
        if (run := self.run) is None:
            return
        running = [row.name for row in run.stage_runs.all() if not row.outcome]
        assert running == ([run.state] if run.state in STAGE_STATES else [])
        for row in run.stage_runs.exclude(outcome=""):
            assert self.outcomes.setdefault(row.pk, (row.outcome, row.counts)) == (row.outcome, row.counts)

    @invariant()
    def a_key_is_out_exactly_while_the_host_is_held(self) -> None:
        if run := self.run:
            assert run.holds.filter(closed_at=None).count() == (run.state in HELD)
            assert not run.holds.exclude(closed_at=None).exclude(private_key_sealed="").exists()

    @invariant()
    def a_run_has_ended_exactly_when_nothing_is_tested_any_more(self) -> None:
        if run := self.run:
            assert (run.ended_at is not None) is (run.state not in LIVE)
            assert not run.retry_stage or run.state not in LIVE

    @invariant()
    def the_verdict_is_what_the_rows_say(self) -> None:
        if (run := self.run) is None:
            return
        if run.state in LIVE or run.state == State.CANCELLED:
            assert run.verdict == ""
            return
        assert run.verdict == self._verdict(run)
        health = {"passed": ["good"], "failed": ["bad"]}.get(run.verdict, ["unknown", "bad"])
        assert run.host.health in health

    @invariant()
    def a_run_that_passed_has_passed_every_stage_since_the_host_was_last_opened(self) -> None:
        """Whatever counts or does not: of the profile, all but what the spec takes off, in the newest boot."""
        run = self.run
        if run is None or run.verdict != "passed":
            return
        due = {stage.name for stage in STAGES if stage.topic not in EXPECTED["not_expected"]}
        newest = {row.name: row for row in run.stage_runs.order_by("attempt")}
        for name in due & set(run.profile["stages"]):
            assert newest[name].outcome == "passed", name
            assert newest[name].boot == stage_rows.claimed_boot(run), name

    # --- details ---

    def _verdict(self, run: Run) -> str:
        """By the rulings, in other words than the code's: per stage, the attempts of the boot of its newest one."""
        stages: dict[str, list[Any]] = {}
        for row in run.stage_runs.exclude(name=State.REPORTING).order_by("attempt"):
            stages.setdefault(row.name, []).append(row)
        counting = [row for rows in stages.values() for row in rows if row.boot == rows[-1].boot]
        critical = run.findings.filter(stage_run__in=[row.pk for row in counting], severity="critical")
        if critical.exists() or any(row.outcome == "failed" for row in counting):
            return "failed"
        if run.bench_error:
            return "error"
        last = [rows[-1] for rows in stages.values() if rows[-1].counts]
        all_passed = run.state == State.COMPLETED and all(row.outcome == "passed" for row in last)
        return "passed" if all_passed else "incomplete"

    def _result(self, machine: Machine, how: str, stage: str = "", attempt: int = 0) -> None:
        row = stage_rows.current(self.run)
        stage, attempt = stage or self.run.state, attempt or row.attempt
        more: dict[str, Any] = {"findings": [WORN_DISK]}
        if how == "critical":
            more["findings"] = [BAD_DISK]
        if how == "refused" and stage == State.STORAGE:
            more["refusals"] = [WIPE_REFUSED]
        outcome = {"critical": "passed", "refused": "not_tested"}.get(how, how)
        machine.result(stage, outcome, attempt=attempt, reason=how, **more)

    def _counted(self) -> tuple[Any, ...]:
        run = self.run
        rows = run.stage_runs.count(), run.findings.count(), run.holds.count(), run.boots.count(), run.log_bytes
        return (run.pk, run.state, *rows, run.events.exclude(kind="rung").count())

    def _try(self, call: Any) -> bool:
        try:
            call()
        except (Refused, NotAllowed):
            return False
        return True


@pytest.mark.slow
@pytest.mark.django_db
def test_what_must_always_hold_holds_whatever_happens() -> None:
    limits = settings(
        max_examples=int(os.environ.get("VETTING_WALKS", "6")),
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Lifecycle, settings=limits)
