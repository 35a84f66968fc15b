"""A run with something in every table, for tests of what is made from the rows of a run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from hosts.models import Host, HostMac
from runs import stages
from runs.machine import State
from runs.measurements import storing
from runs.models import Actor, Finding, Run, RunEvent, Severity, StageRun


def a_host(name: str = "node-1", mac: str = "52:54:00:00:00:01", **fields: Any) -> Host:
    host = Host.objects.create(name=name, **fields)
    HostMac.objects.create(host=host, mac=mac)
    return host


def a_run(host: Host | None = None, **fields: Any) -> Run:
    fields = {"state": State.COMPLETED, "verdict": "passed", "profile_name": "quick"} | fields
    fields.setdefault("created_at", timezone.now() - timedelta(hours=1))
    return Run.objects.create(host=host or a_host(), **fields)


def a_stage(run: Run, name: str = "SMART", outcome: str = "passed", **fields: Any) -> StageRun:
    order = [stage.name for stage in stages.STAGES].index(name)
    return StageRun.objects.create(run=run, name=name, order=order, outcome=outcome, **fields)


def a_finding(stage: StageRun, message: str = "SATA-0001: 2 pending sectors", **fields: Any) -> Finding:
    fields = {
        "code": "smart.pending_sectors",
        "severity": Severity.CRITICAL,
        "component_kind": "disk",
        "component": "SATA-0001",
    } | fields
    return Finding.objects.create(run=stage.run, stage_run=stage, message=message, **fields)


def measured(
    run: Run,
    *values: float,
    at: datetime | None = None,
    step_s: float = 0,
    component: str = "CPU0",
    name: str = "temp",
    component_kind: str = "cpu",
    unit: str = "C",
) -> None:
    """A batch of values of one sensor, from `at` on (default now), one every `step_s`."""
    first_ms = int((at or timezone.now()).timestamp() * 1000)
    key = (component, name, component_kind, unit)
    storing.keep([(run.pk, [(key, first_ms + int(n * step_s * 1000), value) for n, value in enumerate(values)])])


def an_event(run: Run, tells: str = "", **fields: Any) -> RunEvent:
    fields = {
        "actor": Actor.AGENT,
        "kind": "stage_failed",
        "state_before": "SMART",
        "state_after": "Failed",
    } | fields
    return RunEvent.objects.create(run=run, tells=tells, **fields)
