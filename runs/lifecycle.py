"""What the operator and the worker can do to a run. Each function is one transaction.

The agent's calls are in `agent_calls.py`, missed deadlines in `watchdog.py`. All of them change the state by
`transition.apply`; the table in `machine.py` says what may come next.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from agent.contract import wire
from hosts import bounds
from hosts.models import Host
from hosts.readable import readable
from hosts.wakemethods import Verb
from runs import disk_writes, freeze, hold, machine, orchestrator_stages, power, reporting, stage_rows
from runs.bench import readiness
from runs.machine import Event, State
from runs.models import Actor, LadderRung, Outcome, Override, PowerRequest, Run, RunEvent, Rung
from runs.profiles import load as profiles
from runs.transition import Refused, apply, for_history, locked, write_event
from runs.wording import naming

_NOTE_AGAIN_AFTER = timedelta(seconds=60)
_NOTES_PER_MINUTE = 20
_DISPATCHER = "dispatcher"


class NotReady(Refused):
    """No host could boot from this bench now. Whoever knows better may start the run anyway."""

    def __init__(self, why: str) -> None:
        super().__init__(f"No host can boot from this bench now. {why}")


def note(run: Run, kind: str, *, actor: Actor, who: str = "", text: str = "") -> RunEvent | None:
    """Write a line of the history that changes no state; None if it was not written.

    Not written: a repeat within a minute, more than 20 of a kind in a minute, and more of a kind than the bound. So a
    caller that repeats itself can't fill the history.
    """
    who, text = readable(who[:150])[:150], for_history(text)
    with transaction.atomic():
        recent = run.events.filter(kind=kind, at__gte=timezone.now() - _NOTE_AGAIN_AFTER)
        if recent.filter(who=who, text=text).exists() or recent.count() >= _NOTES_PER_MINUTE:
            return None
        before = run.events.filter(kind=kind).count()
        if before < bounds.RUN_NOTES.most:
            return write_event(run, kind, actor=actor, who=who, text=text)
        if before == bounds.RUN_NOTES.most:
            return write_event(run, kind, actor=actor, text=f"more than {before:,} of this kind: no more are kept")
        return None


# --- the operator ------------------------------------------------------------------------------------------------


def start_run(
    host: Host,
    *,
    profile_name: str = "",
    who: str = "",
    repair: str = "",
    overrides: dict[str, Any] | None = None,
    anyway: bool = False,
    restart_if_on: bool = False,
) -> Run:
    """Queue a vetting of this host. Spec, disks and profile are frozen into it here.

    `restart_if_on` allows to restart a host that is on, whatever runs on it. `overrides` replaces values of the profile
    by dotted path. Raises Refused for a disabled host, one with a live or held run, or a profile that writes on a host
    that does not allow it; NotReady if no host could boot from this bench, unless `anyway`; profiles.ProfileError for a
    bad profile.
    """
    if not anyway and (why := readiness.refusal()):
        raise NotReady(why)
    profile = profiles.apply_overrides(profiles.load(profile_name or host.profile_name), overrides or {})
    with transaction.atomic():
        host = Host.objects.select_for_update().get(pk=host.pk)  # so that nobody disables it meanwhile
        refuse_unless_free(host)
        _refuse_unless_it_may_write(host, profile)
        run = Run(
            host=host,
            requested_by=who[:150],
            repair=readable(repair[:200])[:200],
            restart_if_on=restart_if_on,
            **freeze.frozen(host, profile),
        )
        try:
            with transaction.atomic():
                run.save()
        except IntegrityError:
            raise Refused(f"{host.name} has a live or held run already") from None
        allowed = ", restarted if it is on" if restart_if_on else ""
        apply(run, Event.QUEUE, actor=Actor.OPERATOR, who=who, why=f"profile {run.profile_name}{allowed}")
    return run


def cancel(run: Run, who: str = "") -> None:
    """Stop a run before its end. A held run can't be cancelled, only released."""
    with locked(run.pk) as run:
        apply(run, Event.CANCEL, actor=Actor.OPERATOR, who=who, why=f"cancelled ({naming.state_in_words(run.state)})")


def release(run: Run, who: str = "") -> None:
    """End the hold: delete the key. The agent then powers the host off."""
    with locked(run.pk) as run:
        apply(run, Event.RELEASE, actor=Actor.OPERATOR, who=who, why="released")


def wake_again(run: Run, who: str = "", *, restart: bool = False) -> None:
    """Wake the host of a run that waits for it again, from the first try on, also if its BMC has refused the login.
    `restart` allows once more to restart it if it is on, where the run was allowed to. Raises Refused if the run does
    not wait for its host to wake."""
    with locked(run.pk) as run:
        if run.state != State.WAITING_WOL:
            raise Refused(f"run {run.pk} does not wait for its host to wake: {naming.state_in_words(run.state)}")
        again: dict[str, Any] = {}
        if restart and run.restart_if_on:
            again = {"restart_allowed_at": timezone.now(), "restarted_at": None}
        run.wakes.update(sent=0, last_sent_at=None, woken_at=None, refusals=0, problem="", **again)
        text = "the host is woken again" + (", restarted if it is on" if again else "")
        write_event(run, "wake_again", actor=Actor.OPERATOR, who=who, text=text)


def ask_retry(run: Run, stage: str, who: str = "") -> None:
    """Ask for another attempt of this stage. It starts when a slot is free; until then the hold stays."""
    with locked(run.pk) as run:
        _ask_retry(run, stage, who)


def override_wipe(run: Run, attempt: int, serial: str, digest: str, who: str = "", boot: int | None = None) -> None:
    """Let the next Storage attempt write over what the wipe probe found on this disk.

    `attempt`, `serial`, `digest` (and `boot`) must be those of the list that the operator saw; raises Refused if one
    differs. When every refused disk has its override, this asks for the retry.
    """
    with locked(run.pk) as run:
        machine.step(State(run.state), Event.RETRY)
        refused = _refusals_shown(run, attempt)
        if boot is not None and boot != stage_rows.claimed_boot(run):
            raise Refused(f"the list shown was of boot {boot}; the host is in another now: look at the new list")
        if serial not in refused:
            raise Refused(f"the wipe probe refused no disk {serial!r} in Storage attempt {attempt}")
        if refused[serial]["digest"] != digest:
            raise Refused(f"the list for disk {serial} has changed since it was shown: look at it again")
        _give_override(run, attempt + 1, serial, digest, who)
        given = set(run.overrides.filter(attempt=attempt + 1).values_list("serial", flat=True))
        if given >= refused.keys():
            _ask_retry(run, State.STORAGE, who)


def take_private_key(run: Run, who: str = "") -> str:
    """The hold's private key, which can be taken once. Raises Refused if there is none."""
    with locked(run.pk) as run:
        session = hold.current(run)
        if session is None:
            raise Refused(f"run {run.pk} is not held: there is no key")
        if not session.private_key_sealed:
            raise Refused("the key was downloaded already and is not kept: press 'New key' for another")
        try:
            key = hold.unseal(session)
        except hold.InvalidKey as error:
            raise Refused(str(error)) from None
        session.downloaded_at, session.private_key_sealed = timezone.now(), ""
        session.save(update_fields=["downloaded_at", "private_key_sealed"])
        write_event(run, "key_downloaded", actor=Actor.OPERATOR, who=who, text="private key of the hold")
    return key


def renew_key(run: Run, who: str = "") -> None:
    """Another key pair for the hold. The agent installs it with its next /hold; then the old one no longer works."""
    with locked(run.pk) as run:
        if run.state != State.FAILED_HOLDING:
            raise Refused(f"run {run.pk} is not held: {naming.state_in_words(run.state)}")
        hold.renew(run)
        write_event(run, "key_renewed", actor=Actor.OPERATOR, who=who, text="a new key for the hold")


def disable_host(host: Host) -> None:
    """Take the host off the allowlist. Raises Refused while it has a live or held run."""
    with transaction.atomic():
        host = Host.objects.select_for_update().get(pk=host.pk)
        if run := Run.objects.busy_on(host):
            raise Refused(f"{host.name} has {_run_in_words(run)}: cancel or release it first")
        Host.objects.filter(pk=host.pk).update(enabled=False)


def ask_power(host: Host, verb: Verb, who: str = "") -> None:
    """Have one thing done with a host's power. The worker does it at once. Raises Refused if it can't be done now, or
    if the last that was asked for is not done yet: two of a kind would be done twice, two others in any order."""
    with transaction.atomic():
        host = Host.objects.select_for_update().get(pk=host.pk)
        if reason := power.why_not(host, verb) or power.not_done_yet(host, verb):
            raise Refused(reason)
        PowerRequest.objects.create(host=host, verb=verb, who=who[:150], run=Run.objects.busy_on(host))


# --- the worker --------------------------------------------------------------------------------------------------


def dispatch(run: Run, slots: int | None = None) -> None:
    """Give the run a slot: expect the boot and wake the host. The history keeps `slots`, how many there are."""
    with locked(run.pk) as run:
        apply(run, Event.DISPATCH, actor=Actor.WORKER, who=_DISPATCHER, why="a slot is free", slots=slots)


def grant_retry(run: Run, slots: int | None = None) -> None:
    """Give a slot to the retry that was asked for."""
    with locked(run.pk) as run:
        if not run.retry_stage:
            raise Refused(f"run {run.pk} waits for no retry")
        target = State.INVENTORY_CHECK if stage_rows.was_booted_anew(run) else State(run.retry_stage)
        why = f"retry of {naming.state_in_words(target)}"
        apply(run, Event.RETRY, actor=Actor.WORKER, who=_DISPATCHER, why=why, target=target, slots=slots)
        orchestrator_stages.advance(run)


def take_back_retry(run: Run, why: str) -> None:
    """The retry could not start, by a fault of ours: the hold stays, and the operator may ask again."""
    with locked(run.pk) as run:
        if run.state == State.FAILED_HOLDING and run.retry_stage:
            text = f"retry of {naming.state_in_words(run.retry_stage)} can't start, by a fault of ours: {why}"
            run.retry_stage = ""
            run.save(update_fields=["retry_stage"])
            write_event(run, "retry_failed", actor=Actor.WORKER, who=_DISPATCHER, text=text)


def give_go(run: Run, why: str = "") -> None:
    """Let the waiting stage use the shared link. Its deadline counts from now. `why` says what is known of the
    bench."""
    with locked(run.pk) as run:
        waiting = run.stage_runs.filter(name=run.state, outcome="", go_at=None)
        if waiting.update(go_at=timezone.now(), bench=""):
            text = f"{naming.state_in_words(run.state)} may start" + (f": {why}" if why else "")
            write_event(run, "go", actor=Actor.WORKER, who=_DISPATCHER, text=text)


def wait_for_bench(run: Run, why: str) -> None:
    """The link is free, but the bench can't measure: record why the stage goes on waiting."""
    with locked(run.pk) as run:
        waiting = run.stage_runs.filter(name=run.state, outcome="", go_at=None)
        if waiting.filter(bench_since=None).update(bench=why, bench_since=timezone.now()):
            text = f"{naming.state_in_words(run.state)} waits for the bench: {why}"
            write_event(run, "bench_waits", actor=Actor.WORKER, who=_DISPATCHER, text=text)


def leave_untested(run: Run, why: str) -> None:
    """The bench did not become fit in time: the waiting stage is not tested, and the run goes on."""
    with locked(run.pk) as run:
        stage_run = stage_rows.current(run)
        if stage_run is not None and stage_run.go_at is None:
            stage_run.bench = why
            stage_rows.finish(stage_run, Outcome.NOT_TESTED, f"bench: {why}")
            orchestrator_stages.after_stage(run, stage_run, who=_DISPATCHER)


def record_rung(run: Run, rung: Rung, detail: str = "", at: datetime | None = None, boot: int | None = None) -> None:
    """Record that the boot reached this rung. The row keeps the first time and counts repeats."""
    at = at or timezone.now()
    with transaction.atomic():
        row, new = LadderRung.objects.get_or_create(
            run=run, boot=boot or max(run.boot, 1), rung=rung, defaults={"at": at, "detail": detail[:200]}
        )
        if new:
            write_event(run, "rung", actor=Actor.WORKER, text=Rung(rung).label)
        else:
            LadderRung.objects.filter(pk=row.pk).update(seen=row.seen + 1)


def ask_report(run: Run, who: str) -> None:
    """Ask for the report again, because it could not be written, or was removed by age."""
    with locked(run.pk) as run:
        if not (run.is_over or run.state == State.FAILED_HOLDING):
            raise Refused(f"run {run.pk} goes on: its report is written when it ends or is held")
        reporting.want(run)
        write_event(run, "report_asked", actor=Actor.OPERATOR, who=who)


# --- details -----------------------------------------------------------------------------------------------------


def refuse_unless_free(host: Host) -> None:
    """Raises Refused if no run can start on this host now."""
    if not host.enabled:
        raise Refused(f"{host.name} is disabled: enable it first")
    if not host.macs.exists():
        raise Refused(f"{host.name} has no MAC address: add the one it boots from")
    if run := Run.objects.busy_on(host):
        raise Refused(f"{host.name} has {_run_in_words(run)} already: cancel or release it first")


def _refuse_unless_it_may_write(host: Host, profile: dict[str, Any]) -> None:
    if disk_writes.writes(profile) and not host.destructive_allowed:
        raise Refused(
            f"profile {profile['name']} writes to disks and {host.name} does not allow that: choose a profile that "
            "only reads, or allow destructive tests on the host's form"
        )


def _run_in_words(run: Run) -> str:
    return f"run {run.pk} ({naming.state_in_words(run.state)})"


def _ask_retry(run: Run, stage: str, who: str) -> None:
    """Ask for the retry, once: a caller that got no answer calls again."""
    machine.step(State(run.state), Event.RETRY)
    if power.was_cycled(run):
        raise Refused(power.NO_RETRY)
    if not run.stage_runs.filter(name=stage).exclude(outcome="").exists():
        raise Refused(f"{naming.state_in_words(stage)} has not run in run {run.pk}: there is nothing to retry")
    if run.stage_runs.count() >= bounds.RUN_ATTEMPTS.most:
        raise Refused(f"run {run.pk} has had {bounds.RUN_ATTEMPTS.most} attempts: release the host, start another run")
    if stage != State.INVENTORY_CHECK and stage_rows.was_booted_anew(run):
        raise Refused("the host has booted again since its inventory was read: retry Inventory, all stages follow")
    if run.retry_stage == stage:
        return
    run.retry_stage = stage
    run.save(update_fields=["retry_stage"])
    text = f"retry of {naming.state_in_words(stage)}: waits for a free slot"
    write_event(run, "retry_asked", actor=Actor.OPERATOR, who=who, text=text)


def _refusals_shown(run: Run, attempt: int) -> dict[str, dict[str, Any]]:
    stage_run = run.stage_runs.filter(name=State.STORAGE).order_by("-attempt").first()
    if stage_run is None or stage_run.attempt != attempt:
        raise Refused(f"Storage attempt {attempt} is not the newest: look at the list of the newest one")
    if stage_run.boot != (now := stage_rows.claimed_boot(run)):
        raise Refused(f"the list is of boot {stage_run.boot}, the host is in boot {now}: retry for a new list")
    return {refusal["serial"]: refusal for refusal in stage_run.refusals if refusal["gate"] == wire.Gate.WIPE_PROBE}


def _give_override(run: Run, attempt: int, serial: str, digest: str, who: str) -> None:
    """Write the override, once for the same list."""
    mine = Override.objects.filter(run=run, stage=State.STORAGE, attempt=attempt, serial=serial)
    shown = {"boot": stage_rows.claimed_boot(run), "digest": digest}
    if mine.filter(**shown).exists():
        return
    Override.objects.update_or_create(
        run=run, stage=State.STORAGE, attempt=attempt, serial=serial, defaults={**shown, "given_by": who[:150]}
    )
    write_event(run, "override", actor=Actor.OPERATOR, who=who, text=f"wipe probe overridden on disk {serial}")
