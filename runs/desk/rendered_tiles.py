"""The fragments of the dashboard and of a host's page, rendered once for all readers. The grid is rendered for each
filter, a tile for each version of its run, a host's page after each event. Like all renderings, each is handed out for
one second at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from django.db.models import F, Max

from hosts.models import Host
from runs.desk import host_page, readers, rendering_cache, run_page, tiles
from runs.desk.readers import Permissions
from runs.desk.rendering_cache import Part, RenderingCache, Shown
from runs.desk.tile_filter import TileFilter
from runs.models import Run, RunEvent

kept_grids = RenderingCache(most=32)
kept_tiles = RenderingCache(most=1000)
kept_hosts = RenderingCache(most=64)


def grid(asked: TileFilter, held: Permissions, context: Callable[[TileFilter], dict[str, object]]) -> Part:
    """The tiles that this filter and page show, from the cache if it has them."""

    def make() -> Shown:
        began, version = time.monotonic(), _events_version()
        shown = context(asked) | {"perms": readers.Perms(held)}
        return Shown(version, began, {"grid": rendering_cache.part("runs/_grid.html", shown, version)})

    return kept_grids.get((asked, held), _events_version(), make).parts["grid"]


def host(one: Host, held: Permissions) -> Part:
    """The part of a host's page that changes during a run, from the cache if it has it."""

    def make() -> Shown:
        began, version = time.monotonic(), _events_version()
        context = host_page.context(one) | {"perms": readers.Perms(held)}
        return Shown(version, began, {"host": rendering_cache.part("runs/_host.html", context, version)})

    return kept_hosts.get((one.pk, held), _events_version(), make).parts["host"]


def _events_version() -> int:
    """Rises with every event of any run. The rows are counted, too, because of those that become visible late."""
    newest = RunEvent.objects.aggregate(last=Max("id"))["last"] or 0
    return newest + RunEvent.objects.filter(pk__gt=newest - RunEvent.LATE_ROWS, pk__lte=newest).count()


def of_runs(run_ids: Sequence[int]) -> list[Part]:
    """The tiles of the hosts whose newest run is among these, from the cache if it has them."""
    runs = Run.objects.filter(pk__in=run_ids).annotate(version=run_page.PAGE_VERSION + F("sensor_seq"))
    versions = dict(runs.values_list("pk", "version"))

    def make(missing: list[int]) -> dict[int, Shown]:
        began = time.monotonic()
        found = {tile.run.pk: tile for tile in tiles.of_runs(missing) if tile.run is not None}
        return {pk: Shown(versions[pk], began, {"tile": _tile(tile, versions[pk])}) for pk, tile in found.items()}

    return [shown.parts["tile"] for shown in kept_tiles.get_many(versions, make).values()]


def _tile(tile: tiles.Tile, version: int) -> Part:
    return rendering_cache.part("runs/_tile.html", {"tile": tile}, version)
