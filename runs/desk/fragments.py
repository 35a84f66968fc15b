"""Fragments of pages, rendered again after an event said that something changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.models import Host
from runs.bench import service_state
from runs.desk import (
    history_rows,
    host_page,
    log_viewer,
    placing,
    readers,
    rendered,
    rendered_tiles,
    rendering_cache,
    run_page,
    tile_filter,
    tiles,
)
from runs.desk.access import needs
from runs.desk.placing import Page
from runs.desk.rendering_cache import Part, RenderingCache, Shown
from runs.desk.request_numbers import not_understood, whole_number
from runs.desk.tile_filter import TileFilter
from runs.models import Run

_MAX_TILES = 200
_kept_lines = RenderingCache(most=64)


@require_safe
@never_cache
@needs()
def run_parts(request: HttpRequest, run_id: int) -> HttpResponse:
    """`?part=stages&part=log`: these fragments of the run's page, each of which replaces the one on the page.

    `If-None-Match` may list the tags of fragments that the page has. These are left out of the answer, which is 304 if
    nothing is left; who sends no tags gets everything, rendered anew.
    """
    names = list(dict.fromkeys(request.GET.getlist("part")))
    if unknown := [name for name in names if name not in run_page.PARTS]:
        return not_understood(f"no part {unknown[0][:40]!r}: there are {', '.join(run_page.PARTS)}")
    known, held = _known_tags(request), readers.permissions(request.user)
    if known and set(names) <= set(run_page.LIVE_PARTS):
        shown = rendered.shared(run_id, held, run_page.version(run_id)).parts
    else:
        shown = rendered.parts(run_page.load(run_id), held, names)
    return _those_not_known(request, [shown[name] for name in names], known)


@require_safe
@never_cache
@needs()
def dashboard_parts(request: HttpRequest) -> HttpResponse:
    """`?part=grid`: the tiles of the page. `?part=tile-12&part=tile-15`: the tiles of the hosts with these runs.
    `If-None-Match` as for a run's page."""
    names = request.GET.getlist("part")
    known = _known_tags(request)
    if "grid" in names:
        asked = tile_filter.asked_for(request.GET)
        if known:
            grid = rendered_tiles.grid(asked, readers.permissions(request.user), grid_context)
            return _those_not_known(request, [grid], known)
        return HttpResponse(render_to_string("runs/_grid.html", grid_context(asked), request))
    numbers = [whole_number(name.removeprefix("tile-")) if name.startswith("tile-") else None for name in names]
    run_ids = [number for number in numbers if number is not None]
    if len(run_ids) != len(names) or len(names) > _MAX_TILES:
        return not_understood(f"give part=grid, or up to {_MAX_TILES} of part=tile-<run>")
    if known:
        return _those_not_known(request, rendered_tiles.of_runs(run_ids), known)
    shown = tiles.of_runs(run_ids)
    return HttpResponse("".join(render_to_string("runs/_tile.html", {"tile": tile}, request) for tile in shown))


def _known_tags(request: HttpRequest) -> set[str]:
    """The tags of fragments that the page has. A page that sends tags accepts fragments that were rendered for other
    readers."""
    return {tag.strip(' "') for tag in request.headers.get("If-None-Match", "").split(",")} - {""}


def _those_not_known(request: HttpRequest, parts: Iterable[Part], known: set[str]) -> HttpResponse:
    fresh = [with_token(part.html, request) for part in parts if part.tag not in known]
    return HttpResponse("".join(fresh)) if fresh or not known else HttpResponseNotModified()


def with_token(html: str, request: HttpRequest) -> SafeString:
    """A fragment that was rendered for many readers, with this reader's token in its forms."""
    return mark_safe(html.replace(rendering_cache.TOKEN, get_token(request)) if rendering_cache.TOKEN in html else html)


@require_safe
@never_cache
@needs()
def host_parts(request: HttpRequest, name: str) -> HttpResponse:
    """What changes on the host's page. `If-None-Match` as for a run's page."""
    host, known = get_object_or_404(Host, name=name), _known_tags(request)
    if known:
        return _those_not_known(request, [rendered_tiles.host(host, readers.permissions(request.user))], known)
    return HttpResponse(render_to_string("runs/_host.html", host_page.context(host), request))


@require_safe
@never_cache
@needs()
def log_lines(request: HttpRequest, run_id: int) -> HttpResponse:
    """`?after=4096`: the log's lines after this offset, at most the last 200. `?before=4096`: the lines before it.

    A page that follows the log sends `If-None-Match`, and shares the lines with others that ask for the same.
    """
    run = get_object_or_404(Run.objects.light(), pk=run_id)
    try:
        asked = log_viewer.wanted(request.GET)
        before, after = log_viewer.offset(request.GET, "before"), log_viewer.offset(request.GET, "after")
    except log_viewer.BadQuery as error:
        return not_understood(str(error))

    def make() -> Shown:
        context = log_viewer.context(run, asked, log_viewer.LINES, before, after or 0)
        return Shown(
            run.log_bytes, time.monotonic(), {"lines": Part(render_to_string("runs/_log_lines.html", context), "")}
        )

    shown = _kept_lines.get((run_id, asked, before, after), run.log_bytes, make) if _known_tags(request) else make()
    return HttpResponse(shown.parts["lines"].html)


@require_safe
@never_cache
@needs()
def history(request: HttpRequest, run_id: int) -> HttpResponse:
    """`?after=4711`: the rows of the history that came after this event, if the page still has the right ones up to it.
    `If-None-Match` has their digest; the answer to anything else is all rows, and 304 if the page has them."""
    run = get_object_or_404(Run.objects.light(), pk=run_id)
    after, known = whole_number(request.GET.get("after", "0"), 18), _known_tags(request)
    if after is None:
        return not_understood("after is the number of an event")
    found = history_rows.since(run, after, known)
    if found.digest in known:
        return HttpResponseNotModified()
    return HttpResponse(render_to_string("runs/_history_rows.html", {"run": run, "history": found}))


@require_safe
@never_cache
@needs()
def worker_warning(request: HttpRequest) -> HttpResponse:
    """A visible page requests this every few seconds. An answer shows that the web process and the network work; its
    content says whether the worker does."""
    return HttpResponse(render_to_string("runs/_worker_warning.html", service_state.context(), request))


def grid_context(asked: TileFilter) -> dict[str, object]:
    """Counts every host in its group; shows one page of the requested groups."""
    page = placing.page(asked.hosts(), asked.group, asked.page)
    asked = replace(asked, page=page.number)
    return {
        "groups": tiles.grouped(tiles.of_hosts(page.hosts)),
        "totals": {name: count if asked.group in ("", name) else 0 for name, count in page.counts.items()},
        "page": page,
        "filter": asked,
        "tabs": _tabs(asked, page.counts),
        "other_pages": _other_pages(asked, page),
        "hosts_exist": bool(sum(page.counts.values())) or Host.objects.exists(),
        "attention": page.counts["attention"],
    }


def _other_pages(asked: TileFilter, page: Page) -> list[dict[str, object]]:
    """Links to the pages before and after this one."""
    near = [("Previous", page.number - 1), ("Next", page.number + 1)]
    return [
        {"title": title, "address": asked.address(page=str(number) if number > 1 else "")}
        for title, number in near
        if 1 <= number <= page.last
    ]


def _tabs(asked: TileFilter, counts: Mapping[str, int]) -> list[dict[str, object]]:
    """The groups as links: everything, then each group with its number of hosts."""
    tabs = [("", "All hosts", sum(counts.values()))]
    tabs += [(name, title, counts[name]) for name, title in tile_filter.GROUPS]
    return [
        {"title": title, "count": count, "address": asked.address(show=name), "current": asked.group == name}
        for name, title, count in tabs
    ]
