"""The ids of the series, kept in this process: a batch of an agent names the same fifty series each time.

An id is kept once its transaction is committed, so a series whose creation was rolled back is never known. Ids of a run
that was deleted do no harm, since neither its number nor theirs is given again. What another process has created is
found when it is first met here: creating it again gives its id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import partial

from django.db import connection, transaction

from hosts import bounds
from runs.models import Series

# (component, name, component_kind, unit), as the unique index has it.
Key = tuple[str, str, str, str]
Ids = Mapping[Key, int]
# The most ids that are kept, of all runs together. A thousand hosts have some 60,000. This number takes 150 MB at most.
MOST_KEPT = 500_000

_known: dict[int, dict[Key, int]] = {}
# Runs that have as many series as they may, all of which are known here.
_full: set[int] = set()
_database: object = None
_lock = threading.Lock()


def of(wanted: Mapping[int, Iterable[Key]]) -> dict[int, Ids]:
    """Run → ids of these keys, without those beyond the bound of its run. Series that are new are created in the
    caller's transaction. No query if all are known; at most one for the runs that are met for the first time, one per
    200 new series, and one when a run reaches its bound."""
    _forget_another_database()
    found: dict[int, dict[Key, int]] = _read([run for run in wanted if run not in _known])
    new: list[tuple[int, Key]] = []
    for run, keys in wanted.items():
        ids = found.setdefault(run, _known.get(run, {}))
        if fresh := [key for key in dict.fromkeys(keys) if key not in ids]:
            new += [(run, key) for key in _with_room(run, fresh, found)]
    created = _create(sorted(new))
    return {run: {**ids, **created[run]} if run in created else ids for run, ids in found.items()}


def _with_room(run: int, fresh: list[Key], found: dict[int, dict[Key, int]]) -> list[Key]:
    """Those of the new keys that the run still has room for. Another process may have created some meanwhile."""
    most = bounds.RUN_SERIES.most
    if len(found[run]) + len(fresh) <= most or run in _full:
        return [] if run in _full else fresh
    found |= _read([run])
    if len(found[run]) >= most:
        transaction.on_commit(partial(_full.add, run))
    return [key for key in fresh if key not in found[run]][: max(0, most - len(found[run]))]


def forget() -> None:
    """Forget all ids: for code that gives a running process another database, or older rows."""
    with _lock:
        _known.clear()
        _full.clear()


def _read(runs: list[int]) -> dict[int, dict[Key, int]]:
    if not runs:
        return {}
    found: dict[int, dict[Key, int]] = {run: {} for run in runs}
    rows = Series.objects.filter(run_id__in=runs).order_by("id")[: bounds.RUN_SERIES.most * len(runs)]
    for run, pk, *key in rows.values_list("run_id", "pk", "component", "name", "component_kind", "unit"):
        found[run][key[0], key[1], key[2], key[3]] = pk
    _keep_when_committed(found)
    return found


def _create(new: list[tuple[int, Key]]) -> dict[int, dict[Key, int]]:
    """The rows are sorted, so that two processes lock them in the same order. An existing row is updated to its own
    values, since only then does the statement return its id."""
    if not new:
        return {}
    names = ("component", "name", "component_kind", "unit")
    rows = [Series(run_id=run, **dict(zip(names, key, strict=True))) for run, key in new]
    Series.objects.bulk_create(rows, update_conflicts=True, unique_fields=["run", *names], update_fields=["unit"])
    found: dict[int, dict[Key, int]] = {}
    for (run, key), row in zip(new, rows, strict=True):
        found.setdefault(run, {})[key] = row.pk
    _keep_when_committed(found)
    return found


def _keep_when_committed(found: dict[int, dict[Key, int]]) -> None:
    transaction.on_commit(partial(_keep, {run: dict(ids) for run, ids in found.items()}))


def _keep(found: dict[int, dict[Key, int]]) -> None:
    with _lock:
        for run, ids in found.items():
            _known[run] = {**_known.get(run, {}), **ids}
        while _known and sum(map(len, _known.values())) > MOST_KEPT:
            del _known[next(iter(_known))]


def _forget_another_database() -> None:
    global _database
    settings = connection.settings_dict
    now = (settings["NAME"], settings["HOST"], settings["PORT"])
    if now != _database:
        forget()
        _database = now
