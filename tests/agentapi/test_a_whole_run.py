"""The normal path, and each way to leave it, through the views an agent calls."""

from __future__ import annotations

import time

import pytest

from agent.contract import wire
from hosts.models import Host
from runs import lifecycle
from runs.machine import NotAllowed
from runs.models import HoldSession, Run, RunEvent
from runs.transition import Refused
from tests import work
from tests.talker import SERIAL, Talker

BAD_DISK = wire.Finding(
    "smart.pending_sectors", wire.Severity.CRITICAL, "disk", SERIAL, "sda: 2 pending sectors", 2, 0, ""
)
WIPE_REFUSED = wire.Refusal(3, SERIAL, "LVM", [wire.Signature("sda", "lvm", "pve", "LVM volume group pve")], "d1g3st")


def test_a_healthy_host_completes_and_is_told_to_shut_down(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Completed")
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Completed", "passed", "good")
    assert talker.heartbeat().cmd is wire.Cmd.SHUTDOWN
    assert run.events.filter(tells="RunCompleted").count() == 1
    assert run.report_due


def test_each_change_of_state_is_one_event_with_who_did_it(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    changes = [(e.actor, e.kind, e.state_after) for e in run.events.exclude(kind="rung")]
    assert changes[:4] == [
        ("operator", "queue", "Queued"),
        ("worker", "dispatch", "WaitingWoL"),
        ("agent", "boot_seen", "Booting"),
        ("agent", "claimed", "InventoryCheck"),
    ]


def test_a_critical_finding_fails_the_stage_and_holds(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    answer = talker.result("SMART", "failed", findings=[BAD_DISK])
    assert answer.next_state == "Failed"
    assert talker.heartbeat().cmd is wire.Cmd.ABORT
    key = talker.hold().authorized_key
    run.refresh_from_db()
    assert key.startswith("ssh-ed25519 ")
    assert (run.state, run.verdict, run.host.health) == ("FailedHolding", "failed", "bad")
    assert {"StageFailed", "HoldingOpened"} <= set(run.events.values_list("tells", flat=True))


def test_a_critical_finding_fails_a_stage_that_called_itself_passed(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    assert talker.result("SMART", "passed", findings=[BAD_DISK]).next_state == "Failed"


def test_a_wrong_part_fails_at_spec_validate_inside_the_result_before_it(host: Host, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(expected={"disks": [{"serial": "GONE-1"}], "not_expected": []})
    talker = Talker(host)
    talker.boot_and_claim()
    assert talker.pass_stages_until("Failed").next_state == "Failed"
    run.refresh_from_db()
    assert run.findings.get(severity="critical").component == "GONE-1"
    assert run.events.filter(tells="SpecMismatch").count() == 1


def test_release_forgets_the_key_and_shuts_down(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    lifecycle.release(run, "admin")
    session = HoldSession.objects.get(run=run)
    assert session.closed_at is not None and session.private_key_sealed == ""
    assert talker.heartbeat().cmd is wire.Cmd.SHUTDOWN


def test_a_run_that_is_released_waits_for_no_retry(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    lifecycle.ask_retry(run, "SMART", "admin")
    lifecycle.release(run, "admin")
    run.refresh_from_db()
    assert (run.state, run.retry_stage) == ("Released", "")


def test_the_private_key_is_handed_out_once(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    assert lifecycle.take_private_key(run).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    with pytest.raises(Refused, match="downloaded already"):
        lifecycle.take_private_key(run)


def test_a_new_key_replaces_the_old_one_at_the_next_hold(talker: Talker, run: Run) -> None:
    first = _hold_in(talker, "SMART").authorized_key
    lifecycle.renew_key(run, "admin")
    assert talker.hold().authorized_key != first
    assert HoldSession.objects.filter(run=run, closed_at=None).count() == 1


def test_a_retry_is_told_by_heartbeat_and_its_pass_keeps_the_finding(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    lifecycle.ask_retry(run, "SMART", "admin")
    assert talker.heartbeat().cmd is wire.Cmd.CONTINUE, "not before a slot is free"
    work.dispatch()
    told = talker.heartbeat()
    assert (told.cmd, told.stage, told.attempt) == (wire.Cmd.RETRY_STAGE, "SMART", 2)
    assert talker.heartbeat("SMART", 2).cmd is wire.Cmd.CONTINUE
    talker.result("SMART", attempt=2)
    talker.pass_stages_until("Completed")
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Completed", "failed"), "a critical finding stays: passed on retry"


def test_a_retry_of_spec_validate_judges_again_and_goes_on(host: Host, run: Run) -> None:
    talker = Talker(host)
    Run.objects.filter(pk=run.pk).update(expected={"disks": [{"serial": "GONE-1"}]})
    talker.boot_and_claim()
    talker.pass_stages_until("Failed")
    talker.hold()
    Run.objects.filter(pk=run.pk).update(expected={"disks": [{"serial": SERIAL}]})
    lifecycle.ask_retry(run, "SpecValidate", "admin")
    work.dispatch()
    told = talker.heartbeat()
    assert (told.cmd, told.stage) == (wire.Cmd.RETRY_STAGE, "SMART")


def test_a_retried_stage_with_nothing_to_test_needs_no_second_call_to_come_back(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    lifecycle.ask_retry(run, "SMART", "admin")
    work.dispatch()
    assert talker.heartbeat().cmd is wire.Cmd.RETRY_STAGE
    Run.objects.filter(pk=run.pk).update(expected={"not_expected": ["smart"]})
    none = wire.Check("health", wire.Outcome.NOT_TESTED, topic="smart")
    talker.result("SMART", "not_tested", attempt=2, checks=[none], cause=wire.Cause.NOT_EXPECTED)
    assert not run.stage_runs.get(name="SMART", attempt=2).counts
    assert talker.heartbeat().cmd is wire.Cmd.CONTINUE


def test_a_cancelled_run_stops_the_agent_and_has_no_verdict(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    lifecycle.cancel(run, "admin")
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Cancelled", "")
    assert talker.heartbeat("InventoryCheck").cmd is wire.Cmd.SHUTDOWN


def test_a_held_run_cannot_be_cancelled(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    with pytest.raises(NotAllowed):
        lifecycle.cancel(run, "admin")


def test_a_host_with_a_live_or_held_run_takes_no_other(talker: Talker, host: Host, run: Run) -> None:
    with pytest.raises(Refused, match="cancel or release"):
        lifecycle.start_run(host)
    _hold_in(talker, "SMART")
    with pytest.raises(Refused, match="Held for you"):
        lifecycle.start_run(host)
    with pytest.raises(Refused, match="cancel or release"):
        lifecycle.disable_host(host)


def test_the_wipe_probes_refusal_holds_and_is_incomplete_not_failed(talker: Talker, run: Run) -> None:
    _refused_in_storage(talker)
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("FailedHolding", "incomplete", "unknown")


def test_an_override_names_what_was_shown_and_reaches_the_agent(talker: Talker, run: Run) -> None:
    _refused_in_storage(talker)
    for serial, attempt, digest in (("OTHER", 1, "d1g3st"), (SERIAL, 2, "d1g3st"), (SERIAL, 1, "other")):
        with pytest.raises(Refused):
            lifecycle.override_wipe(run, attempt, serial, digest, "admin")
    lifecycle.override_wipe(run, 1, SERIAL, "d1g3st", "admin")
    work.dispatch()
    told = talker.heartbeat()
    assert told.cmd is wire.Cmd.RETRY_STAGE
    assert told.override_flags == [wire.OverrideFlags(run.pk, 1, "Storage", 2, SERIAL, "d1g3st")]


def test_an_override_is_used_up_by_its_attempt(talker: Talker, run: Run) -> None:
    _refused_in_storage(talker)
    lifecycle.override_wipe(run, 1, SERIAL, "d1g3st", "admin")
    work.dispatch()
    talker.result("Storage", "not_tested", attempt=2, refusals=[WIPE_REFUSED])
    talker.hold()
    lifecycle.ask_retry(run, "Storage", "admin")
    work.dispatch()
    assert talker.heartbeat().override_flags == []


def test_the_network_stage_is_a_queue_of_one(host: Host, run: Run, settings: object) -> None:
    from tests.rows import a_host

    other = a_host("node-2", mac="52:54:00:00:00:02", expected=host.expected)
    lifecycle.start_run(other, profile_name="quick")
    first, second = (
        Talker(host),
        Talker(other, uuid="4c4c4544-0042-3510-8051-b4c04f4e0002", macs=["52:54:00:00:00:02"]),
    )
    for talker in (first, second):
        talker.boot_and_claim()
        Run.objects.filter(pk=talker.run_id).update(expected=None)
        talker.pass_stages_until("Network")
    work.dispatch()
    assert [first.heartbeat().go, second.heartbeat().go] == [True, False]
    first.result("Network")
    work.dispatch()
    assert second.heartbeat().go is True


def test_no_more_than_the_allowed_number_of_runs_start(host: Host, run: Run) -> None:
    from tests.rows import a_host

    for n in range(4):
        lifecycle.start_run(a_host(f"more-{n}", mac=f"52:54:00:00:01:0{n}"), profile_name="quick")
    work.dispatch()
    assert Run.objects.in_a_slot().count() == 3
    assert Run.objects.in_a_slot().order_by("id").first() == run


def _hold_in(talker: Talker, stage: str) -> wire.HoldAnswer:
    talker.boot_and_claim()
    talker.pass_stages_until(stage)
    talker.result(stage, "failed", findings=[BAD_DISK])
    return talker.hold()


def _refused_in_storage(talker: Talker) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Storage")
    assert talker.result("Storage", "not_tested", refusals=[WIPE_REFUSED]).next_state == "Failed"
    talker.hold()


def test_history_is_written_in_order(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Completed")
    states = [e.state_after for e in RunEvent.objects.filter(run=run).exclude(kind="rung")]
    assert states[-1] == "Completed" and states.index("SMART") < states.index("Storage") < states.index("Reporting")


def test_the_answer_to_a_hello_tells_our_clock(talker: Talker, run: Run) -> None:
    work.dispatch()
    talker.fetch_script()
    before = time.time()
    assert before <= talker.hello().now <= time.time()


def test_a_machine_whose_run_was_cancelled_before_its_claim_is_told_to_shut_down(talker: Talker, run: Run) -> None:
    work.dispatch()
    talker.fetch_script()
    talker.hello()
    lifecycle.cancel(run, "admin")
    talker.claim(status=401)
    assert talker.heartbeat().cmd is wire.Cmd.SHUTDOWN


def test_a_failed_machine_nobody_holds_goes_off_when_its_host_is_vetted_again(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    assert talker.heartbeat().cmd is wire.Cmd.ABORT
    lifecycle.start_run(run.host, profile_name="quick")
    assert talker.heartbeat().cmd is wire.Cmd.SHUTDOWN


def test_a_retry_that_is_cancelled_leaves_no_verdict(talker: Talker, run: Run) -> None:
    _hold_in(talker, "SMART")
    lifecycle.ask_retry(run, "SMART", "admin")
    work.dispatch()
    lifecycle.cancel(run, "admin")
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Cancelled", "", "bad")


def test_a_wipe_refusal_in_a_stage_that_called_itself_passed_is_no_pass(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Storage")
    talker.result("Storage", "passed", refusals=[WIPE_REFUSED])
    run.refresh_from_db()
    assert (run.state, run.verdict, run.host.health) == ("Failed", "incomplete", "unknown")


def test_a_fetched_script_takes_no_finding_out_of_the_verdict(host: Host, run: Run) -> None:
    """The verdict counts the attempts of a stage's newest boot; one that nobody has claimed is no boot of it."""
    Run.objects.filter(pk=run.pk).update(expected={"disks": [{"serial": "GONE-1"}]})
    talker = Talker(host)
    talker.boot_and_claim()
    talker.pass_stages_until("Failed")
    talker.hold()
    Talker(host, boot_id="boot-2").fetch_script()
    Run.objects.filter(pk=run.pk).update(expected={"disks": [{"serial": SERIAL}]})
    lifecycle.ask_retry(run, "SpecValidate", "admin")
    work.dispatch()
    talker.pass_stages_until("Completed")
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Completed", "failed"), "passed on retry, in the same boot"


def test_an_inventory_that_comes_with_another_stage_changes_nothing(talker: Talker, run: Run) -> None:
    """It took GPU off the run: no card was in it, so none was to be tested."""
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    run.refresh_from_db()
    before = run.inventory
    talker.result("SMART", inventory=wire.Inventory())
    run.refresh_from_db()
    assert before and before["disks"] and run.inventory == before and run.state == "CPUStress"
