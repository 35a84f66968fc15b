"""The dashboard's tiles, for tests of what they say."""

from __future__ import annotations

from hosts.models import Host
from runs.desk import placing, tiles
from runs.desk.tiles import Tile


def first_tiles() -> list[Tile]:
    """Of the first page."""
    return tiles.of_hosts(placing.page(Host.objects.all()).hosts)
