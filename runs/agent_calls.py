"""The agent's calls that change a run: hello, claim, result, hold.

Each function is one transaction. The agent may send the same message twice; it counts once. Heartbeats, log lines and
measurements are in `intake.py`, since they come in groups.
"""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.utils import timezone

from agent.contract import codec, wire
from runs import (
    answers,
    bmc_watchdog,
    boots,
    hold,
    intake,
    left_out,
    orchestrator_stages,
    received,
    reporting,
    stage_results,
    stage_rows,
)
from runs.boots import Machine
from runs.judging import required_checks  # fmt: skip
from runs.lifecycle import record_rung
from runs.machine import AGENT_SILENT, ENDED, TESTING, Event, State
from runs.models import Actor, Boot, HoldSession, Outcome, Run, Rung, StageRun
from runs.transition import Refused, apply, locked, write_event
from runs.wording import naming


class NotThisMachine(Exception):
    """The token is bound to another machine; answered 403 and shown in the run's history."""


def hello(boot: Boot, message: wire.Hello, address: str) -> wire.HelloAnswer:
    """The agent has started. A run that is still booting fails if the agent was built from another contract."""
    with locked(boot.run_id) as run:
        record_rung(run, Rung.HELLO, detail=address, boot=boot.number)
        # An unclaimed second boot does not count: `last_seen` must still say when the first boot was lost.
        if run.state in AGENT_SILENT or boot.claimed_at is not None:
            Run.objects.filter(pk=run.pk).update(agent_address=address, last_seen=timezone.now())
        if run.state in ENDED:
            return wire.HelloAnswer(wire.Cmd.SHUTDOWN, f"run {run.pk} is {run.state}")
        if message.contract == codec.fingerprint():
            return wire.HelloAnswer(wire.Cmd.CONTINUE, now=timezone.now().timestamp())
        why = (
            f"the agent's contract is {message.contract[:12]}, ours is {codec.fingerprint()}: the agent is not of this "
            "checkout. Restart the web process, so that it hands out the agent it was started with"
        )
        if run.state in AGENT_SILENT:
            run.bench_error = run.stopped_by = why
            run.save(update_fields=["bench_error", "stopped_by"])
            apply(run, Event.CONTRACT_MISMATCH, actor=Actor.AGENT, who=address, why=why)
        return wire.HelloAnswer(wire.Cmd.ABORT, why)


def claim(boot: Boot, message: wire.Claim, address: str) -> wire.ClaimAnswer:
    """Bind the token to this machine and move the run to its first stage.

    1. The same machine may claim again in the same boot: the agent was restarted and resumes.
    2. The claim of the first boot starts the testing. The claim of a later boot means that the host has reset.
    Raises NotThisMachine for another machine, Refused for a run that is over.
    """
    machine = Machine.of(message.boot_id, message.dmi_uuid, message.macs)
    with locked(boot.run_id) as run:
        boot = Boot.objects.select_related("run").get(pk=boot.pk)
        _refuse_other_machine(run, boot, machine)
        if boot.claimed_at is None:
            _first_claim(run, boot, machine, address, message.bmc_watchdog)
        else:
            _claimed_again(run, boot, address)
        here = settings.VETTING.web.address  # the answer names it as the iperf3 server
        Run.objects.filter(pk=run.pk).update(agent_address=address, last_seen=timezone.now(), site=here)
        return answers.claim_answer(run, boot)


def take_result(boot: Boot, message: wire.Result) -> received.Bounded:
    """Cut a result to its bounds, before the transaction that keeps it. If something was cut, the whole result is
    first written to a file. Raises OSError, e.g. on a full disk: the agent gets no answer and sends it again."""
    stage_run = boot.run.stage_runs.filter(name=message.stage, attempt=message.attempt).first()
    if stage_run is None:
        return received.within_bounds(message)

    def required() -> list[str]:
        return [one.name for one in required_checks.of_stage(message.stage, boot.run.profile, boot.run.expected)]

    taken = received.within_bounds(message, left_out.room(boot.run_id), required)
    if taken.cut and (stage_run.outcome == Outcome.RUNNING or _comes_late(stage_run)):
        left_out.write_whole(boot.run_id, left_out.whole_name(message), codec.dumps(message))
    return taken


def result(boot: Boot, message: wire.Result, address: str, cut: received.Cut = received.NOTHING) -> wire.ResultAnswer:
    """Keep the result of an attempt and move the run on. `cut` is what `take_result` left out.

    1. The same result again gets the same answer and has no effect.
    2. If the attempt was closed meanwhile, the result is kept as evidence.
    3. Else it is kept, the state changes, and the orchestrator's own stages are done before the answer.
    Raises Refused if this stage is not the one that runs.
    """
    with locked(boot.run_id) as run:
        intake.claimed(Boot.objects.get(pk=boot.pk), message.boot_id)
        stage_run = run.stage_runs.filter(name=message.stage, attempt=message.attempt).first()
        if stage_run is None:
            raise Refused(f"run {run.pk} has no {message.stage[:32]} attempt {message.attempt}")
        Run.objects.filter(pk=run.pk).update(last_seen=timezone.now())
        if stage_run.outcome == Outcome.RUNNING and run.state == stage_run.name:
            _take_result(run, stage_run, message, address, cut)
        elif run.state in (State.FAILED, State.FAILED_HOLDING) and stage_rows.was_given_up(stage_run):
            _keep_late(run, stage_run, message, address, cut)
            return replace(answers.result_answer(run), cmd=wire.Cmd.ABORT)
        return answers.result_answer(run)


def held(boot: Boot, message: wire.Hold, address: str) -> wire.HoldAnswer:
    """The host is held: answer with the one key that may log in.

    A repeat from the same boot updates who is logged in. A later boot gets a new key. Raises Refused for a run that is
    neither failed nor held.
    """
    if not 0 < message.port < 65536:
        raise codec.WireError("port", f"{message.port} is no TCP port")
    with locked(boot.run_id) as run:
        intake.claimed(Boot.objects.get(pk=boot.pk), message.boot_id)
        session = hold.current(run)
        if run.state != State.FAILED_HOLDING or session is None or session.boot != boot.number:
            _refuse_if_superseded(run)
            apply(run, Event.HOLD, actor=Actor.AGENT, who=address, why=f"held at {message.address or address}")
            session = hold.current(run)
        assert session is not None, "the event HOLD opens a session"
        _update_session(session, boot, message, address)
        Run.objects.filter(pk=run.pk).update(last_seen=timezone.now())
        return wire.HoldAnswer(session.public_key, run.state)


# --- details -----------------------------------------------------------------------------------------------------


def _refuse_other_machine(run: Run, boot: Boot, machine: Machine) -> None:
    bound_to = boot if boot.claimed_at else boots.last_claimed(run)
    if bound_to and (why := boots.other_machine(bound_to, machine)):
        raise NotThisMachine(why)
    if boot.claimed_at and boot.boot_id != machine.boot_id:
        raise NotThisMachine("the token was claimed in an earlier boot of this machine: it must boot over the network")
    known = run.host.dmi_uuid.lower()
    if not boots.is_dummy_uuid(known) and known != machine.dmi_uuid:
        raise NotThisMachine(
            f"{run.host.name} is known as DMI UUID {known}, this machine says {machine.dmi_uuid or 'none'}: if the "
            "board was replaced, empty the DMI UUID on the host's form"
        )
    if not set(machine.macs) & set(run.host.mac_list):
        raise NotThisMachine(
            f"none of the machine's MACs ({', '.join(machine.macs) or 'none'}) is registered for the host"
        )


def _first_claim(
    run: Run, boot: Boot, machine: Machine, address: str, watchdog: wire.BmcWatchdog | None = None
) -> None:
    if run.state in ENDED or (run.state in AGENT_SILENT and boot.number != run.boot):
        raise Refused(f"run {run.pk} is {run.state}: nothing to claim")
    expired = bmc_watchdog.newly_expired(run, boot, watchdog)
    boots.bind(boot, machine)
    bmc_watchdog.keep(run, boot, watchdog, expired, address)
    if machine.dmi_uuid and not run.host.dmi_uuid:
        run.host.dmi_uuid = machine.dmi_uuid
        run.host.save(update_fields=["dmi_uuid"])
    record_rung(run, Rung.CLAIMED, detail=address, boot=boot.number)
    if run.state in AGENT_SILENT:
        if run.state == State.WAITING_WOL:
            apply(run, Event.BOOT_SEEN, actor=Actor.AGENT, who=address, why="claimed")
        apply(
            run,
            Event.CLAIMED,
            actor=Actor.AGENT,
            who=address,
            why=f"by {machine.dmi_uuid or ', '.join(machine.macs)}",
        )
        orchestrator_stages.advance(run)
    elif run.state in TESTING:
        _host_has_reset(run, address, expired)


def _claimed_again(run: Run, boot: Boot, address: str) -> None:
    stage_run = stage_rows.current(run) if boot.number == stage_rows.claimed_boot(run) else None
    if stage_run is not None and stage_rows.restart_clock(stage_run):
        text = f"the agent was restarted: the time for {naming.state_in_words(run.state)} begins anew"
        write_event(run, "agent_restarted", actor=Actor.AGENT, who=address, text=text)


def _host_has_reset(run: Run, address: str, expired: str) -> None:
    why = f"the host reset by itself in {naming.state_in_words(run.state)}; {intake.last_seen_text(run)}"
    why += f"; {expired}" if expired else ""
    run.stopped_by = why
    run.save(update_fields=["stopped_by"])
    apply(run, Event.HOST_RESET, actor=Actor.AGENT, who=address, why=why)


def _take_result(run: Run, stage_run: StageRun, message: wire.Result, address: str, cut: received.Cut) -> None:
    # Only InventoryCheck may set the inventory: it decides which stages have nothing to test.
    if message.stage == State.INVENTORY_CHECK and (message.inventory is not None or "inventory" in cut.left_out):
        run.inventory = codec.encode(message.inventory)
        run.save(update_fields=["inventory"])
    stage_results.keep(stage_run, message, cut)
    _note_cut(run, stage_run, message, cut)
    orchestrator_stages.after_stage(run, stage_run, who=address)


def _note_cut(run: Run, stage_run: StageRun, message: wire.Result, cut: received.Cut) -> None:
    if cut:
        name = left_out.whole_name(message)
        left_out.list_whole(run, name)
        left_out.note(run, cut, stage_run, name)


def _comes_late(stage_run: StageRun) -> bool:
    """Whether this is the first result of an attempt that was closed without one."""
    return "late_result" not in stage_run.evidence and stage_rows.was_given_up(stage_run)


def _keep_late(run: Run, stage_run: StageRun, message: wire.Result, address: str, cut: received.Cut) -> None:
    if not _comes_late(stage_run):
        return
    stage_rows.add_findings(stage_run, message.findings)
    _note_cut(run, stage_run, message, cut)
    stage_run.evidence = {
        **stage_run.evidence,
        **message.evidence,
        "late_result": f"{message.outcome}: {message.reason}",
    }
    stage_run.save(update_fields=["evidence"])
    reporting.want(run)
    write_event(
        run,
        "late_result",
        actor=Actor.AGENT,
        who=address,
        text=f"{stage_run.name}: {message.outcome}, kept as evidence",
    )


def _refuse_if_superseded(run: Run) -> None:
    newer = run.host.runs.filter(pk__gt=run.pk).first()
    if newer is not None:
        raise Refused(f"run {run.pk} has been followed by run {newer.pk}")


def _update_session(session: HoldSession, boot: Boot, message: wire.Hold, address: str) -> None:
    session.boot, session.port = boot.number, message.port
    session.address = address
    # One line only: an operator may copy it into known_hosts, where a second line is another key.
    session.host_key, session.users = message.host_key.partition("\n")[0], message.users
    session.save()
