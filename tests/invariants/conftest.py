"""Runs that went through the real calls, so that every row of theirs is as it should be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hosts.models import Host
from runs import lifecycle
from runs.models import Job, Run
from runs.reports import write as report
from tests.factories import worker_at_work
from tests.rows import a_host
from tests.talker import EXPECTED, Talker


@dataclass
class Runs:
    """One that passed, one that is held, one that is in its Memory stage."""

    passed: Run
    held: Run
    testing: Run

    def refresh(self) -> None:
        for run in (self.passed, self.held, self.testing):
            run.refresh_from_db()


@pytest.fixture
def made(db: None) -> Runs:
    return make_runs()


def make_runs() -> Runs:
    runs = Runs(*(Run.objects.get(pk=make()) for make in (_passed, _held, _testing)))
    write_reports()
    worker_at_work()
    runs.refresh()
    return runs


def write_reports() -> None:
    """Those that are due, and no job that would write them is left over."""
    for run in Run.objects.filter(report_due=True):
        report.write_due(run.pk)
    Job.objects.all().delete()


def claimed(number: int) -> Talker:
    """A machine that has claimed its run and is in the first stage."""
    mac, uuid = f"52:54:00:00:00:{number:02x}", f"4c4c4544-0042-3510-8051-b4c04f4e37{number:02x}"
    host = a_host(f"node-{number}", mac=mac, expected=EXPECTED, destructive_allowed=True)
    lifecycle.start_run(host, profile_name="quick")
    machine = Talker(Host.objects.get(pk=host.pk), macs=[mac], uuid=uuid)
    machine.boot_and_claim()
    return machine


def _passed() -> int:
    machine = claimed(1)
    machine.log("a line", "another")
    machine.pass_stages_until("Completed")
    return machine.run_id


def _held() -> int:
    machine = claimed(2)
    machine.result("InventoryCheck", "failed", reason="a disk is missing")
    machine.hold()
    return machine.run_id


def _testing() -> int:
    machine = claimed(3)
    machine.pass_stages_until("Memory")
    return machine.run_id
