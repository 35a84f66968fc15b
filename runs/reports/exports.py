"""A run in the formats of other programs, one file each. Page and command offer the same ones: those listed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from runs import retention
from runs.models import Artifact, Run
from runs.reports import document, junit, ocp, pack, tables, write
from runs.reports.stage_rows import Document


@dataclass(frozen=True)
class Export:
    """`name` is in the address and ends the file's name. `make` takes the run and its report."""

    name: str
    title: str
    content_type: str
    make: Callable[[Run, Document], bytes]

    def file_name(self, run: Run) -> str:
        return f"vetting-run-{run.pk}-{run.host}-{self.name}"


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _of_report(make: Callable[[Document], bytes]) -> Callable[[Run, Document], bytes]:
    return lambda run, content: make(content)


EXPORTS = (
    Export("rma.zip", "RMA pack for the maker of a part", "application/zip", pack.make),
    Export("junit.xml", "JUnit XML for GitLab and Jenkins", "application/xml", _of_report(junit.make)),
    Export("ocp.jsonl", "OCP diagnostics 2.0, JSON lines", "application/jsonl", _of_report(ocp.make)),
    Export("findings.csv", "Findings as CSV", "text/csv; charset=utf-8", _of_report(tables.findings)),
    Export("parts.csv", "Parts as CSV", "text/csv; charset=utf-8", _of_report(tables.parts)),
    Export("measurements.csv", "Measurements as CSV", "text/csv; charset=utf-8", _of_report(tables.measurements)),
    Export("tables.xlsx", "The three tables as XLSX", _XLSX, _of_report(tables.workbook)),
)
BY_NAME = {export.name: export for export in EXPORTS}


def content_of(run: Run) -> Document:
    """The run's report as it was last written, so that all exports say the same as it; if there is none (any more), as
    it would be written now."""
    row = Artifact.objects.filter(run=run, name=write.JSON_NAME).first()
    path = retention.inside(row.path) if row else None
    try:
        content = json.loads(path.read_bytes()) if path else None
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, dict) else document.document(run)
