"""Every page that shows a run or its host, and its report."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from runs import invariants
from runs.models import Run
from runs.reports import write as report

OF_RUN = ("run", "run-parts", "spec", "log-page", "log-lines", "series", "adopt", "report", "report-json")
EXPORTS = ("rma.zip", "junit.xml", "ocp.jsonl", "findings.csv", "parts.csv", "measurements.csv", "tables.xlsx")
OF_HOST = ("host", "host-parts", "compare")
ALONE = (
    "dashboard",
    "dashboard-parts",
    "worker-warning",
    "healthz",
    "admin:hosts_host_changelist",
    "admin:runs_run_changelist",
)


def addresses(run: Run) -> list[str]:
    of_admin = [reverse("admin:runs_run_change", args=[run.pk]), reverse("admin:hosts_host_change", args=[run.host_id])]
    return [
        *(reverse(name, args=[run.pk]) for name in OF_RUN),
        *(reverse("export", args=[run.pk, name]) for name in EXPORTS),
        *(reverse(name, args=[run.host.name]) for name in OF_HOST),
        *map(reverse, ALONE),
        *of_admin,
    ]


def look(client: Client, address: str, **query: Any) -> None:
    """Anything but a fault of ours. (`healthz` says 503 where no worker is at work, as in tests.)"""
    answer = client.get(address, query)
    status = 503 if address == reverse("healthz") else 499
    assert answer.status_code <= status, (address, query, answer.status_code)
    if answer.streaming:
        answer.getvalue()  # which closes the file, and not the database as `close` would


def all_is_well(client: Client, run: Run) -> None:
    """The report can be written, every page is shown, every invariant holds."""
    report.write(run)
    for address in addresses(run):
        look(client, address)
    assert broken() == []


def broken() -> list[str]:
    return [f"{one.invariant}: run {one.run}: {one.what}" for one in invariants.check()]
