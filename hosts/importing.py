"""A file of hosts, imported from the command line: read, checked as a whole, then written in short transactions.

If one row is wrong, nothing is written. The writing itself is not one transaction: with 15,000 hosts it would block
every agent's calls meanwhile. To complete an import that was interrupted, import the same file again: hosts that
already match the file are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tablib
from django.db import transaction
from import_export.results import Result, RowResult

from hosts import bulk, changes, file_errors, formats, history, yamllines
from hosts.models import Host
from hosts.resources import HostResource, problems

_PAUSE_MOST_S = 1.0


class ImportRefused(Exception):
    """The file is not imported; `reasons` say why, a line each."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons[:3]))
        self.reasons = reasons


@dataclass(frozen=True)
class Plan:
    """What a file would do. `hosts` are those that it creates or changes."""

    hosts: list[Host]
    columns: tuple[str, ...]
    new: int
    changed: int
    same: int
    told: Mapping[str, changes.Told] = field(default_factory=dict)
    """By name, what changes in each host."""


def read(path: Path, kind: str) -> tablib.Dataset:
    """Raises ImportRefused for a file that is not of this kind: csv or yaml."""
    reader = formats.HostsCsv(encoding="utf-8-sig") if kind == "csv" else formats.LargeHostsYaml(encoding="utf-8-sig")
    try:
        data = path.read_bytes().decode("utf-8-sig")
        return reader.create_dataset(data)
    except OSError as error:
        raise ImportRefused(file_errors.in_words(error, path)) from None
    except (yamllines.YamlError, UnicodeDecodeError, tablib.InvalidDimensions) as error:
        raise ImportRefused(f"{path} can't be read: {error}") from None


def plan(dataset: tablib.Dataset, busy: Callable[[], Mapping[str, str]], profiles: Collection[str]) -> Plan:
    """Reads the database, writes nothing. Raises ImportRefused with every fault of the file."""
    resource = HostResource(busy=busy, profiles=profiles)
    result: Result = resource.check(dataset)
    if wrong := problems(result):
        raise ImportRefused(*wrong)
    totals, changing = result.totals, (RowResult.IMPORT_TYPE_NEW, RowResult.IMPORT_TYPE_UPDATE)
    told = {row.diff.host.name: row.diff for row in result.rows if row.import_type in changing}
    return Plan(
        resource.changed,
        resource.columns,
        totals[RowResult.IMPORT_TYPE_NEW],
        totals[RowResult.IMPORT_TYPE_UPDATE],
        totals[RowResult.IMPORT_TYPE_SKIP],
        told,
    )


def write(wanted: Plan, busy: Callable[[], Mapping[str, str]], how: str = "Changed by a command") -> Iterator[int]:
    """Write batch by batch, each with its lines in the hosts' history, which begin with `how`; yields how many hosts
    are written so far. After each batch it waits as long as the batch took, so that others can write too. Raises
    bulk.Changed; batches that were yielded before stay written."""
    account, written = history.closed_account(*history.COMMAND_LINE) if wanted.hosts else None, 0
    for batch in bulk.batches(wanted.hosts):
        started = time.monotonic()
        lines = [_line(wanted.told.get(host.name), how) for host in batch]
        with transaction.atomic():
            bulk.write(batch, wanted.columns, busy)
            history.record(account, batch, lines)
        written += len(batch)
        yield written
        if written < len(wanted.hosts):
            time.sleep(min(time.monotonic() - started, _PAUSE_MOST_S))


def _line(told: changes.Told | None, how: str) -> tuple[bool, str]:
    """Whether the host is new, and its line; the old values are in a backup."""
    is_new = told is not None and told.before.new
    named = ", ".join(told.fields()) if told is not None and not is_new else ""
    return is_new, f"{how}: {named}." if named else f"{how}."
