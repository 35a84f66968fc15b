"""The fragments of a run's page, rendered once for all readers with the same permissions.

A rendering has the run's `page_version`, which was read before everything else. It is handed out again as long as the
run has this version and the rendering is fresh (runs/desk/rendering_cache.py). Requests for the same fragments wait for
one rendering. A page sends the tags of what it shows, and gets what differs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from runs.desk import readers, rendering_cache, run_page
from runs.desk.readers import Permissions
from runs.desk.rendering_cache import Part, RenderingCache, Shown
from runs.models import Run

Key = tuple[int, Permissions]
kept = RenderingCache(most=64)
_SAME_FOR_ALL = [name for name in run_page.LIVE_PARTS if name not in run_page.BY_PERMISSION]


def shared(run_id: int, held: Permissions, version: int) -> Shown:
    """The fragments at this version or a later one, from the cache if it has them. Raises Http404."""
    return kept.get((run_id, held), version, lambda: _read_and_rendered(run_id, held)[1])


def for_all(run_id: int, sets: Iterable[Permissions], version: int) -> dict[Permissions, Shown]:
    """The same for several sets of permissions: the run is read once, and what is the same for all is rendered once.
    Raises Http404."""

    def make(missing: list[Key]) -> dict[Key, Shown]:
        began = time.monotonic()
        run = run_page.load(run_id)
        same = parts(run, readers.NONE, _SAME_FOR_ALL)
        return {
            key: Shown(run.page_version, began, same | parts(run, key[1], run_page.BY_PERMISSION)) for key in missing
        }

    found = kept.get_many({(run_id, held): version for held in sets}, make)
    return {held: shown for (_, held), shown in found.items()}


def fresh(run_id: int, held: Permissions) -> tuple[Run, Shown]:
    """The run, and its fragments rendered anew, which also go into the cache. Raises Http404."""
    run, shown = _read_and_rendered(run_id, held)
    kept.put((run_id, held), shown)
    return run, shown


def _read_and_rendered(run_id: int, held: Permissions) -> tuple[Run, Shown]:
    began = time.monotonic()
    run = run_page.load(run_id)
    return run, Shown(run.page_version, began, parts(run, held, run_page.LIVE_PARTS))


def parts(run: Run, held: Permissions, names: Iterable[str]) -> dict[str, Part]:
    """These fragments of a run that `run_page.load` read, for readers with these permissions."""
    names = tuple(names)
    context = run_page.context(run, names)
    return {name: _part(run, name, context, held) for name in names}


def _part(run: Run, name: str, context: dict[str, object], held: Permissions) -> Part:
    perms = readers.Perms(held if name in run_page.BY_PERMISSION else readers.NONE)
    return rendering_cache.part(run_page.PARTS[name][0], context | {"perms": perms}, run.page_version)
