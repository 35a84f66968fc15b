"""The operator's pages: the dashboard, a host, a run, and the files of a run."""

from __future__ import annotations

from pathlib import Path

from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.models import Host
from runs import retention
from runs.desk import host_page, log_viewer, readers, rendered, run_page, tile_filter
from runs.desk import series as measured
from runs.desk.access import needs
from runs.desk.fragments import grid_context, with_token
from runs.desk.request_numbers import not_understood, whole_number
from runs.files import logs as logfiles
from runs.files import sending
from runs.models import Artifact, Run
from runs.profiles import load as profiles
from runs.reports import exports

REPORTS = {"html": ("report.html", "text/html; charset=utf-8"), "json": ("report.json", "application/json")}
# A report is one file with inline style. It must run no script, wherever it is opened.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


@require_safe
@never_cache
@needs()
def dashboard(request: HttpRequest) -> HttpResponse:
    asked = tile_filter.asked_for(request.GET)
    choices = {"healths": tile_filter.HEALTHS, "profiles": profiles.names()}
    return render(request, "runs/dashboard.html", grid_context(asked) | choices)


@require_safe
@never_cache
@needs()
def host(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "runs/host.html", host_page.whole(get_object_or_404(Host, name=name)))


@require_safe
@never_cache
@needs()
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    shown_run, shown = rendered.fresh(run_id, readers.permissions(request.user))
    context = run_page.context(shown_run, ["log", "history"]) | {
        "parts": {name: with_token(part.html, request) for name, part in shown.parts.items()},
        "version": shown.version,
        "elapsed_s": run_page.elapsed_s(shown_run, timezone.now()),
    }
    return render(request, "runs/run.html", context)


@require_safe
@never_cache
@needs()
def series(request: HttpRequest, run_id: int) -> HttpResponse:
    """The data of the charts. `?window=3600` limits it to the last hour, `?since=1700000000&last_id=4711` to new
    data."""
    asked = {name: request.GET.get(name, "") for name in ("window", "since", "last_id")}
    numbers = {name: whole_number(value, 11) for name, value in asked.items() if value}
    if wrong := [name for name, number in numbers.items() if number is None]:
        return not_understood(f"{wrong[0]} is {asked[wrong[0]][:40]!r}: give a whole number")
    if (window := numbers.get("window")) not in (None, *measured.WINDOWS_S):
        allowed = ", ".join(str(seconds) for seconds in measured.WINDOWS_S)
        return not_understood(f"window is {window}: it may be {allowed} seconds, or left out for all")
    since = numbers.get("since")
    known = measured.Known(since, numbers.get("last_id") or 0) if since else None
    return JsonResponse(measured.series(get_object_or_404(Run, pk=run_id), window, known))


@require_safe
@never_cache
@needs()
def log(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """The whole log as a text file."""
    shown = get_object_or_404(Run, pk=run_id)
    name = f"vetting-run-{shown.pk}-{shown.host}.log"
    return _file(request, logfiles.path(shown.pk), name, "text/plain; charset=utf-8")


@require_safe
@never_cache
@needs()
def log_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """Any section of the log, filtered by level and word; works without JavaScript."""
    shown = run_page.load(run_id)
    try:
        asked, before = log_viewer.wanted(request.GET), log_viewer.offset(request.GET, "before")
    except log_viewer.BadQuery as error:
        return not_understood(str(error))
    context = log_viewer.context(shown, asked, log_viewer.PAGE_LINES, before)
    return render(request, "runs/log.html", {"run": shown, "host": shown.host, **context})


@require_safe
@never_cache
@needs()
def report(request: HttpRequest, run_id: int, kind: str) -> HttpResponseBase:
    """Show the report as it was last written."""
    name, content_type = REPORTS[kind]
    artifact = get_object_or_404(Artifact, run_id=run_id, name=name)
    response = _file(request, _inside_runs_dir(artifact), "", content_type)
    response.headers["Content-Security-Policy"] = _REPORT_POLICY
    return response


@require_safe
@never_cache
@needs()
def export(request: HttpRequest, run_id: int, export: str) -> HttpResponse:
    """The run in the format of another program, as a download."""
    if (chosen := exports.BY_NAME.get(export)) is None:
        raise Http404(f"There is no export {export[:40]!r}: {', '.join(exports.BY_NAME)}.")
    shown = get_object_or_404(Run.objects.select_related("host"), pk=run_id)
    data = chosen.make(shown, exports.content_of(shown))
    named = content_disposition_header(True, chosen.file_name(shown)) or "attachment"
    headers = {"Content-Disposition": named, "X-Content-Type-Options": "nosniff"}
    return HttpResponse(data, content_type=chosen.content_type, headers=headers)


@require_safe
@never_cache
@needs()
def artifact(request: HttpRequest, run_id: int, name: str) -> HttpResponseBase:
    """Any file of the run, always as a download: files from a host are never rendered."""
    row = get_object_or_404(Artifact, run_id=run_id, name=name)
    return _file(
        request, _inside_runs_dir(row), f"vetting-run-{run_id}-{Path(row.name).name}", "application/octet-stream"
    )


def _inside_runs_dir(artifact: Artifact) -> Path:
    if (path := retention.inside(artifact.path)) is None:
        raise Http404(f"artifact {artifact.name} does not lie in the directory of runs")
    return path


def _file(request: HttpRequest, path: Path, download_as: str, content_type: str) -> HttpResponseBase:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise Http404("This file is gone: it was older than the retention of vetting.yaml allows.") from None
    response = FileResponse(stream, as_attachment=bool(download_as), filename=download_as, content_type=content_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return sending.handed_over(request, response, path)
