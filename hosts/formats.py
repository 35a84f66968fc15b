"""The file formats of an inventory: CSV, and YAML as people type it."""

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
from hosts.command_line import command

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet would take for a formula, or that was made harmless."""

MAX_PAGE_BYTES = 4 * 2**20
MAX_PAGE_ROWS = 10_000
"""Size of a file that a page reads. How many hosts it imports at once is another bound."""


class HostsCsv(base_formats.CSV):
    """CSV that is safe to open in a spreadsheet. A spreadsheet evaluates a cell that begins with `=`, `+`, `-` or `@`,
    which can send the file's contents elsewhere. An apostrophe before it makes the cell text; the import removes it
    again."""

    def get_title(self) -> str:
        return "csv"

    def _text(self, in_stream: str | bytes) -> str:
        return in_stream.decode(self.encoding or "utf-8") if isinstance(in_stream, bytes) else in_stream

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        harmless = tablib.Dataset(*([as_text(cell) for cell in row] for row in dataset), headers=dataset.headers)
        text: str = super().export_data(harmless, **kwargs)
        return text

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        text = self._text(in_stream)
        if "\0" in text:  # no column of PostgreSQL takes one
            raise ValueError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1} has a NUL byte: save it as UTF-8")
        dataset = super().create_dataset(text, **kwargs)
        return tablib.Dataset(*([_as_meant(cell) for cell in row] for row in dataset), headers=dataset.headers)


class PageCsv(HostsCsv):
    """CSV that a page imports. Bounds the lines too: two million lines fit into the allowed size and would need a
    gigabyte of memory."""

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        text = self._text(in_stream)
        if next(islice(csv.reader(StringIO(text)), MAX_PAGE_ROWS, None), None) is not None:
            instead = command("hosts import FILE")
            raise ValueError(f"it has more than {MAX_PAGE_ROWS:,} rows: on the server `{instead}` takes any number")
        return super().create_dataset(text, **kwargs)


def as_text(cell: Any) -> Any:
    """The cell's text, made harmless if a spreadsheet would take it for a formula."""
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
    """YAML for the command, which may take longer than a request."""

    max_bytes = 64 * 1024 * 1024


def _cell(host: yamllines.Document, key: str) -> Any:
    """A spec keeps its line numbers in the file, for the errors of its check."""
    value = host.data.get(key)
    return host.part((key,)) if key == "expected" and value is not None else value


def _structured(key: str, value: Any) -> Any:
    """A cell of the flat table as a YAML value."""
    if key == "macs":
        return str(value).split()
    if key in ("expected", "wake_options"):
        return json.loads(value) if value else None
    if key == "compared_since":
        return value or None
    return value == "true" if key == "enabled" else value


FORMATS = (PageCsv, HostsYaml)
YAML_CHOICE = str(FORMATS.index(HostsYaml))
