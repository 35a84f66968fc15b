"""The files that hold an inventory: CSV, and YAML as people type it."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from itertools import islice
from typing import Any

import tablib
import yaml
from import_export.formats import base_formats

from hosts import yamllines

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet takes for a formula, or one that was made harmless."""

MAX_PAGE_BYTES = 4 * 2**20
MAX_PAGE_ROWS = 10_000
"""Of a file that a page reads; how many hosts it then takes at once is another bound."""


class HostsCsv(base_formats.CSV):
    """A spreadsheet calculates a cell that begins with `=`, `+`, `-` or `@`, and can so send what else is in the file
    elsewhere. An apostrophe before it makes it text; the import takes the apostrophe off again."""

    def get_title(self) -> str:
        return "csv"

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        harmless = tablib.Dataset(*([_as_text(cell) for cell in row] for row in dataset), headers=dataset.headers)
        return super().export_data(harmless, **kwargs)

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        dataset = super().create_dataset(in_stream, **kwargs)
        return tablib.Dataset(*([_as_meant(cell) for cell in row] for row in dataset), headers=dataset.headers)


class PageCsv(HostsCsv):
    """What a page imports. Two million lines fit into what it takes, and would be a gigabyte of memory once read."""

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        text = in_stream.decode(self.encoding or "utf-8") if isinstance(in_stream, bytes) else in_stream
        if next(islice(csv.reader(StringIO(text)), MAX_PAGE_ROWS, None), None) is not None:
            raise ValueError(
                f"it has more than {MAX_PAGE_ROWS:,} rows: on the server `vetting hosts import FILE` takes any number"
            )
        return super().create_dataset(text, **kwargs)


def _as_text(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _as_meant(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell) else cell


class HostsYaml(base_formats.TextFormat):
    """A list of hosts, read with the same rules as an expected spec, so that a MAC needs no quotes."""

    max_bytes = yamllines.MAX_BYTES

    CONTENT_TYPE = "text/yaml"
    TABLIB_MODULE = "tablib.formats._yaml"

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        text = in_stream.decode(self.encoding or "utf-8") if isinstance(in_stream, bytes) else in_stream
        document = yamllines.parse(text, "file", self.max_bytes)
        hosts = document.data
        if not isinstance(hosts, list) or not all(isinstance(host, dict) for host in hosts):
            raise yamllines.YamlError("file, line 1: a list of hosts is needed, each beginning with `- name:`")
        headers = list(dict.fromkeys(key for host in hosts for key in host))
        rows = ([_cell(host, key) for key in headers] for host in document.items())
        return tablib.Dataset(*rows, headers=headers)

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        rows = [{key: _structured(key, value) for key, value in row.items()} for row in dataset.dict]
        return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=110)


class LargeHostsYaml(HostsYaml):
    """For the command, which has no request to answer in time."""

    max_bytes = 64 * 1024 * 1024


def _cell(host: yamllines.Document, key: str) -> Any:
    """A spec keeps the lines it has in the file, for what its check says of it."""
    value = host.data.get(key)
    return host.part((key,)) if key == "expected" and value is not None else value


def _structured(key: str, value: Any) -> Any:
    """A cell of the flat table as YAML shows it."""
    if key == "macs":
        return str(value).split()
    if key in ("expected", "wake_options"):
        return json.loads(value) if value else None
    if key == "compared_since":
        return value or None
    return value == "true" if key == "enabled" else value


FORMATS = (PageCsv, HostsYaml)
YAML_CHOICE = str(FORMATS.index(HostsYaml))
