"""The agent's life against a real server: in order, once, and to the end whatever the network does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from agent.contract import wire
from agent.link.heartbeat import AtWork
from agent.session import Agent
from agent.stage import StageContext, StageReport
from tests.agent.conftest import QUICK, Bench, failing, passing
from tests.agent.orchestrator import TOKEN, Orchestrator, order

NewBench = Callable[[Orchestrator], Bench]
KEYGEN = pytest.mark.skipif("not __import__('shutil').which('ssh-keygen')", reason="needs ssh-keygen")


def of(*names: str, **more: object) -> Orchestrator:
    return Orchestrator([order(name) for name in names], **more)


def test_it_says_hello_claims_runs_every_stage_in_order_and_powers_off(bench: NewBench) -> None:
    b = bench(of("InventoryCheck", "CPUStress", "Memory"))
    b.run_to_the_end(dict.fromkeys(("InventoryCheck", "CPUStress", "Memory"), passing))
    told = [call for call in b.orchestrator.calls() if call in ("hello", "claim", "result")]
    assert told == ["hello", "claim", "result", "result", "result"]
    assert list(b.orchestrator.results) == [("InventoryCheck", 1), ("CPUStress", 1), ("Memory", 1)]
    assert b.machine.actions == ["sshd stopped, key gone", "armed", "off"]


def test_every_call_carries_the_token_and_no_message_or_line_does(bench: NewBench) -> None:
    def talkative(context: StageContext) -> StageReport:
        context.log("info", f"cmdline: vetting.token={TOKEN} quiet")
        return StageReport(wire.Outcome.PASSED, evidence={"cmdline": f"vetting.token={TOKEN}"})

    b = bench(of("CPUStress"))
    b.run_to_the_end({"CPUStress": talkative})
    assert b.orchestrator.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in repr(b.orchestrator.received) + repr(b.console)
    assert any(line == "cmdline: vetting.token=vt1.… quiet" for line in b.orchestrator.log_lines)


def test_a_lost_answer_makes_it_send_again_without_a_second_effect(bench: NewBench) -> None:
    b = bench(of("CPUStress", "Memory", lose_answers={"claim": 1, "result": 3, "log": 2}))
    b.run_to_the_end({"CPUStress": passing, "Memory": passing})
    sent = b.orchestrator.said("result")
    assert len(sent) == 5 and len(b.orchestrator.results) == 2
    assert sent[0] == sent[1] == sent[2]
    assert sum("CPUStress begins" in line for line in b.orchestrator.log_lines) == 1


def test_it_keeps_testing_while_the_network_is_away_and_delivers_everything_after(bench: NewBench) -> None:
    b = bench(of("CPUStress", "Memory"))

    def through_an_outage(context: StageContext) -> StageReport:
        b.orchestrator.change(away=True)
        for n in range(300):
            context.log("info", f"line {n}")
            context.measure(wire.Measurement(float(n), "cpu", "CPU0", "temp", 40.0, "C"))
        b.wait_for_line("no answer to the heartbeat, testing goes on")
        return StageReport(wire.Outcome.PASSED)

    def after_it(context: StageContext) -> StageReport:
        b.wait_for_line("answers again after")
        return StageReport(wire.Outcome.PASSED)

    with b.running(b.agent({"CPUStress": through_an_outage, "Memory": after_it})) as thread:
        b.wait_for_line("the orchestrator is out of reach")
        assert (b.directory / "results" / "CPUStress-1.json").exists()
        b.orchestrator.change(away=False)
        thread.join(15)
    assert set(b.orchestrator.results) == {("CPUStress", 1), ("Memory", 1)}
    lines = [line for line in b.orchestrator.log_lines if line.startswith("line ")]
    assert lines == [f"line {n}" for n in range(300)]
    assert b.orchestrator.measurements
    assert any("answers again after" in line for line in b.orchestrator.log_lines)


@KEYGEN
def test_a_failed_stage_ends_in_a_hold_with_the_key_it_was_given(bench: NewBench) -> None:
    b = bench(of("Memory", "Storage"))
    with b.running(b.agent({"Memory": failing, "Storage": passing})):
        b.orchestrator.wait_for(lambda o: len(o.said("hold")) >= 2)
        held = b.orchestrator.said("hold")
        assert held[0].host_key.startswith("ssh-ed25519 ")
        assert held[0].host_key == held[1].host_key
        assert "vetting-run-7" in (b.directory / "authorized_keys").read_text()
        assert (b.directory / "authorized_keys").stat().st_mode & 0o777 == 0o600
    assert b.machine.actions == ["sshd started"]
    assert list(b.orchestrator.results) == [("Memory", 1)]


@KEYGEN
def test_who_is_logged_in_reaches_the_orchestrator(bench: NewBench) -> None:
    b = bench(of("Memory"))
    with b.running(b.agent({"Memory": failing})):
        b.orchestrator.wait_for(lambda o: o.said("hold"))
        b.machine.logged_in.append("root on pts/0")
        b.orchestrator.wait_for(lambda o: o.said("hold")[-1].users == ["root on pts/0"])


@KEYGEN
def test_a_retry_closes_the_hold_and_runs_that_attempt_with_its_overrides(bench: NewBench) -> None:
    given = wire.OverrideFlags(7, 1, "Storage", 2, "SATA-0001", "digest")
    seen: list[tuple[int, list[wire.OverrideFlags]]] = []

    def storage(context: StageContext) -> StageReport:
        seen.append((context.order.attempt, context.overrides))
        return failing(context) if context.order.attempt == 1 else passing(context)

    b = bench(of("Storage"))
    with b.running(b.agent({"Storage": storage})) as thread:
        b.orchestrator.wait_for(lambda o: o.state == "FailedHolding")
        b.orchestrator.change(state="Storage", attempt=2, retry_of=("Storage", 2), overrides=[given])
        b.orchestrator.wait_for(lambda o: ("Storage", 2) in o.results)
        thread.join(10)
    assert seen == [(1, []), (2, [given])]
    assert b.machine.actions[:2] == ["sshd started", "sshd stopped, key gone"]
    assert not (b.directory / "ssh_host_ed25519_key").exists()


@KEYGEN
def test_a_release_takes_the_key_first_and_the_power_last(bench: NewBench) -> None:
    b = bench(of("Memory"))
    with b.running(b.agent({"Memory": failing})) as thread:
        b.orchestrator.wait_for(lambda o: o.state == "FailedHolding" and o.log_lines)
        b.orchestrator.change(state="Released", cmd=wire.Cmd.SHUTDOWN)
        thread.join(10)
    assert b.machine.actions == ["sshd started", "sshd stopped, key gone", "armed", "off"]
    assert any("powering off" in line for line in b.orchestrator.log_lines)


def until_stopped(started: threading.Event) -> Callable[[StageContext], StageReport]:
    def stage(context: StageContext) -> StageReport:
        started.set()
        context.stop.wait(30)
        context.stop.check()
        return StageReport(wire.Outcome.PASSED)

    return stage


@KEYGEN
def test_abort_stops_the_stage_at_once_and_holds(bench: NewBench) -> None:
    started = threading.Event()
    b = bench(of("CPUStress", "Memory"))
    with b.running(b.agent({"CPUStress": until_stopped(started), "Memory": passing})):
        assert started.wait(10)
        b.orchestrator.change(state="Failed", attempt=0, cmd=wire.Cmd.ABORT)
        b.orchestrator.wait_for(lambda o: o.said("hold"))
    late = b.orchestrator.results["CPUStress", 1]
    assert late.outcome is wire.Outcome.NOT_TESTED
    assert "the run has failed meanwhile" in late.reason
    assert ("Memory", 1) not in b.orchestrator.results


@KEYGEN
def test_a_stage_that_can_not_be_stopped_does_not_keep_the_hold_from_coming_up(bench: NewBench) -> None:
    started, never = threading.Event(), threading.Event()

    def stuck(context: StageContext) -> StageReport:
        started.set()
        never.wait(30)
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("Storage"))
    with b.running(b.agent({"Storage": stuck})):
        assert started.wait(10)
        b.orchestrator.change(state="Failed", attempt=0, cmd=wire.Cmd.ABORT)
        b.orchestrator.wait_for(lambda o: o.said("hold"))
        never.set()
    assert any("did not stop in time" in line for line in b.console)


HOT = wire.Finding("thermal.critical", wire.Severity.CRITICAL, "cpu", "CPU0", "CPU0: 99 C, limit 98 C", 99.0, 98.0, "C")


@KEYGEN
@pytest.mark.parametrize("slow", ["the load", "the counters"])
def test_what_ran_too_hot_is_told_however_long_the_rest_takes(
    bench: NewBench, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load is given up after a while; the counters after it are waited for, for a BMC's log takes its time."""
    started, never = threading.Event(), threading.Event()

    def hot(context: StageContext) -> StageReport:
        started.set()
        if slow == "the load":
            never.wait(30)
        context.stop.wait(30)
        context.stop.check()
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("CPUStress"))
    agent = b.agent({"CPUStress": hot})
    close_stage = agent.runtime.book.close_stage
    takes_s = 0 if slow == "the load" else 3 * agent.timing.stop_timeout_s
    monkeypatch.setattr(agent.runtime.book, "close_stage", lambda: (time.sleep(takes_s), close_stage())[1])
    with b.running(agent):
        assert started.wait(10)
        agent._too_hot(HOT)
        b.orchestrator.wait_for(lambda o: o.results)
        never.set()
    result = b.orchestrator.results["CPUStress", 1]
    assert (result.outcome, [finding.code for finding in result.findings]) == (
        wire.Outcome.FAILED,
        ["thermal.critical"],
    )
    assert bool(result.checks) == (slow == "the counters")


def test_a_cancelled_run_stops_its_stage_and_shuts_down(bench: NewBench) -> None:
    started = threading.Event()
    b = bench(of("CPUStress"))
    with b.running(b.agent({"CPUStress": until_stopped(started)})) as thread:
        assert started.wait(10)
        b.orchestrator.change(state="Cancelled", attempt=0, cmd=wire.Cmd.SHUTDOWN)
        thread.join(10)
    assert b.machine.actions[-1] == "off"


def test_it_idles_with_heartbeats_until_it_may_go(bench: NewBench) -> None:
    b = bench(of("Network", go=False))
    with b.running(b.agent({"Network": passing})) as thread:
        b.orchestrator.wait_for(lambda o: len(o.said("heartbeat")) >= 3)
        assert not b.orchestrator.results
        assert {beat.stage for beat in b.orchestrator.said("heartbeat")} == {""}
        b.orchestrator.change(go=True)
        thread.join(10)
    assert list(b.orchestrator.results) == [("Network", 1)]


def test_it_asks_early_a_few_times_whether_it_may_go(bench: NewBench) -> None:
    b = bench(of("Network", go=False))
    agent = b.agent({"Network": passing})
    agent.heartbeat.interval_s = 60.0
    with b.running(agent) as thread:
        b.orchestrator.wait_for(lambda o: len(o.said("heartbeat")) == 3)
        b.orchestrator.change(go=True)
        thread.join(10)
    assert list(b.orchestrator.results) == [("Network", 1)]


def test_it_asks_early_no_more_than_that(bench: NewBench) -> None:
    b = bench(of("Network", go=False))
    agent = b.agent({"Network": passing})
    agent.heartbeat.interval_s = 60.0
    with b.running(agent):
        b.orchestrator.wait_for(lambda o: len(o.said("heartbeat")) >= 3)
        time.sleep(20 * QUICK.early_look_s)
        assert len(b.orchestrator.said("heartbeat")) <= 1 + QUICK.early_looks


def test_gate_5_opens_only_with_an_answer_for_this_very_attempt(bench: NewBench) -> None:
    ages: list[float] = []
    b = bench(of("Storage", statuses={"heartbeat": [503] * 10_000}))
    agent = b.agent({})

    def storage(context: StageContext) -> StageReport:
        ages.append(context.last_continue_age_s())
        b.orchestrator.change(statuses={})
        heard = len(b.orchestrator.said("heartbeat"))
        b.orchestrator.wait_for(lambda o: len(o.said("heartbeat")) >= heard + 3)
        ages.append(context.last_continue_age_s())
        ages.append(agent.heartbeat.last_continue_age_s(AtWork("Storage", 2)))
        return StageReport(wire.Outcome.PASSED)

    agent.runtime.stages = {"Storage": storage}
    with b.running(agent) as thread:
        thread.join(15)
    assert ages[0] == ages[2] == float("inf")
    assert ages[1] < 5


def test_an_agent_started_again_in_the_same_boot_resumes_its_stage_with_what_it_remembers(bench: NewBench) -> None:
    started = threading.Event()
    remembered: list[dict] = []

    def long_stage(context: StageContext) -> StageReport:
        remembered.append(context.memory.load())
        context.memory.save({"block": 4711})
        if len(remembered) == 1:
            started.set()
            context.stop.wait(30)
            context.stop.check()
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("Storage"))
    with b.running(b.agent({"Storage": long_stage})):
        assert started.wait(10)
    assert not b.orchestrator.results
    b.run_to_the_end({"Storage": long_stage})
    assert remembered == [{}, {"block": 4711}]
    assert list(b.orchestrator.results) == [("Storage", 1)]


def test_a_result_that_an_earlier_agent_could_not_deliver_is_delivered_and_not_made_again(bench: NewBench) -> None:
    runs = []

    def counted(context: StageContext) -> StageReport:
        runs.append(context.order.name)
        b.orchestrator.change(away=True)
        return StageReport(wire.Outcome.PASSED, evidence={"n": str(len(runs))})

    b = bench(of("CPUStress", "Memory"))
    with b.running(b.agent({"CPUStress": counted, "Memory": passing})):
        b.wait_for_line("the orchestrator is out of reach")
    b.orchestrator.change(away=False)
    b.run_to_the_end({"CPUStress": counted, "Memory": passing})
    assert runs == ["CPUStress"]
    assert b.orchestrator.results["CPUStress", 1].evidence["n"] == "1"


@KEYGEN
def test_a_hold_only_claim_runs_nothing_and_holds(bench: NewBench) -> None:
    b = bench(of("Memory", state="Failed", attempt=0, go=False, mode=wire.Mode.HOLD))
    with b.running(b.agent({"Memory": passing})):
        b.orchestrator.wait_for(lambda o: o.said("hold"))
    assert not b.orchestrator.results


@KEYGEN
def test_a_retry_after_a_hold_only_claim_claims_again_for_the_stages(bench: NewBench) -> None:
    b = bench(of("Memory", state="Failed", attempt=0, go=False, mode=wire.Mode.HOLD))
    with b.running(b.agent({"Memory": passing})) as thread:
        b.orchestrator.wait_for(lambda o: o.state == "FailedHolding")
        b.orchestrator.change(state="Memory", attempt=2, go=True, mode=wire.Mode.TEST, retry_of=("Memory", 2))
        thread.join(15)
    assert list(b.orchestrator.results) == [("Memory", 2)]
    assert len(b.orchestrator.said("claim")) == 2


def test_a_contract_mismatch_is_said_on_the_screen_and_nothing_is_claimed(bench: NewBench) -> None:
    b = bench(of("Memory", hello_answer=wire.HelloAnswer(wire.Cmd.ABORT, "contract 1234, ours is 5678")))
    with b.running(b.agent({"Memory": passing})):
        b.orchestrator.wait_for(lambda o: len(o.said("hello")) >= 2)
    assert not b.orchestrator.said("claim")
    assert [line for line in b.console if "contract 1234, ours is 5678" in line] == b.console[:1]


@pytest.mark.parametrize(
    ("off_s", "words"),
    [(-3 * 86400, "3 d behind"), (7300, "2 h ahead"), (-30, "30 s behind"), (2, ""), (None, "")],
)
def test_a_clock_that_is_wrong_follows_the_orchestrators(bench: NewBench, off_s: float | None, words: str) -> None:
    now = 0.0 if off_s is None else time.time() - off_s
    b = bench(of("Memory", hello_answer=wire.HelloAnswer(wire.Cmd.CONTINUE, now=now)))
    b.run_to_the_end({"Memory": passing})
    assert b.clock == ([now] if words else [])
    assert [words in line for line in b.console if "clock was" in line] == ([True] if words else [])
    lines = [line for batch in b.orchestrator.said("log") for line in batch.lines]
    assert [line.level for line in lines if "clock was" in line.text] == (["warning"] if words else [])


def test_a_refused_token_is_said_once_and_asked_again_slowly(bench: NewBench) -> None:
    b = bench(of("Memory", statuses={"hello": [401, 401]}))
    b.run_to_the_end({"Memory": passing})
    assert sum("no longer knows this boot" in line for line in b.console) == 1


def test_a_stage_that_crashes_is_not_tested_and_condemns_nobody(bench: NewBench) -> None:
    def broken(context: StageContext) -> StageReport:
        raise ValueError("a parser met something new")

    b = bench(of("GPU"))
    b.run_to_the_end({"GPU": broken})
    result = b.orchestrator.results["GPU", 1]
    assert result.outcome is wire.Outcome.NOT_TESTED
    assert "the agent failed, not the host: ValueError: a parser met something new" in result.reason
    assert "ValueError" in result.evidence["agent-error.txt"]


def test_a_stage_this_agent_does_not_have_is_not_tested(bench: NewBench) -> None:
    b = bench(of("Burn"))
    b.run_to_the_end({})
    assert b.orchestrator.results["Burn", 1].outcome is wire.Outcome.NOT_TESTED


def test_a_result_that_is_too_large_arrives_without_its_evidence(bench: NewBench) -> None:
    def verbose(context: StageContext) -> StageReport:
        return StageReport(wire.Outcome.PASSED, evidence={"log": "x" * 1000}, numbers={"mb_s": 1.0})

    b = bench(of("Storage", statuses={"result": [413]}))
    b.run_to_the_end({"Storage": verbose})
    assert list(b.orchestrator.results["Storage", 1].evidence) == ["left-out.txt"]
    assert b.orchestrator.results["Storage", 1].numbers == {"mb_s": 1.0}


def test_evidence_of_very_many_drives_fits_into_one_message(bench: NewBench) -> None:
    def verbose(context: StageContext) -> StageReport:
        return StageReport(wire.Outcome.PASSED, evidence={f"disk{n}": f'"{n}"' * 100_000 for n in range(60)})

    b = bench(of("SMART"))
    b.run_to_the_end({"SMART": verbose})
    evidence = b.orchestrator.results["SMART", 1].evidence
    assert len(evidence) == 60
    assert all(0 < len(text) <= 1024 * 1024 // 60 + 5 for text in evidence.values())


def test_what_was_measured_is_there_before_the_result_that_judges_it(bench: NewBench) -> None:
    def measuring(context: StageContext) -> StageReport:
        context.measure(wire.Measurement(time.time(), "psu", "PSU1", "power", 900.0, "W"))
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("PSU"))
    agent = b.agent({"PSU": measuring})
    agent.runtime.outbox.sensor_interval_s = 3600.0
    with b.running(agent) as thread:
        thread.join(10)
    calls = b.orchestrator.calls()
    assert calls.index("sensor") < calls.index("result")


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_measured_before_an_outage_still_comes_before_the_result(bench: NewBench, restarted: bool) -> None:
    def measuring(context: StageContext) -> StageReport:
        context.measure(wire.Measurement(time.time(), "psu", "PSU1", "power", 900.0, "W"))
        b.orchestrator.change(away=True)
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("PSU"))
    with b.running(_silent(b.agent({"PSU": measuring}))) as thread:
        b.wait_for_line("the orchestrator is out of reach")
        if not restarted:
            b.orchestrator.change(away=False)
            thread.join(10)
    if restarted:
        b.orchestrator.change(away=False)
        with b.running(_silent(b.agent({}))) as thread:
            thread.join(10)
    calls = b.orchestrator.calls()
    assert calls.index("sensor") < calls.index("result")


def _silent(agent: Agent) -> Agent:
    """Delivers nothing by itself before its end."""
    agent.runtime.outbox.log_interval_s = agent.runtime.outbox.sensor_interval_s = 3600.0
    return agent


def test_a_result_that_is_not_taken_makes_it_ask_what_comes_next(bench: NewBench) -> None:
    b = bench(of("CPUStress", "Memory", statuses={"result": [409]}))

    def moved_on(context: StageContext) -> StageReport:
        b.orchestrator.change(state="Memory")
        return StageReport(wire.Outcome.PASSED)

    b.run_to_the_end({"CPUStress": moved_on, "Memory": passing})
    assert list(b.orchestrator.results) == [("Memory", 1)]
    assert len(b.orchestrator.said("claim")) == 2


def test_an_inventory_reaches_the_later_stages_and_the_next_agent(bench: NewBench) -> None:
    seen: list[str] = []

    def inventory(context: StageContext) -> StageReport:
        return StageReport(wire.Outcome.PASSED, inventory=wire.Inventory(system=wire.System(serial="S123")))

    def look(context: StageContext) -> StageReport:
        seen.append(context.inventory.system.serial if context.inventory else "none")
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("InventoryCheck", "Firmware"))
    b.run_to_the_end({"InventoryCheck": inventory, "Firmware": look})
    assert seen == ["S123"]
    assert b.agent({}).runtime.inventory.system.serial == "S123"


def test_a_kernels_log_of_which_a_part_was_lost_leaves_the_stage_not_tested(bench: NewBench) -> None:
    b = bench(Orchestrator([order("Memory", required=["counters.kernel_log"])]))
    b.kmsg = str(b.directory / "kmsg")
    os.mkfifo(b.kmsg)
    kernel = os.open(b.kmsg, os.O_RDWR)
    (b.directory / "kmsg.position").write_text("0")
    os.write(kernel, b"6,41,1000,-;still there\n")
    try:
        b.run_to_the_end({"Memory": passing})
    finally:
        os.close(kernel)
    result = b.orchestrator.results["Memory", 1]
    assert result.outcome is wire.Outcome.NOT_TESTED
    assert "40 kernel messages were overwritten" in result.reason


@KEYGEN
def test_an_error_counter_that_moves_fails_the_stage_it_moved_in(bench: NewBench) -> None:
    errors = {("edac.ue", "dimm", "DIMM_A1"): 0}

    def memory(context: StageContext) -> StageReport:
        errors["edac.ue", "dimm", "DIMM_A1"] = 1
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("CPUStress", "Memory"))
    b.sources = (lambda: dict(errors),)
    with b.running(b.agent({"CPUStress": passing, "Memory": memory})):
        b.orchestrator.wait_for(lambda o: o.said("hold"))
    clean, bad = b.orchestrator.results["CPUStress", 1], b.orchestrator.results["Memory", 1]
    assert clean.outcome is wire.Outcome.PASSED and clean.counters == []
    assert bad.outcome is wire.Outcome.FAILED
    assert bad.counters == [wire.CounterDelta("edac.ue", "dimm", "DIMM_A1", 0, 1)]
    checks = {check.name: check.outcome for check in bad.checks}
    assert checks["counters.edac"] is wire.Outcome.FAILED
    assert checks["counters.pcie"] is wire.Outcome.NOT_TESTED


@pytest.mark.parametrize(
    ("required", "outcome"),
    [([], "passed"), (["counters.edac"], "not_tested"), (["counters.nobody_makes_this"], "not_tested")],
)
def test_a_required_counter_that_is_not_there_leaves_the_stage_not_tested(
    bench: NewBench, required: list[str], outcome: str
) -> None:
    b = bench(Orchestrator([order("Memory", required=required)]))
    b.run_to_the_end({"Memory": passing})
    assert b.orchestrator.results["Memory", 1].outcome == outcome


def test_an_error_counted_before_the_agent_was_ended_is_not_lost_to_the_next(bench: NewBench) -> None:
    errors = {("edac.ce", "dimm", "DIMM_A1"): 0}
    started = threading.Event()

    def memory(context: StageContext) -> StageReport:
        if not started.is_set():
            errors["edac.ce", "dimm", "DIMM_A1"] = 2
            started.set()
            context.stop.wait(30)
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("Memory"))
    b.sources = (lambda: dict(errors),)
    with b.running(b.agent({"Memory": memory})):
        assert started.wait(10)
    b.run_to_the_end({"Memory": memory})
    result = b.orchestrator.results["Memory", 1]
    assert result.counters == [wire.CounterDelta("edac.ce", "dimm", "DIMM_A1", 0, 2)]
    assert [f.severity for f in result.findings] == [wire.Severity.WARNING]


@KEYGEN
def test_no_stage_starts_beside_one_that_could_not_be_stopped(bench: NewBench) -> None:
    """The part that was too hot would be heated by two of them."""
    started, never = threading.Event(), threading.Event()
    begun: list[str] = []

    def stuck(context: StageContext) -> StageReport:
        started.set()
        never.wait(30)
        return StageReport(wire.Outcome.PASSED)

    def next_one(context: StageContext) -> StageReport:
        begun.append("while the other ran" if not never.is_set() else "after it")
        return StageReport(wire.Outcome.PASSED)

    b = bench(of("CPUStress", "Memory", on_failure="continue"))
    agent = b.agent({"CPUStress": stuck, "Memory": next_one})
    with b.running(agent) as thread:
        assert started.wait(10)
        agent._too_hot(HOT)
        b.wait_for_line("Memory does not start")
        never.set()
        thread.join(10)
    assert begun == ["after it"]
