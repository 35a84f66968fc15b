"""A desk of operators over HTTP, on top of the walk of one host's life: pages, admin, adoption, import, late and odd
messages of agents, two agents with one token, a worker, and a clock that is set."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from agent.contract import codec, wire
from hosts import expectations
from runs import jobs, lifecycle, retention, stage_rows, watchdog
from runs.machine import HELD, LIVE, STAGE_STATES, State
from runs.models import Boot, Job, Lease, WakeRequest
from runs.reports import write as report
from tests import work
from tests.fuzz import pages, scenes
from tests.hosts.adminclient import confirm, do, preview, send
from tests.runs.test_lifecycle_walk import SELDOM, Lifecycle, Machine
from tests.talker import INVENTORY, SERIAL

OTHER_DISK = wire.Disk("sda", "SATA-0002", "", "sata", 256)
PARTS = {
    "as expected": INVENTORY,
    "another disk": replace(INVENTORY, disks=[OTHER_DISK]),
    "one disk more": replace(INVENTORY, disks=[*INVENTORY.disks, replace(OTHER_DISK, name="sdb")]),
    "two disks of one serial": replace(INVENTORY, disks=[*INVENTORY.disks, replace(INVENTORY.disks[0], name="sdb")]),
    "no module": replace(INVENTORY, memory=wire.Memory(total_mb=2900)),
    "no card": replace(INVENTORY, nics=[]),
    "nothing": wire.Inventory(),
    "odd words": replace(INVENTORY, disks=[wire.Disk("sd'a", "\u202e<b>", "0x\x00", "nowhere", 2**62)]),
}
QUERIES = (
    {}, {"window": "²"}, {"window": "3600"}, {"since": "1"}, {"before": "-1"}, {"before": "9" * 40}, {"level": "error"},
    {"level": "?"}, {"q": "\x00"}, {"run": ["1", "2", "x"]}, {"run": "1"}, {"path": "disks[0].serial"}, {"path": "["},
    {"stage": "Storage"}, {"health": "bad"}, {"p": "999"}, {"o": "9.-9"}, {"state": "²"},
    {"after": "10", "last_id": "z"},
)  # fmt: skip
ACTIONS = (
    "start_vetting", "cancel_vetting", "release_hold", "adopt", "set_profile", "enable", "disable", "no_such_action"
)  # fmt: skip
IMPORTS = (
    "- name: node-1\n  notes: moved\n",
    "- name: node-1\n  expected:\n    disks: [{serial: SATA-0002}]\n",
    "- name: node-1\n  macs: [52:54:00:00:00:01, 52:54:00:00:00:0a]\n",
    "- name: node-2\n  macs: [52:54:00:00:00:01]\n",
    "- name: node-1\n- name: node-1\n",
    "- [1, 2]\n",
    "name: &a [*a]\n",
    "- name: " + "x" * 300 + "\n",
    "- name: node-1\n  expected: {memory: {dimms: 3}}\n",
    "\x00",
)
WORDS = st.text(max_size=40)
HOURS = st.sampled_from([-30, -1, 1, 13, 24 * 40])


class Desk(Lifecycle):
    """Whoever has a login asks over HTTP; what the base class asks of `lifecycle` directly comes in through the door
    here."""

    def __init__(self) -> None:
        scenes.without_files()
        self.clients: dict[str, Client] = {}
        self.hours, self.clock = 0, None
        self.parts = "as expected"
        super().__init__()

    def teardown(self) -> None:
        if self.clock is not None:
            self.clock.stop()
        super().teardown()

    def client(self, role: str = "administrator") -> Client:
        if role not in self.clients:
            user = get_user_model().objects.create_user(role, password="unused", is_staff=True)
            user.groups.add(Group.objects.get(name=role))
            self.clients[role] = Client()
            self._log_in(role)
        return self.clients[role]

    def _log_in(self, role: str) -> None:
        user = get_user_model().objects.get(username=role)
        self.clients[role].force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def _post(self, name: str, args: list[Any], data: dict[str, Any] | None = None, role: str = "operator") -> bool:
        """Whether it was done. What is not possible is refused with 409."""
        answer = self.client(role).post(reverse(name, args=args), data or {})
        assert answer.status_code in (200, 302, 409), (name, data, answer.status_code, answer.content[:500])
        return answer.status_code != 409

    def _act(self, name: str, **data: Any) -> bool:
        run = self.run
        assert self.client("operator").get(reverse("act", args=[run.pk, name])).status_code in (200, 409)
        return self._post("act", [run.pk, name], data)

    # --- what the base class does, over HTTP ---

    @rule(going_on=st.booleans(), profile=st.sampled_from(["quick", "quick-write", "no-such"]))
    def start(self, going_on: bool, profile: str) -> None:
        if going_on:
            self._try(
                lambda: lifecycle.start_run(self.host, profile_name="quick", overrides={"on_failure": "continue"})
            )
            return
        self._post("start", [self.host.name], {"profile": profile})
        self._post("start", [self.host.name], {"profile": profile, "confirmed": "1", "repair": "a new disk"})

    @precondition(lambda self: self.run)
    @rule(really=SELDOM)
    def cancel(self, really: bool) -> None:
        if really:
            may = self.run.state in LIVE
            assert self._act("cancel") is may

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(really=SELDOM)
    def release(self, really: bool) -> None:
        if really:
            assert self._act("release")

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(stage=st.sampled_from([*STAGE_STATES, "", "Nowhere"]), granted=st.booleans())
    def retry(self, stage: str, granted: bool) -> None:
        if self._act("retry", stage=stage) and granted:
            work.dispatch()

    @precondition(lambda self: self.run and self.run.state in HELD)
    @rule(digest=st.sampled_from(["d1g3st", "d1g3st", "other"]), typed=st.sampled_from([SERIAL, SERIAL, "SATA-0002"]))
    def override(self, digest: str, typed: str) -> None:
        run = self.run
        newest = run.stage_runs.filter(name=State.STORAGE).order_by("-attempt").first()
        attempt, boot = (newest.attempt, newest.boot) if newest else (1, 1)
        given = self._act("override", serial=SERIAL, typed=typed, digest=digest, attempt=attempt, boot=boot)
        if given:
            assert digest == "d1g3st" and typed == SERIAL and newest.refusals
            assert newest.boot == stage_rows.claimed_boot(run)
        work.dispatch()

    # --- more of the desk ---

    @precondition(lambda self: self.run)
    @rule(name=st.sampled_from(["hold-key", "new-key", "report-again"]))
    def ask_for_a_key_or_a_report(self, name: str) -> None:
        held = self.run.state in HELD
        done = self._post(name, [self.run.pk])
        assert held or not done or name == "report-again"

    @precondition(lambda self: self.run)
    @rule(everything=st.booleans())
    def adopt(self, everything: bool) -> None:
        path = "" if everything else getattr(self.run.spec_diffs.first(), "path", "disks")
        assert self.client().get(reverse("adopt", args=[self.run.pk]), {"path": path}).status_code in (200, 409)
        self._post("adopt", [self.run.pk], {"path": path})

    @rule(data=st.data(), role=st.sampled_from(["administrator", "viewer"]), query=st.sampled_from(QUERIES))
    def look(self, data: st.DataObject, role: str, query: dict[str, Any]) -> None:
        run = self.run
        if run is not None:
            pages.look(self.client(role), data.draw(st.sampled_from(pages.addresses(run))), **query)

    @precondition(lambda self: self.run)
    @rule(name=st.sampled_from(["cancel", "retry", "release", "override"]))
    def a_viewer_tries(self, name: str) -> None:
        before = self._counted()
        assert self.client("viewer").post(reverse("act", args=[self.run.pk, name])).status_code == 403
        assert self._counted() == before

    @rule(action=st.sampled_from(ACTIONS), confirmed=st.booleans(), really=SELDOM)
    def act_on_hosts(self, action: str, confirmed: bool, really: bool) -> None:
        if action in ("cancel_vetting", "release_hold", "disable") and not really:
            return
        sure = {"confirmed": "1", f"run-{self.host.pk}": getattr(self.run, "pk", 0)} if confirmed else {}
        answer = do(self.client(), action, self.host, profile="quick", **sure)
        assert answer.status_code in (200, 302, 409), (action, answer.status_code)

    @rule(enabled=st.booleans(), writes=st.booleans(), notes=WORDS, parts=st.sampled_from(sorted(PARTS)))
    def change_the_host(self, enabled: bool, writes: bool, notes: str, parts: str) -> None:
        self.host.refresh_from_db()
        spec = {**self.host.expected, "disks": [{"serial": disk.serial} for disk in PARTS[parts].disks]}
        changes = {"notes": notes, "expected": expectations.to_yaml(spec)}
        flags = {"enabled": "on" if enabled else None, "destructive_allowed": "on" if writes else None}
        assert send(self.client(), self.host, **changes, **flags).status_code in (200, 302)

    @rule(text=st.one_of(st.sampled_from(IMPORTS), st.text(max_size=200)), kind=st.sampled_from(["yaml", "csv"]))
    def import_hosts(self, text: str, kind: str) -> None:
        answer = preview(self.client(), text, kind)
        assert answer.status_code == 200
        if "confirm_form" in (answer.context or {}):
            assert confirm(self.client(), answer).status_code in (200, 302)

    # --- worker and clock ---

    @rule()
    def the_worker_does_a_round(self) -> None:
        work.dispatch()
        watchdog.tick()
        WakeRequest.objects.filter(sent=0).update(sent=1)
        report.tick()
        retention.tick()
        jobs.tick()
        for job in Job.objects.exclude(handed_at=None):
            assert jobs.work(job.pk, job.number) in ("done", "no longer wanted"), Job.objects.get(pk=job.pk).problem
        Lease.objects.update_or_create(name=Lease.ROUND, defaults={"ticked_at": timezone.now()})

    @rule(hours=HOURS, really=SELDOM)
    def the_clock_is_set(self, hours: int, really: bool) -> None:
        if not really:
            return
        if self.clock is not None:
            self.clock.stop()
        self.hours += hours
        self.clock = time_machine.travel(timezone.now() + timedelta(hours=self.hours), tick=True)
        self.clock.start()
        for role in self.clients:
            self._log_in(role)

    # --- agents ---

    @rule(parts=st.sampled_from(sorted(PARTS)))
    def parts_change(self, parts: str) -> None:
        self.parts = parts

    def _result(self, machine: Machine, how: str, stage: str = "", attempt: int = 0) -> None:
        self.host.refresh_from_db()
        super()._result(_Found(machine, PARTS[self.parts]), how, stage, attempt)

    @precondition(lambda self: self.machines)
    @rule(same_kernel=st.booleans(), call=st.sampled_from(["hello", "claim", "heartbeat"]))
    def a_second_agent_has_the_token(self, same_kernel: bool, call: str) -> None:
        first = self.machines[-1]
        second = Machine(self.host, boot_id=first.boot_id if same_kernel else f"{first.boot_id}-other")
        second.run_id, second.token = first.run_id, first.token
        number = int(first.token.split(".")[2])
        was = Boot.objects.get(run=first.run_id, number=number).boot_id
        getattr(second, call)()
        if was and was != second.boot_id and call == "claim":
            assert second.status != 200, "a token that two kernels have"
        self.machines.append(second)

    @precondition(lambda self: self.machines)
    @rule(data=st.data(), text=WORDS, level=st.sampled_from(["info", "error", "\u202e"]), seq=st.integers(-1, 3))
    def a_machine_says_something_odd(self, data: st.DataObject, text: str, level: str, seq: int) -> None:
        machine = data.draw(st.sampled_from(self.machines))
        line = wire.LogLine(data.draw(st.sampled_from([-1e18, 0.0, 1e9, 1e300])), level, text[:10], text)
        number = wire.Measurement(line.time, "disk", text, "temp", data.draw(st.floats(allow_nan=False)), "C")
        say = data.draw(st.sampled_from([_log, _sensor]))
        _tolerant(machine, *say(machine.boot_id, seq, line, number))

    # --- what must always hold ---

    @invariant()
    def every_invariant_of_the_product_holds(self) -> None:
        assert pages.broken() == []


class _Found:
    """A machine whose inventory has these parts."""

    def __init__(self, machine: Machine, inventory: wire.Inventory) -> None:
        self.machine, self.inventory = machine, inventory

    def result(self, stage: str, outcome: str, **more: Any) -> None:
        if stage == State.INVENTORY_CHECK:
            more["inventory"] = self.inventory
        self.machine.result(stage, outcome, **more)


def _log(boot_id: str, seq: int, line: wire.LogLine, number: wire.Measurement) -> tuple[str, object]:
    return "log", wire.LogBatch(boot_id, seq, [line])


def _sensor(boot_id: str, seq: int, line: wire.LogLine, number: wire.Measurement) -> tuple[str, object]:
    return "sensor", wire.SensorBatch(boot_id, seq, [number])


def _tolerant(machine: Machine, call: str, message: Any) -> None:
    """It may be refused as no message of the contract, too. (JSON itself has no infinity.)"""
    body = json.dumps(codec.encode(message)).encode()
    headers = {"Authorization": f"Bearer {machine.token}"}
    url = f"/api/v1/runs/{machine.run_id}/{call}"
    reply = machine.client.post(url, body, content_type="application/json", headers=headers)
    assert reply.status_code in (200, 400, 401, 403, 409), (call, reply.content)
