"""Parts of pages, rendered anew when an event said that something changed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.models import Host
from runs import hostpage, runpage, tiles
from runs.access import operator_required
from runs.models import Run

_MAX_TILES = 200


@require_safe
@never_cache
@operator_required
def run_parts(request: HttpRequest, run_id: int) -> HttpResponse:
    """`?part=stages&part=log`: these parts of the run's page, each to be put in the place of the one it has."""
    names = list(dict.fromkeys(request.GET.getlist("part")))
    if unknown := [name for name in names if name not in runpage.PARTS]:
        return HttpResponseBadRequest(f"no part {unknown[0]!r}: there are {', '.join(runpage.PARTS)}")
    try:
        run = runpage.load(run_id)
    except Run.DoesNotExist:
        raise Http404(f"there is no run {run_id}") from None
    context = runpage.context(run, names)
    return HttpResponse("".join(render_to_string(runpage.PARTS[name][0], context, request) for name in names))


@require_safe
@never_cache
@operator_required
def dashboard_parts(request: HttpRequest) -> HttpResponse:
    """`?part=grid`: all tiles anew. `?part=tile-12&part=tile-15`: these hosts' tiles, by the number of the run."""
    names = request.GET.getlist("part")
    if "grid" in names:
        return HttpResponse(render_to_string("runs/_grid.html", grid_context(), request))
    run_ids = [int(name[5:]) for name in names if name.startswith("tile-") and name[5:].isdigit()]
    if len(run_ids) != len(names) or len(names) > _MAX_TILES:
        return HttpResponseBadRequest(f"give part=grid, or up to {_MAX_TILES} of part=tile-<run>")
    shown = tiles.tiles(run_ids)
    return HttpResponse("".join(render_to_string("runs/_tile.html", {"tile": tile}, request) for tile in shown))


@require_safe
@never_cache
@operator_required
def host_parts(request: HttpRequest, name: str) -> HttpResponse:
    host = get_object_or_404(Host, name=name)
    return HttpResponse(render_to_string("runs/_host.html", hostpage.context(host), request))


def grid_context() -> dict[str, object]:
    shown = tiles.tiles()
    return {"groups": tiles.grouped(shown), "count": len(shown)}
