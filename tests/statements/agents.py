"""Each call of an agent, over the views and the group commit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from unittest import mock

from django.test import Client

from agent.contract import codec, wire
from agentapi import endpoint, ingest
from runs.judging import required_checks
from runs.machine import Event
from runs.models import Actor, Run, StageRun
from runs.transition import apply, locked
from tests.statements import worlds
from tests.statements.sweep import Act, Caller, Done, Scenario
from tests.talker import EXPECTED, INVENTORY, Talker


def _post(talker: Talker, call: str, message: object) -> Act:
    """The very same bytes each time, as the agent sends them."""
    client = Client(raise_request_exception=False)
    body, address = codec.dumps(message), f"/api/v1/runs/{talker.run_id}/{call}"
    headers = {"Authorization": f"Bearer {talker.token}"}

    def act(done: Done) -> bool:
        return client.post(address, body, content_type="application/json", headers=headers).status_code < 500

    return act


def _group(requests: list[endpoint.Request], group_s: float) -> Act:
    """Requests that wait together; who is not answered sends again. `group_s` is how long one transaction takes calls:
    with the product's own limit, the statements would depend on how busy this machine is."""
    writer = ingest.Writer()

    def act(done: Done) -> bool:
        waiting = [(number, request) for number, request in enumerate(requests) if number not in done]
        group: ingest.Group = [(request, Future()) for _, request in waiting]
        with mock.patch.object(ingest, "GROUP_S", group_s):
            writer.answer(group)
        for (number, _), (_, future) in zip(waiting, group, strict=True):
            if future.exception() is None and future.result().status < 500:
                done.add(number)
        return len(done) == len(requests)

    return act


def _result(talker: Talker, stage: str, outcome: str = "passed", attempt: int = 1, **more: object) -> Act:
    """With all that is demanded of it, so that what is called passed is."""
    run = Run.objects.get(pk=talker.run_id)
    wanted = required_checks.of_stage(stage, run.profile, run.expected)
    given = {"checks": [wire.Check(one.name, wire.Outcome.PASSED) for one in wanted], **more}
    if stage == "InventoryCheck":
        given |= {"inventory": INVENTORY}
    message = wire.Result(talker.boot_id, stage, attempt, wire.Outcome(outcome), "", 1.0, 2.0, **given)
    return _post(talker, "result", message)


def _hello() -> Act:
    talker = worlds.dispatched()
    message = wire.Hello(talker.boot_id, "10.77.0.23", talker.macs, talker.uuid, codec.fingerprint())
    return _post(talker, "hello", message)


def _hello_of_another_contract() -> Act:
    talker = worlds.dispatched()
    return _post(talker, "hello", wire.Hello(talker.boot_id, "10.77.0.23", talker.macs, talker.uuid, "another"))


def _claim() -> Act:
    talker = worlds.dispatched()
    talker.hello()
    return _post(talker, "claim", wire.Claim(talker.boot_id, talker.uuid, talker.macs))


def _claim_after_a_reset() -> Act:
    talker = worlds.in_stage("SMART")
    talker.fetch_script()
    talker.boot_id = "boot-after"
    return _post(talker, "claim", wire.Claim(talker.boot_id, talker.uuid, talker.macs))


def _claim_of_a_restarted_agent() -> Act:
    talker = worlds.in_stage("SMART")
    StageRun.objects.filter(name="SMART").update(go_at=worlds.timezone.now() - worlds.timedelta(minutes=5))
    return _post(talker, "claim", wire.Claim(talker.boot_id, talker.uuid, talker.macs))


def _claim_by_another_machine() -> Act:
    talker = worlds.dispatched()
    return _post(
        talker, "claim", wire.Claim(talker.boot_id, "11111111-2222-3333-4444-555555555555", ["52:54:00:99:00:01"])
    )


def _heartbeat() -> Act:
    talker = worlds.in_stage("SMART")
    progress = [wire.Progress("sda", 40.0, "self-test")]
    return _post(talker, "heartbeat", wire.Heartbeat(talker.boot_id, "SMART", 1, 60.0, progress))


def _log() -> Act:
    talker = worlds.in_stage("SMART")
    return _post(talker, "log", _lines(talker))


def _measurements() -> Act:
    """Two of them over a limit: a finding is made of them."""
    talker = worlds.in_stage("SMART")
    return _post(talker, "sensor", _hot(talker))


def _lines(talker: Talker) -> wire.LogBatch:
    return wire.LogBatch(talker.boot_id, 1, [wire.LogLine(1.0, "info", "SMART", f"line {n}") for n in range(3)])


def _hot(talker: Talker) -> wire.SensorBatch:
    now = time.time()
    found = [wire.Measurement(now + 2 * n, "cpu", "CPU0", "temp", 120.0 + n, "C") for n in range(3)]
    return wire.SensorBatch(talker.boot_id, 1, found)


def _a_group(group_s: float) -> Act:
    """Three agents at once, and somebody with a wrong token."""
    talkers = [worlds.in_stage("SMART"), worlds.claimed(2), worlds.claimed(3)]
    calls = [
        request
        for talker in talkers
        for request in (
            _request(talker, "heartbeat", wire.Heartbeat(talker.boot_id, "", 0, 60.0, [])),
            _request(talker, "log", _lines(talker)),
            _request(talker, "sensor", _hot(talker)),
        )
    ]
    forged = endpoint.Request("log", talkers[0].run_id, "vt1.nonsense", b"{}", "10.77.0.99")
    return _group([*calls[:4], forged, *calls[4:]], group_s)


def _request(talker: Talker, call: str, message: object) -> endpoint.Request:
    return endpoint.Request(call, talker.run_id, talker.token, codec.dumps(message), "10.77.0.23")


def _passed() -> Act:
    return _result(worlds.in_stage("SMART"), "SMART", findings=[worlds.WARNED])


def _inventory() -> Act:
    return _result(worlds.claimed(), "InventoryCheck")


def _before_a_mismatch() -> Act:
    """Expected parts is resolved within the call, and fails."""
    talker = worlds.in_stage(worlds.BEFORE_EXPECTED_PARTS)
    Run.objects.update(expected=EXPECTED | {"disks": [{"serial": "GONE-1"}]})
    return _result(talker, worlds.BEFORE_EXPECTED_PARTS)


def _failed() -> Act:
    return _result(worlds.in_stage("SMART"), "SMART", "failed", findings=[worlds.BAD_DISK])


def _failed_and_goes_on() -> Act:
    talker = worlds.in_stage("SMART")
    run = worlds.run_of(talker)
    Run.objects.update(profile=run.profile | {"on_failure": "continue"})
    return _result(talker, "SMART", "failed", findings=[worlds.BAD_DISK])


def _last() -> Act:
    return _result(worlds.in_stage("PSU"), "PSU")


def _refused() -> Act:
    return _result(worlds.in_stage("Storage"), "Storage", "not_tested", refusals=[worlds.WIPE_REFUSED])


def _late() -> Act:
    talker = worlds.in_stage("SMART")
    with locked(talker.run_id) as run:
        apply(run, Event.HEARTBEAT_DEADLINE, actor=Actor.WATCHDOG, why="silent for 600 s")
    return _result(talker, "SMART", findings=[worlds.WARNED])


def _hold() -> Act:
    talker = worlds.in_stage("SMART")
    talker.result("SMART", "failed", findings=[worlds.BAD_DISK])
    return _post(talker, "hold", wire.Hold(talker.boot_id, "10.77.0.23", 22, "ssh-ed25519 AAAA host", []))


def _hold_of_another_boot() -> Act:
    talker = worlds.held()
    talker.fetch_script()
    talker.boot_id = "boot-after"
    talker.hello()
    talker.claim()
    return _post(
        talker, "hold", wire.Hold(talker.boot_id, "10.77.0.23", 22, "ssh-ed25519 AAAA host", ["root on pts/0"])
    )


def _boot_script() -> Act:
    """What iPXE asks, until it is answered."""
    talker = worlds.queued()
    worlds.work.dispatch()
    return _asks_what_to_boot(talker)


def _boot_script_of_a_reset() -> Act:
    return _asks_what_to_boot(worlds.in_stage("SMART"))


def _asks_what_to_boot(talker: Talker) -> Act:
    """A script that has it come again is no answer yet."""
    client = Client(raise_request_exception=False)

    def act(done: Done) -> bool:
        answer = client.get(f"/ipxe/{talker.macs[0]}")
        return answer.status_code < 500 and b"?again=" not in answer.content

    return act


_CALLS: dict[str, Callable[[], Act]] = {
    "boot script": _boot_script,
    "boot script of a host that has reset": _boot_script_of_a_reset,
    "hello": _hello,
    "hello of another contract": _hello_of_another_contract,
    "claim": _claim,
    "claim after a reset": _claim_after_a_reset,
    "claim of a restarted agent": _claim_of_a_restarted_agent,
    "claim by another machine": _claim_by_another_machine,
    "heartbeat": _heartbeat,
    "log": _log,
    "measurements": _measurements,
    "group commit": partial(_a_group, math.inf),
    "group commit, a transaction for each call": partial(_a_group, -1.0),
    "result of Inventory": _inventory,
    "result: passed": _passed,
    "result before a mismatch": _before_a_mismatch,
    "result: failed": _failed,
    "result: failed, and goes on": _failed_and_goes_on,
    "result: the last": _last,
    "result: refused by the wipe probe": _refused,
    "result: late": _late,
    "hold": _hold,
    "hold of another boot": _hold_of_another_boot,
}
SCENARIOS = [Scenario(name, Caller.AGENT, prepare) for name, prepare in _CALLS.items()]
