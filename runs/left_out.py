"""What a run's agent sent beyond the bounds. Rows count what was left out; a file keeps the whole result."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F, Sum, TextField
from django.db.models.functions import Cast, Length

from agent.contract import wire
from hosts import bounds
from runs.files import atomic, storage
from runs.models import Artifact, Finding, LeftOut, Run, StageRun
from runs.received import Cut, Room

# Kind → bound, and its name in a sentence.
_WORDS: dict[str, tuple[bounds.Bound, str]] = {
    "findings": (bounds.FINDINGS, "findings"),
    "checks": (bounds.CHECKS, "checks"),
    "numbers": (bounds.NUMBERS, "key numbers"),
    "counters": (bounds.COUNTERS, "error counters"),
    "refusals": (bounds.REFUSALS, "refused disks"),
    "signatures": (bounds.SIGNATURES, "things found on a disk"),
    "evidence": (bounds.EVIDENCE, "pieces of evidence"),
    "inventory": (bounds.INVENTORY, "inventory"),
    "texts": (bounds.SENTENCE, "texts"),
    "figures": (bounds.FIGURE, "figures"),
    "differences": (bounds.DIFFERENCES, "differences to the expected spec"),
    "log lines": (bounds.RUN_LOG, "log lines"),
    "measurements": (bounds.RUN_MEASUREMENTS, "measurements"),
    "curves": (bounds.RUN_SERIES, "measurements"),
}
_SHORTENED = frozenset({"texts", "evidence"})


def room(run_id: int) -> Room:
    """How much more this run may store. Read before the transaction, since only the run's own agent adds to it."""
    findings = bounds.RUN_FINDINGS.most - Finding.objects.filter(run_id=run_id).count()
    size = Sum(Length(Cast("evidence", TextField())))
    held = StageRun.objects.filter(run_id=run_id).aggregate(size=size)["size"] or 0
    return Room(
        findings=max(bounds.LEAST_FINDINGS.most, min(bounds.FINDINGS.most, findings)),
        evidence=max(bounds.EVIDENCE_TEXT.most, min(bounds.EVIDENCE.most, bounds.RUN_EVIDENCE.most - held)),
    )


def whole_name(message: wire.Result) -> str:
    return f"result-{message.stage}-{message.attempt}.json"


def write_whole(run_id: int, name: str, data: bytes) -> None:
    """Write the whole result to a file, before the row that names it is committed. So an answered result is on the
    disk. Raises OSError."""
    storage.is_there()
    directory = settings.RUNS_DIR / str(run_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    atomic.write(directory / name, data, mode=0o640, sync=True)


def list_whole(run: Run, name: str) -> None:
    """List the file among the run's artifacts, in the caller's transaction."""
    size = (settings.RUNS_DIR / str(run.pk) / name).stat().st_size
    Artifact.objects.update_or_create(run=run, name=name, defaults={"path": f"{run.pk}/{name}", "size": size})


def note(run: Run, cut: Cut, stage_run: StageRun | None = None, whole: str = "") -> None:
    """Count what was cut, one row per kind, in the caller's transaction."""
    for what, count in cut.left_out.items():
        count_more(run, what, count, stage_run, whole)


def count_beyond_curves(left: dict[int, int]) -> None:
    """`left` is what `measurements.store` returns."""
    for run in Run.objects.only("pk").filter(pk__in=left) if left else ():
        count_more(run, "curves", left[run.pk])


def count_more(run: Run, what: str, count: int, stage_run: StageRun | None = None, whole: str = "") -> bool:
    """Add `count` to the row of this kind. True if it is the first time."""
    row, new = LeftOut.objects.get_or_create(
        run=run, stage_run=stage_run, what=what, defaults={"count": count, "whole": whole}
    )
    if not new:
        LeftOut.objects.filter(pk=row.pk).update(count=F("count") + count, whole=whole or row.whole)
    return new


def document(run: Run) -> list[dict[str, Any]]:
    """What was left out of this run, as the report lists it."""
    rows = run.left_out.values("what", "count", "whole", "stage_run__name", "stage_run__attempt").order_by("id")
    return [
        {
            "stage": row["stage_run__name"] or "",
            "attempt": row["stage_run__attempt"],
            "what": row["what"],
            "count": row["count"],
            "words": words(row["what"], row["count"]),
            "file": row["whole"],
        }
        for row in rows
    ]


def words(what: str, count: int) -> str:
    """A sentence such as `16,900 more findings were sent than are kept`."""
    bound, name = _WORDS.get(what, (bounds.ITEMS, what))
    if what == "inventory":
        return f"the inventory was larger than {bound.most:,} characters and was not taken"
    were = "was" if count == 1 else "were"
    if what == "figures":
        return f"{count:,} {name} {were} out of range and set to {bound.most:.0e}"
    if what == "curves":
        return f"{count:,} {name} of more than {bound.most:,} curves {were} not kept"
    if what in _SHORTENED:
        return f"{count:,} {name} {were} shortened"
    return f"{count:,} more {name} {were} sent than are kept"
