"""A file of hosts, imported from the command line: read, checked as a whole, then written in short transactions.

If one row is wrong, nothing is written. The writing itself is not one transaction: with 15,000 hosts it would block
every agent's calls meanwhile. To complete an import that was interrupted, import the same file again: hosts that
already match the file are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tablib
from import_export.results import Result, RowResult

from hosts import bulk, file_errors, formats, yamllines
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
    totals = result.totals
    return Plan(
        resource.changed,
        resource.columns,
        totals[RowResult.IMPORT_TYPE_NEW],
        totals[RowResult.IMPORT_TYPE_UPDATE],
        totals[RowResult.IMPORT_TYPE_SKIP],
    )


def write(wanted: Plan, busy: Callable[[], Mapping[str, str]]) -> Iterator[int]:
    """Write batch by batch; yields how many hosts are written so far. After each batch it waits as long as the batch
    took, so that others can write too. Raises bulk.Changed; batches that were yielded before stay written."""
    written = 0
    for batch in bulk.batches(wanted.hosts):
        started = time.monotonic()
        bulk.write(batch, wanted.columns, busy)
        written += len(batch)
        yield written
        if written < len(wanted.hosts):
            time.sleep(min(time.monotonic() - started, _PAUSE_MOST_S))
