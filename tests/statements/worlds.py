"""Rows and files to begin with: hosts with runs that got as far as this."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from agent.contract import wire
from hosts.models import Host
from runs import lifecycle
from runs.models import Boot, Run, StageRun
from runs.stages import SPEC_VALIDATE, STAGES
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, SERIAL, UUID, Talker

# The agent's last stage before Expected parts, which the orchestrator resolves within that stage's result.
BEFORE_EXPECTED_PARTS = STAGES[STAGES.index(SPEC_VALIDATE) - 1].name

BAD_DISK = wire.Finding(
    "smart.pending_sectors", wire.Severity.CRITICAL, "disk", SERIAL, "sda: 2 pending sectors", 2, 0, ""
)
WARNED = wire.Finding("smart.wear", wire.Severity.WARNING, "disk", SERIAL, "sda: 91 % worn", 91, 90, "%")
WIPE_REFUSED = wire.Refusal(3, SERIAL, "LVM", [wire.Signature("sda", "lvm", "pve", "LVM volume group pve")], "d1g3st")


def host(number: int = 1) -> Host:
    """Number 1 is the one whose inventory the talker tells."""
    mac = MAC if number == 1 else f"52:54:00:00:00:{number:02x}"
    return a_host(f"node-{number}", mac=mac, expected=EXPECTED)


def queued(number: int = 1) -> Talker:
    machine = host(number)
    run = lifecycle.start_run(machine, profile_name="quick", who="admin")
    talker = Talker(machine, boot_id=f"boot-{number}", uuid=f"{UUID[:-2]}{number:02x}", macs=machine.mac_list)
    talker.run_id = run.pk
    return talker


def dispatched(number: int = 1) -> Talker:
    talker = queued(number)
    work.dispatch()
    talker.fetch_script()
    return talker


def claimed(number: int = 1) -> Talker:
    talker = dispatched(number)
    talker.hello()
    talker.claim()
    return talker


def in_stage(stage: str, number: int = 1) -> Talker:
    talker = claimed(number)
    if number != 1:
        Run.objects.filter(pk=talker.run_id).update(expected=None)
    talker.pass_stages_until(stage)
    return talker


def held(number: int = 1) -> Talker:
    talker = in_stage("SMART", number)
    talker.result("SMART", "failed", findings=[BAD_DISK])
    talker.hold()
    return talker


def refused_by_wipe_probe() -> Talker:
    talker = in_stage("Storage")
    talker.result("Storage", "not_tested", refusals=[WIPE_REFUSED])
    talker.hold()
    return talker


def run_of(talker: Talker) -> Run:
    return Run.objects.get(pk=talker.run_id)


def long_ago(**fields: Any) -> None:
    """Everything that a deadline counts from was yesterday."""
    then = timezone.now() - timedelta(hours=24)
    Run.objects.update(state_since=then, created_at=then, **fields)
    StageRun.objects.update(created_at=then)
    StageRun.objects.exclude(go_at=None).update(go_at=then)
    Run.objects.exclude(started_at=None).update(started_at=then)
    Run.objects.exclude(last_seen=None).update(last_seen=then)
    Run.objects.exclude(boot_deadline=None).update(boot_deadline=then)
    Boot.objects.update(created_at=then)
