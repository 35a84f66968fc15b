"""The bench's own side of a campaign: hosts in the database, and an operator."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from django.db import close_old_connections

from agent.contract import codec, wire
from hosts.models import Host, HostMac
from runs import lifecycle
from runs.judging import required_checks
from runs.machine import ENDED, NotAllowed, State
from runs.models import Run
from runs.transition import Refused
from tests.chaos.agentprocess import STAGES
from tests.talker import EXPECTED, INVENTORY

RETRIED = "SMART"


def register(number: int) -> tuple[Host, dict[str, Any]]:
    """A host with a queued run, and what its machine has to know of itself."""
    mac, uuid = f"52:54:00:c0:00:{number:02x}", f"4c4c4544-0042-3510-8051-b4c04f4e{number:04x}"
    inventory = replace(
        INVENTORY,
        system=replace(INVENTORY.system, uuid=uuid, serial=f"S-{number}"),
        nics=[replace(INVENTORY.nics[0], mac=mac)],
    )
    expected = EXPECTED | {"nics": [{"mac": mac, "speed_mbit": 1000}]}
    host = Host.objects.create(name=f"chaos-{number}", expected=expected, wake_method="operator")
    HostMac.objects.create(host=host, mac=mac)
    run = start(host)
    wanted = {name: [one.name for one in required_checks.of_stage(name, run.profile, run.expected)] for name in STAGES}
    facts = {"number": number, "mac": mac, "uuid": uuid, "demands": wanted, "inventory": codec.encode(inventory)}
    return host, facts


def start(host: Host) -> Run:
    """A quick run; what only a kernel can count is asked of no script."""
    run = lifecycle.start_run(host, profile_name="quick", who="chaos")
    stages = {
        name: {
            **stage,
            "required": [one for one in stage.get("required", []) if not one.startswith(wire.COUNTER_CHECKS)],
        }
        for name, stage in run.profile["stages"].items()
    }
    Run.objects.filter(pk=run.pk, state=State.QUEUED).update(profile=run.profile | {"stages": stages})
    run.refresh_from_db()
    return run


def operate(*, start_more: bool) -> None:
    """One look at the bench by an operator."""
    close_old_connections()
    for run in Run.objects.held():
        with contextlib.suppress(Refused, NotAllowed):
            if run.stage_runs.filter(name=RETRIED, outcome="failed").count() == 1 and not run.retry_stage:
                lifecycle.ask_retry(run, RETRIED, "chaos")
            elif not run.retry_stage or not start_more:
                lifecycle.release(run, "chaos")
    if start_more:
        for host in Host.objects.all():
            newest = host.runs.first()
            if newest is not None and newest.state in ENDED:
                with contextlib.suppress(Refused, NotAllowed):
                    start(host)
