"""What the desk can be asked: rows of the orchestrator as plain data, and the buttons of its operator."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from hosts import expectations
from hosts.models import Host, HostMac, WritableDisk
from pxe import bootfiles, image, ipxe
from runs import boot_script as scripts
from runs import hold, lifecycle
from runs.machine import State
from runs.models import Finding, Run, RunEvent
from runs.profiles import estimate

WHO = "rack"


def register(
    *,
    name: str,
    macs: list[str],
    expected: dict[str, Any] | None,
    writable: list[str],
    destructive: bool,
    wake: str,
    wake_options: dict[str, Any],
    cycle_hung: bool,
    profile: str,
) -> None:
    """`expected` is checked as the admin's form checks it."""
    host = Host.objects.create(
        name=name,
        expected=expected and expectations.normalise(expected),
        destructive_allowed=destructive,
        wake_method=wake,
        wake_options=wake_options,
        cycle_hung=cycle_hung,
        profile_name=profile,
    )
    HostMac.objects.bulk_create([HostMac(host=host, mac=mac) for mac in macs])
    WritableDisk.objects.bulk_create([WritableDisk(host=host, serial=serial, allowed_by=WHO) for serial in writable])


def start(*, host: str, profile: str, overrides: dict[str, Any]) -> int:
    run = lifecycle.start_run(Host.objects.get(name=host), profile_name=profile, overrides=overrides, who=WHO)
    return run.pk


def snapshot(*, run: int, after_event: int = 0) -> dict[str, Any]:
    """The run as it is now; `events` only those that are newer than `after_event`."""
    row = Run.objects.get(pk=run)
    return {
        "state": row.state,
        "verdict": row.verdict,
        "stopped_by": row.stopped_by,
        "agent_address": row.agent_address,
        "boot": row.boot,
        "estimate_off_percent": estimate.error_percent(row),
        "stages": list(row.stage_runs.values("name", "attempt", "outcome", "reason", "progress")),
        "rungs": [
            {"rung": r.rung, "boot": r.boot, "at": r.at.timestamp(), "detail": r.detail} for r in row.rungs.all()
        ],
        "findings": [_finding(finding) for finding in row.findings.select_related("stage_run")],
        "events": [_event(event) for event in row.events.filter(pk__gt=after_event)],
    }


def _finding(finding: Finding) -> dict[str, str]:
    words = ("code", "severity", "component", "message")
    return {word: getattr(finding, word) for word in words} | {"stage": finding.stage_run.name}


def _event(event: RunEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at.timestamp(),
        "kind": event.kind,
        "actor": event.actor,
        "before": event.state_before,
        "after": event.state_after,
        "text": event.text,
    }


def override_wipe(*, run: int, serial: str) -> None:
    """Presses Override wipe-probe for what the last Storage attempt listed on this disk."""
    row = Run.objects.get(pk=run)
    shown = row.stage_runs.filter(name=State.STORAGE).order_by("-attempt").first()
    digest = next((r["digest"] for r in (shown.refusals if shown else []) if r["serial"] == serial), "")
    lifecycle.override_wipe(row, attempt=shown.attempt if shown else 0, serial=serial, digest=digest, who=WHO)


def retry_stage(*, run: int, stage: str) -> None:
    lifecycle.ask_retry(Run.objects.get(pk=run), stage, who=WHO)


def release(*, run: int) -> None:
    lifecycle.release(Run.objects.get(pk=run), who=WHO)


def cancel(*, run: int) -> None:
    lifecycle.cancel(Run.objects.get(pk=run), who=WHO)


def held(*, run: int) -> dict[str, Any] | None:
    """How to get in: address, port, host key; None while the agent has not said where it holds."""
    session = hold.current(Run.objects.get(pk=run))
    if session is None or not session.host_key:
        return None
    return {"address": session.address, "port": session.port, "host_key": session.host_key}


def take_key(*, run: int) -> str:
    return lifecycle.take_private_key(Run.objects.get(pk=run), who=WHO)


def boot_script(*, host: str) -> str:
    """The script that boots the host's run, for a machine that does not come over PXE and so has no lease."""
    row = Host.objects.get(name=host)
    answer = scripts.script_fetched(row, settings.VETTING.web.address)
    if answer.run is None:
        return ipxe.local(host)
    web = settings.VETTING.web
    return ipxe.boot(
        ipxe.BootPlan(
            host=host, mac=row.mac_list[0], run=answer.run.pk, boot=answer.boot, token=answer.token,
            agent_url=web.agent_url, boot_url=web.boot_url, script_url=f"{web.agent_url}/ipxe/",
            initrds=bootfiles.initrds(), kernel_args=(*image.kernel_args(), *answer.kernel_args),
        )
    )  # fmt: skip


def admin() -> str:
    """Makes the administrator `rack`; the password."""
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser(WHO, password=password)
    return password


WORK: dict[str, Callable[..., Any]] = {
    work.__name__: work
    for work in (
        register,
        start,
        snapshot,
        override_wipe,
        retry_stage,
        release,
        cancel,
        held,
        take_key,
        boot_script,
        admin,
    )
}
