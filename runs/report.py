"""The report of a run: a page and a JSON document, written whenever a run ends or begins to hold."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from django.conf import settings
from django.db.models import Max
from django.template.loader import render_to_string
from django.utils import timezone

from runs import atomic
from runs.models import Artifact, Run
from runs.report_document import Document, document

log = logging.getLogger(__name__)

HTML_NAME, JSON_NAME = "report.html", "report.json"
PER_TICK = 2  # some 50 ms each, a 40 h soak run with its 2 million measurements about a second
AGAIN_AFTER_S = 60.0

_not_before: dict[int, float] = {}


def tick() -> None:
    """Write the reports that are due. Two workers can run this at once:

    1. both write the same two files, each put in place whole by a rename, and the same two rows;
    2. the mark is taken off only where no event came in since the report was begun: a run that has moved on
       meanwhile, and one whose late result was kept, stays due.
    """
    due = Run.objects.filter(report_due=True).select_related("host").order_by("id")
    waiting = [run_id for run_id, when in _not_before.items() if when > time.monotonic()]
    for run in due.exclude(pk__in=waiting)[:PER_TICK]:
        _write_due(run)


def _write_due(run: Run) -> None:
    told = run.events.aggregate(newest=Max("id"))["newest"] or 0
    try:
        write(run)
    except Exception:
        # A full disk, or a row that nobody foresaw: the others still get theirs, this one is tried again.
        log.exception("run %s host %s: report not written, next try in %g s", run.pk, run.host, AGAIN_AFTER_S)
        _not_before[run.pk] = time.monotonic() + AGAIN_AFTER_S
        return
    _not_before.pop(run.pk, None)
    as_told = Run.objects.filter(pk=run.pk, report_due=True).exclude(events__id__gt=told)
    as_told.update(report_due=False, report_at=timezone.now())


def write(run: Run) -> list[Path]:
    """Put both files into the run's directory and list them as artifacts. Raises OSError."""
    content = document(run)
    texts = {JSON_NAME: to_json(content), HTML_NAME: to_html(content)}
    paths = [_put(run, name, text.encode()) for name, text in texts.items()]
    log.info("run %s host %s: report written, verdict %s", run.pk, run.host, run.verdict or "none")
    return paths


def to_json(content: Document) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_html(content: Document) -> str:
    """One page that needs no other file: to print, to mail, to keep."""
    return render_to_string("runs/report.html", {"report": content})


def _put(run: Run, name: str, data: bytes) -> Path:
    """`Artifact.path` is relative to RUNS_DIR."""
    path = settings.RUNS_DIR / str(run.pk) / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    atomic.write(path, data, mode=0o640, sync=True)
    fields = {"path": f"{run.pk}/{name}", "size": len(data), "created_at": timezone.now()}
    Artifact.objects.update_or_create(run=run, name=name, defaults=fields)
    return path
