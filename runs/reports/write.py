"""Write the report of a run, a page and a signed JSON document, in a job when a run ends or begins to hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, Max, OuterRef
from django.template.loader import render_to_string
from django.utils import timezone

from runs import jobs, reporting
from runs.database import commits
from runs.files import atomic, storage
from runs.models import Artifact, Job, Run
from runs.reports import page, signing
from runs.reports.document import document
from runs.reports.stage_rows import Document

log = logging.getLogger(__name__)

HTML_NAME, JSON_NAME = "report.html", "report.json"
SIGNATURE_NAME = JSON_NAME + signing.SUFFIX
NAMES = frozenset({HTML_NAME, JSON_NAME, SIGNATURE_NAME})
ASKED_PER_TICK = 20


def tick() -> None:
    """Ask for the reports that are due and have no job (waiting, running or put aside)."""
    for run_id in _due():
        jobs.ask(reporting.WRITE, run_id, run_id=run_id)


@commits.remembered
def _due() -> list[int]:
    has_job = Job.objects.filter(call=reporting.WRITE.call, run=OuterRef("pk"))
    due = Run.objects.filter(~Exists(has_job), report_due=True).order_by("id")
    return list(due.values_list("pk", flat=True)[:ASKED_PER_TICK])


def write_due(run_id: int) -> None:
    """The job. Two workers can run this at once:

    1. both write the same files, each replaced whole by a rename, and the same rows. For a moment, the signature may
       be that of the other one's file;
    2. the report is marked as done only if no event came since it was begun: if the run moved on meanwhile, or a late
       result was kept, the report stays due.
    """
    run = Run.objects.select_related("host").filter(pk=run_id).first()
    if run is None:
        return
    told = run.events.aggregate(newest=Max("id"))["newest"] or 0
    write(run)
    as_told = Run.objects.filter(pk=run.pk, report_due=True).exclude(events__id__gt=told)
    as_told.update(report_due=False, report_at=timezone.now())


def write(run: Run) -> list[Path]:
    """Write the files into the run's directory and list them as artifacts. Raises OSError."""
    content = document(run)
    data = to_json(content).encode()
    files = {JSON_NAME: data, SIGNATURE_NAME: signing.sign(data), HTML_NAME: to_html(content).encode()}
    paths = [_put(run, name, whole) for name, whole in files.items()]
    log.info("run %s host %s: report written, verdict %s", run.pk, run.host, run.verdict or "none")
    return paths


def to_json(content: Document) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_html(content: Document) -> str:
    """One page without other files, to print, mail or keep."""
    return render_to_string("runs/report.html", {"report": page.shown(content)})


def _put(run: Run, name: str, data: bytes) -> Path:
    """`Artifact.path` is relative to RUNS_DIR."""
    storage.is_there()
    path = settings.RUNS_DIR / str(run.pk) / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    atomic.write(path, data, mode=0o640, sync=True)
    fields = {"path": f"{run.pk}/{name}", "size": len(data), "created_at": timezone.now()}
    Artifact.objects.update_or_create(run=run, name=name, defaults=fields)
    return path
