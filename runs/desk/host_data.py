"""Hosts as flat objects for scripts, each with its newest run and last verdict. Only the needed columns are read: with
ten thousand hosts, reading the JSON documents and making model objects took three quarters of the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from hosts import bulk, spec_columns, tags
from hosts.models import Host, HostMac
from hosts.spec_columns import NamesParts, Product
from runs import power
from runs.desk import overview
from runs.models import PowerRequest, Run

# How many hosts are read at once, with two queries.
AT_ONCE = 2_500
NEWEST_RUNS = 10
_FIELDS = ("pk", "name", "enabled", "health", "profile_name", "tags", "wake_method", "destructive_allowed")
_BOOTING = (
    "idle_boot", "boot_binary", "kernel_args", "console", "boot_deadline_s", "local_boot", "local_drive", "cycle_hung",
)  # fmt: skip
_COMPUTED = {
    "product": Product("expected"),
    "names_parts": NamesParts("expected"),
    "newest_run": overview.NEWEST_RUN,
    "last_verdict": overview.LAST_VERDICT,
}


def of_hosts(hosts: QuerySet[Host], most: int | None = None) -> Iterator[dict[str, Any]]:
    """These hosts by name, at most so many."""
    rows = hosts.order_by("name").annotate(**_COMPUTED).values(*_FIELDS, *_COMPUTED)[:most]
    for some in bulk.batches(rows.iterator(AT_ONCE), AT_ONCE):
        runs = _runs([row["newest_run"] for row in some if row["newest_run"]])
        macs = _macs([row["pk"] for row in some])
        for row in some:
            yield _data(row, macs.get(row["pk"], []), runs.get(row["newest_run"]))


def chosen(*, health: str = "", state: str = "", profile: str = "", model: str = "", tag: str = "") -> QuerySet[Host]:
    """The hosts to which all of this applies; what is empty selects all."""
    hosts = spec_columns.of_product(Host.objects.all(), model)
    hosts = hosts.filter(health=health) if health else hosts
    hosts = hosts.filter(profile_name=profile) if profile else hosts
    hosts = hosts.filter(tags.having(tag.lower())) if tag else hosts
    return overview.in_state(hosts, state) if state else hosts


def in_full(host: Host) -> dict[str, Any]:
    """One host with its expected spec and its newest runs."""
    runs = overview.newest_first(host.runs.all())[:NEWEST_RUNS]
    return {
        **next(of_hosts(Host.objects.filter(pk=host.pk))),
        "power_verbs": [verb.value for verb in host.power_verbs],
        "power": [_asked(request) for request in power.newest(host)],
        "booting": {name: getattr(host, name) for name in _BOOTING},
        "notes": host.notes,
        "dmi_uuid": host.dmi_uuid,
        "expected": host.expected,
        "writable_disks": list(host.writable_disks.values_list("serial", flat=True)),
        "runs": [overview.run_as_data(run) for run in runs],
    }


def _asked(request: PowerRequest) -> dict[str, Any]:
    times = {name: time.isoformat() if (time := getattr(request, name)) else None for name in ("asked_at", "done_at")}
    return {"verb": request.verb, "who": request.who, **times, "failed": request.failed, "said": request.said}


def _runs(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in Run.objects.filter(pk__in=ids).order_by().values(*overview.RUN_FIELDS)}


def _macs(hosts: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for host, mac in HostMac.objects.filter(host__in=hosts).order_by("id").values_list("host_id", "mac"):
        found.setdefault(host, []).append(mac)
    return found


def _data(host: dict[str, Any], macs: list[str], run: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "name": host["name"],
        "enabled": host["enabled"],
        "health": host["health"],
        "profile": host["profile_name"],
        "tags": host["tags"].split(),
        "model": host["product"] or "",
        "macs": macs,
        "wake_method": host["wake_method"],
        "has_expected_spec": host["names_parts"],
        "destructive_allowed": host["destructive_allowed"],
        "state": overview.word_of(run["state"] if run else None),
        "last_verdict": host["last_verdict"] or None,
        "run": overview.run_data(host["name"], run) if run else None,
    }
