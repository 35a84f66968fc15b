"""Which token is good for what: another run's, an older boot's, another machine's, a forged one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from agent.contract import wire
from hosts import bounds
from hosts.models import Host
from runs import boot_script, lifecycle, tokens
from runs.desk import actions
from runs.models import Boot, HoldSession, Run, WebOutage
from runs.stages import AGENT_STAGES
from runs.transition import Refused
from tests import work
from tests.rows import a_host
from tests.talker import UUID, Talker

OTHER_UUID = "11111111-2222-3333-4444-555555555555"


def test_the_script_carries_the_same_token_until_it_is_claimed(talker: Talker, run: Run) -> None:
    work.dispatch()
    first, second = talker.fetch_script().token, talker.fetch_script().token
    assert first == second and first.startswith(f"vt1.{run.pk}.1.")


def test_only_the_bcrypt_hash_is_kept(talker: Talker, run: Run) -> None:
    work.dispatch()
    token = talker.fetch_script().token
    boot = Boot.objects.get(run=run)
    assert boot.agent_token_hash.startswith("$2b$") and tokens.matches(token, boot.agent_token_hash)
    assert token not in str(Boot.objects.values().get())


def test_a_registered_host_without_a_run_boots_locally(host: Host) -> None:
    assert boot_script.script_fetched(host, "10.77.0.23").kind == "local"


def test_a_queued_run_gives_no_token(talker: Talker, run: Run) -> None:
    assert talker.fetch_script().kind == "local"


@pytest.mark.parametrize("garbage", ["", "x", "vt1.1.1.a.b", "vt1.1.1." + "a" * 22 + "." + "b" * 43])
def test_garbage_is_refused(talker: Talker, run: Run, garbage: str) -> None:
    talker.boot_and_claim()
    talker.token = garbage
    talker.heartbeat(status=401)
    assert run.events.filter(kind="token_refused").exists()


def test_another_runs_token_is_refused_and_shown(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    other_host = a_host("node-2", mac="52:54:00:00:00:02")
    lifecycle.start_run(other_host, profile_name="quick")
    work.dispatch()
    other = Talker(other_host)
    other.fetch_script()
    talker.token = other.token
    talker.heartbeat(status=401)
    assert run.events.get(kind="token_refused").text == f"heartbeat: a token of run {other.run_id}"


def test_a_claim_from_a_second_machine_is_refused_and_shown(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    thief = Talker(host, boot_id="boot-9", uuid=OTHER_UUID)
    thief.run_id, thief.token = talker.run_id, talker.token
    thief.claim(status=403)
    assert OTHER_UUID in run.events.get(kind="machine_refused").text
    assert talker.heartbeat("InventoryCheck").cmd is wire.Cmd.CONTINUE


def test_a_machine_with_another_uuid_than_the_hosts_is_refused(talker: Talker, host: Host, run: Run) -> None:
    Host.objects.filter(pk=host.pk).update(dmi_uuid=OTHER_UUID)
    work.dispatch()
    talker.fetch_script()
    talker.claim(status=403)


def test_the_uuid_is_learnt_at_the_first_claim(talker: Talker, host: Host) -> None:
    talker.boot_and_claim()
    host.refresh_from_db()
    assert host.dmi_uuid == UUID


def test_a_machine_with_a_dummy_uuid_is_known_by_its_macs(host: Host, run: Run) -> None:
    dummy = "03000200-0400-0500-0006-000700080009"
    talker = Talker(host, uuid=dummy)
    talker.boot_and_claim()
    talker.claim()
    other = Talker(host, uuid=dummy, macs=["52:54:00:00:00:01", "52:54:00:00:00:99"])
    other.run_id, other.token = talker.run_id, talker.token
    other.claim(status=403)


def test_a_machine_without_any_registered_mac_is_refused(host: Host, run: Run) -> None:
    talker = Talker(host, macs=["52:54:00:00:00:77"])
    work.dispatch()
    talker.fetch_script()
    talker.claim(status=403)


def test_an_agent_restarted_in_the_same_boot_resumes(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    again = talker.claim()
    assert (again.mode, again.next_state, again.attempt, again.go) == (wire.Mode.TEST, "SMART", 1, True)
    assert run.stage_runs.filter(name="SMART").count() == 1


def test_a_reset_in_a_stage_fails_it_on_the_system_and_may_only_hold(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("CPUStress")
    again = Talker(host, boot_id="boot-2")
    assert again.fetch_script().kind == "boot"
    assert talker.heartbeat("CPUStress").cmd is wire.Cmd.CONTINUE, "a fetch alone kills no token"
    answer = again.claim()
    assert (answer.mode, answer.stages, answer.disks) == (wire.Mode.HOLD, [], [])
    again.hold()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("FailedHolding", "failed")
    assert run.findings.get(severity="critical").component == "system"
    talker.heartbeat(status=401)
    assert "stale token" in run.events.get(kind="token_refused").text


def test_a_reboot_while_held_renews_the_hold_with_a_new_key(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="lshw broke")
    key = talker.hold().authorized_key
    again = Talker(host, boot_id="boot-2")
    again.fetch_script()
    assert again.claim().mode is wire.Mode.HOLD
    assert again.hold().authorized_key != key
    run.refresh_from_db()
    assert run.state == "FailedHolding"


def test_a_retry_after_a_reboot_in_the_hold_runs_on_the_new_boot(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="lshw broke")
    talker.hold()
    again = Talker(host, boot_id="boot-2")
    again.fetch_script()
    again.claim()
    again.hold()
    lifecycle.ask_retry(run, "InventoryCheck", "admin")
    work.dispatch()
    assert again.heartbeat().cmd is wire.Cmd.RETRY_STAGE
    assert again.claim().mode is wire.Mode.TEST
    assert again.result("InventoryCheck", attempt=2).next_state == AGENT_STAGES[1].name


def _booted_anew_in_the_hold(talker: Talker, host: Host) -> Talker:
    again = Talker(host, boot_id="boot-2")
    again.fetch_script()
    again.claim()
    again.hold()
    return again


def test_after_a_reboot_in_the_hold_no_stage_is_retried_without_the_parts(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("CPUStress")
    talker.result("CPUStress", "failed", reason="verified load failed")
    talker.hold()
    assert {row.name for row in actions.retryable(run)} > {"CPUStress", "SMART"}
    _booted_anew_in_the_hold(talker, host)
    assert [row.name for row in actions.retryable(run)] == ["InventoryCheck"]
    with pytest.raises(Refused, match="retry Inventory"):
        lifecycle.ask_retry(run, "CPUStress", "admin")


def test_a_retry_whose_host_is_rebooted_meanwhile_begins_with_the_parts(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("CPUStress")
    talker.result("CPUStress", "failed", reason="verified load failed")
    talker.hold()
    lifecycle.ask_retry(run, "CPUStress", "admin")
    again = _booted_anew_in_the_hold(talker, host)
    work.dispatch()
    assert again.heartbeat().cmd is wire.Cmd.RETRY_STAGE
    assert again.claim().next_state == "InventoryCheck"


def test_a_token_of_an_ended_run_claims_nothing(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    lifecycle.cancel(run)
    talker.claim(status=401)
    talker.hold(status=401)


def test_another_contract_fails_the_run_as_a_fault_of_the_bench(talker: Talker, run: Run) -> None:
    work.dispatch()
    talker.fetch_script()
    answer = talker.hello(contract="000000000000")
    run.refresh_from_db()
    assert answer.cmd is wire.Cmd.ABORT and "Restart the web process" in answer.reason
    assert (run.state, run.verdict, run.host.health) == ("Failed", "error", "unknown")


def test_the_next_boots_token_does_nothing_before_it_is_claimed(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    fetched = Talker(host, boot_id="boot-2")
    fetched.fetch_script()
    fetched.result("InventoryCheck", status=409)
    talker.result("InventoryCheck", "failed", reason="lshw broke")
    fetched.hold(status=409)
    assert not HoldSession.objects.filter(run=run).exists()


def test_a_result_of_another_boot_is_refused(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.boot_id = "boot-7"
    talker.result("InventoryCheck", status=403)


def test_a_machine_without_a_uuid_is_not_the_one_whose_uuid_is_known(host: Host, run: Run) -> None:
    Host.objects.filter(pk=host.pk).update(dmi_uuid=UUID)
    talker = Talker(host, uuid="00000000-0000-0000-0000-000000000000")
    work.dispatch()
    talker.fetch_script()
    talker.claim(status=403)


def test_an_unclaimed_token_expires_with_the_boot_deadline_not_with_the_watchdogs_round(
    talker: Talker, run: Run
) -> None:
    work.dispatch()
    talker.fetch_script()
    Run.objects.filter(pk=run.pk).update(boot_deadline=timezone.now() - timedelta(seconds=1))
    talker.claim(status=401)
    run.refresh_from_db()
    assert run.state == "Booting"


def test_a_boot_that_our_own_outage_delayed_still_gets_its_script(talker: Talker, run: Run) -> None:
    work.dispatch()
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(
        started_at=now - timedelta(seconds=901), boot_deadline=now - timedelta(seconds=1)
    )
    WebOutage.objects.create(started_at=now - timedelta(seconds=100), ended_at=now - timedelta(seconds=40))
    assert talker.fetch_script().kind == "boot"
    assert talker.claim().mode is wire.Mode.TEST


def test_a_reset_is_told_with_what_was_last_heard_before_it(talker: Talker, host: Host, run: Run) -> None:
    talker.boot_and_claim()
    Run.objects.filter(pk=run.pk).update(last_seen=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    again = Talker(host, boot_id="boot-2")
    again.fetch_script()
    again.hello()
    again.claim()
    run.refresh_from_db()
    assert "last heard of at 03:04:05" in run.stopped_by


def test_a_flood_of_forged_tokens_does_not_fill_the_history(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    for boot in range(2, 60):
        talker.token = f"vt1.{run.pk}.{boot}." + "a" * 22 + "." + "b" * 43
        talker.heartbeat(status=401)
    assert run.events.filter(kind="token_refused").count() == 20


def test_a_hold_names_a_port_that_there_is(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="lshw broke")
    message = wire.Hold(talker.boot_id, "10.77.0.23", 70000, "ssh-ed25519 AAAA host", [])
    assert talker.post("hold", message, status=400)["path"] == "port"


def test_who_claims_and_fetches_in_turn_makes_no_boots_without_end(
    talker: Talker, host: Host, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each boot has rows, and each hold a key: it filled the database."""
    monkeypatch.setattr(bounds, "RUN_BOOTS", bounds.Bound(4, "boots"))
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="lshw broke")
    talker.hold()
    kinds = []
    for number in range(2, 8):
        again = Talker(host, boot_id=f"boot-{number}")
        kinds.append(again.fetch_script().kind)
        if kinds[-1] == "boot":
            again.claim()
    assert kinds == ["boot"] * 3 + ["local"] * 3
    assert run.boots.count() == 4 and run.events.filter(kind="boots_over").count() == 1
