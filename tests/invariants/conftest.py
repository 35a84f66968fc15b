"""Runs that went through the real calls, so that every row of theirs is as it should be."""

from __future__ import annotations

import pytest

from hosts.models import Host
from runs import lifecycle, report
from runs.models import Run
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/invariants" in str(item.path):
            item.add_marker(pytest.mark.django_db)


@pytest.fixture
def host(db: None) -> Host:
    return a_host("node-1", mac=MAC, expected=EXPECTED, destructive_allowed=True)


@pytest.fixture
def machine(host: Host) -> Talker:
    """It has claimed its run and is in its first stage."""
    lifecycle.start_run(host, profile_name="quick")
    machine = Talker(host)
    machine.boot_and_claim()
    return machine


@pytest.fixture
def passed(machine: Talker) -> Run:
    """Every stage passed; its report is written."""
    machine.log("a line", "another")
    machine.pass_stages_until("Completed")
    report.tick()
    return Run.objects.get(pk=machine.run_id)


@pytest.fixture
def held(machine: Talker) -> Run:
    """It failed in its first stage and is held."""
    machine.result("InventoryCheck", "failed", reason="a disk is missing")
    machine.hold()
    report.tick()
    return Run.objects.get(pk=machine.run_id)
