"""How many questions each list page asks the database: constant in the number of hosts, and within a budget.

The budgets stand in `query_budgets.json`. A page that needs another query gets it there, where a review sees it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosts.models import Host, HostMac
from runs.models import Finding, Run, Severity, StageRun
from tests import factories

pytestmark = pytest.mark.django_db

BUDGETS: dict[str, int] = json.loads((Path(__file__).parent / "query_budgets.json").read_text())
SIZES = (5, 50, 500)
FIRST_PAGE = 50
"""So many hosts stand in different states, so that the dashboard's first page has some of each."""
STATES = ("Completed", "FailedHolding", "Memory", "Queued", "Failed")


def fill(upto: int) -> None:
    """Hosts up to that many, each with two runs: an older one that passed, and one in some state."""
    names = [f"pve-{number:03d}" for number in range(Host.objects.count(), upto)]
    hosts = Host.objects.bulk_create(Host(name=name, expected={"system": {"product": "R100"}}) for name in names)
    HostMac.objects.bulk_create(
        HostMac(host=host, mac=f"52:54:00:00:{host.pk // 256:02x}:{host.pk % 256:02x}") for host in hosts
    )
    now = timezone.now()
    older = [Run(host=host, state="Completed", verdict="passed", created_at=now - timedelta(days=1)) for host in hosts]
    states = [STATES[host.pk % len(STATES)] if upto <= FIRST_PAGE else "Completed" for host in hosts]
    newer = [Run(host=host, state=state, profile=factories.PROFILE) for host, state in zip(hosts, states, strict=True)]
    runs = Run.objects.bulk_create([*older, *newer])
    numbers = {"seq_read_mb_s.SATA-1": 500.0}
    stages = StageRun.objects.bulk_create(StageRun(run=run, name="Memory", order=5, numbers=numbers) for run in runs)
    Finding.objects.bulk_create(
        Finding(run=stage.run, stage_run=stage, code="x", severity=Severity.CRITICAL, component="SATA-1", message="x")
        for stage in stages
    )


def test_every_list_page_asks_as_much_for_500_hosts_as_for_5_and_stays_within_its_budget(admin_client: Client) -> None:
    asked: dict[str, dict[int, int]] = {address: {} for address in BUDGETS}
    for size in SIZES:
        fill(size)
        for address, by_size in asked.items():
            with CaptureQueriesContext(connection) as queries:
                assert admin_client.get(address).status_code == 200
            by_size[size] = len(queries)
    assert {address: by_size for address, by_size in asked.items() if len(set(by_size.values())) != 1} == {}
    assert {address: by_size for address, by_size in asked.items() if max(by_size.values()) > BUDGETS[address]} == {}
