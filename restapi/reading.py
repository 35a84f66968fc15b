"""What can be read: the same that pages and commands show, by the same functions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from ninja import Query, Router

from hosts.models import Host
from restapi import asked, auth, paging, schemas, scopes
from restapi.answers import FILE, of_reading
from runs import adopting, disk_writes
from runs.desk import actions, following, host_data, host_page, overview, run_page, views
from runs.machine import HELD, LIVE
from runs.models import Finding, Run
from runs.profiles import load as profiles
from runs.querysets import RunQuerySet
from runs.reports import exports, measured, parts
from runs.reports.stage_rows import time

router = Router()


@router.get("/hosts", url_name="hosts", response=of_reading(schemas.Page[schemas.HostRow]), tags=["hosts"])
def hosts(request: HttpRequest, wanted: Query[asked.Hosts]) -> dict[str, Any]:
    """The inventory, by name."""
    _may_read(request, asked.Hosts.model_fields)
    rows = host_data.chosen(**{name: getattr(wanted, name) for name in asked.HOST_FILTERS})
    rows = rows.filter(name__gt=wanted.cursor) if wanted.cursor else rows
    return paging.page(host_data.of_hosts(rows, wanted.limit + 1), wanted.limit, lambda row: row["name"])


@router.get("/hosts/{slug:name}", url_name="host", response=of_reading(schemas.Host), tags=["hosts"])
def host(request: HttpRequest, name: str) -> dict[str, Any]:
    """One host: what it should be made of, how it stands, its newest runs."""
    _may_read(request)
    return host_data.in_full(the_host(name))


@router.get(
    "/hosts/{slug:name}/profiles",
    url_name="host-profiles",
    response=of_reading(list[schemas.Choice]),
    tags=["hosts", "profiles"],
)
def host_profiles(request: HttpRequest, name: str) -> list[host_page.Choice]:
    """The profiles for this host: how long each takes, and what it would destroy."""
    _may_read(request)
    return host_page.choices(the_host(name))


@router.get("/runs", url_name="runs", response=of_reading(schemas.Page[schemas.RunRow]), tags=["runs"])
def runs(request: HttpRequest, wanted: Query[asked.Runs]) -> dict[str, Any]:
    """Runs, newest first."""
    _may_read(request, asked.Runs.model_fields)
    states = [*LIVE, *HELD] if wanted.live else [wanted.state] if wanted.state else []
    rows = overview.newest_first(_runs_of(wanted.host), verdict=wanted.verdict, states=states)
    if (before := paging.number(wanted.cursor)) is not None:
        rows = rows.filter(pk__lt=before)
    found = map(overview.run_as_data, rows[: wanted.limit + 1])
    return paging.page(found, wanted.limit, lambda row: row["run"])


@router.get("/runs/{int:run_id}", url_name="run", response=of_reading(schemas.Run), tags=["runs"])
def run(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """One run, as it is now. A script waits until `is_final`, then reads `verdict`."""
    _may_read(request)
    return in_full(run_page.load(run_id))


@router.get(
    "/runs/{int:run_id}/findings",
    url_name="findings",
    response=of_reading(schemas.Page[schemas.Finding]),
    tags=["findings"],
)
def findings(request: HttpRequest, run_id: int, wanted: Query[asked.Findings]) -> dict[str, Any]:
    """What the stages of a run saw, in this order."""
    _may_read(request, asked.Findings.model_fields)
    rows = Finding.objects.filter(run=run_page.load(run_id)).order_by("pk")
    for name in ("severity", "code", "component"):
        rows = rows.filter(**{name: getattr(wanted, name)}) if getattr(wanted, name) else rows
    if (after := paging.number(wanted.cursor)) is not None:
        rows = rows.filter(pk__gt=after)
    told = rows.values(
        "id", "severity", "code", "component_kind", "component", "message", "value", "limit", "unit", "at",
        stage=F("stage_run__name"), attempt=F("stage_run__attempt"), counts=F("stage_run__counts"),
    )[: wanted.limit + 1]  # fmt: skip
    found = ({**row, "at": time(row["at"]), **parts.advice(row["code"], row["severity"])} for row in told)
    return paging.page(found, wanted.limit, lambda row: row["id"])


@router.get("/runs/{int:run_id}/parts", url_name="parts", response=of_reading(schemas.Parts), tags=["parts"])
def run_parts(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """The parts that a run found, and what to do about those that a finding names."""
    _may_read(request)
    shown = run_page.load(run_id)
    named, more = parts.of_run(shown, list(shown.stage_runs.all()))
    return {"parts": named, "inventory": shown.inventory, "left_out": more}


@router.get(
    "/runs/{int:run_id}/measurements",
    url_name="measurements",
    response=of_reading(schemas.Page[schemas.Measurement]),
    tags=["measurements"],
)
def measurements(request: HttpRequest, run_id: int, wanted: Query[paging.Asked]) -> dict[str, Any]:
    """Lowest, mean and highest value of each sensor, as in the report."""
    _may_read(request, paging.Asked.model_fields)
    rows, _ = measured.figures(run_page.load(run_id))
    first = paging.number(wanted.cursor) or 0
    some = list(enumerate(rows))[first : first + wanted.limit + 1]
    found = paging.page(some, wanted.limit, lambda row: row[0] + 1)
    return {**found, "items": [row for _, row in found["items"]]}


@router.get(
    "/runs/{int:run_id}/differences",
    url_name="differences",
    response=of_reading(list[schemas.Difference]),
    tags=["parts"],
)
def differences(request: HttpRequest, run_id: int) -> list[Any]:
    """The differences from the expected spec that can be adopted."""
    _may_read(request)
    return adopting.still_open(run_page.load(run_id))


@router.get("/profiles", url_name="profiles", response=of_reading(list[schemas.ProfileRow]), tags=["profiles"])
def every_profile(request: HttpRequest) -> list[dict[str, Any]]:
    """All profiles, shipped and own."""
    _may_read(request)
    return [_profile_row(name) for name in profiles.names()]


@router.get("/profiles/{slug:name}", url_name="profile", response=of_reading(dict[str, Any]), tags=["profiles"])
def profile(request: HttpRequest, name: str) -> dict[str, Any]:
    """One profile in full: its stages, their parameters and limits."""
    _may_read(request)
    if name not in profiles.names():
        raise Http404(f"There is no profile {name[:63]}: {', '.join(profiles.names())}.")
    return profiles.load(name)


@router.get("/runs/{int:run_id}/files", url_name="files", response=of_reading(list[schemas.File]), tags=["files"])
def files(request: HttpRequest, run_id: int) -> list[dict[str, Any]]:
    """Every file of a run, and where it is."""
    _may_read(request)
    shown = run_page.load(run_id)
    made = [_file(export.name, export.title, "rest:export", shown.pk, export.name) for export in exports.EXPORTS]
    kept = [_file(row.name, "", "rest:file", shown.pk, row.name) | {"size": row.size} for row in shown.artifacts.all()]
    return [*kept, _file("run.log", "Log", "rest:log", shown.pk) | {"size": shown.log_bytes}, *made]


@router.get("/runs/{int:run_id}/run.log", url_name="log", response=of_reading(None), openapi_extra=FILE, tags=["files"])
def log(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """The whole log as a text file."""
    _may_read(request)
    return views.log(request, run_id=run_id)


@router.get(
    "/runs/{int:run_id}/export/{str:export}",
    url_name="export",
    response=of_reading(None),
    openapi_extra=FILE,
    tags=["files"],
)
def export(request: HttpRequest, run_id: int, export: str) -> HttpResponseBase:
    """The run in the format of another program; /files lists the names."""
    _may_read(request)
    return views.export(request, run_id=run_id, export=export)


@router.get(
    "/runs/{int:run_id}/files/{path:name}",
    url_name="file",
    response=of_reading(None),
    openapi_extra=FILE,
    tags=["files"],
)
def file(request: HttpRequest, run_id: int, name: str) -> HttpResponseBase:
    """Any kept file of a run: the report (report.json, report.html) and what the tools printed."""
    _may_read(request)
    return views.artifact(request, run_id=run_id, name=name)


def the_host(name: str) -> Host:
    """Raises Http404."""
    if (found := Host.objects.filter(name=name).first()) is None:
        raise Http404(f"There is no host {name[:63]}.")
    return found


def in_full(shown: Run) -> dict[str, Any]:
    """The run as a script needs it. `shown` was loaded by `run_page.load`."""
    possible = [action.name for action in actions.available(shown) if action is not actions.OVERRIDE]
    adopts = [] if adopting.why_not(shown) else ["adopt"]
    return {
        **overview.run_as_data(shown),
        "is_final": following.is_final(shown),
        "bench_error": shown.bench_error,
        **following.stages_as_data(shown),
        "actions": [*possible, *adopts],
        "retryable": [row.name for row in actions.retryable(shown)] if actions.RETRY.name in possible else [],
        "link": settings.VETTING.web.link_base + shown.get_absolute_url(),
    }


def _may_read(request: HttpRequest, known: Any = ()) -> None:
    auth.require(request, scopes.READ)
    paging.refuse_unknown(request, known)


def _runs_of(host_name: str) -> RunQuerySet:
    rows: RunQuerySet = Run.objects.all()
    return rows.filter(host=the_host(host_name)) if host_name else rows


def _profile_row(name: str) -> dict[str, Any]:
    try:
        found, problem = profiles.load(name), ""
    except profiles.ProfileError as error:
        found, problem = {}, str(error)
    return {
        "name": name,
        "title": found.get("title", name),
        "description": found.get("description", ""),
        "writes": disk_writes.writes(found),
        "problem": problem,
    }


def _file(name: str, title: str, address: str, *parts_of_it: Any) -> dict[str, Any]:
    return {"name": name, "title": title, "address": reverse(address, args=parts_of_it), "size": None}
