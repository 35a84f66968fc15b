"""What must be true after a campaign: the invariants of the data, and that what agents were answered is there once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import close_old_connections

from runs import invariants
from runs.files import logs as logfiles
from runs.machine import ENDED, State
from runs.measurements import reading
from runs.models import Outcome, Run, Verdict
from vetting.doctor import INVARIANTS

# Those of doctor that say that something takes too long.
LATE = frozenset({*(one.name for one in invariants.waiting.ALL), "messages_are_taken_up"})
NOT_AT_ITS_END = "has not come to its end"


def violations(journals: list[Path], bad: set[int], lost: set[int], *, bounded: bool) -> list[str]:
    """`bad` are the hosts (by pk) that have a bad disk, `lost` those that booted anew by themselves."""
    meant = [one for one in INVARIANTS if bounded or one.name not in LATE]
    said = [_sentence(one) for one in invariants.check(invariants=meant)]
    for journal in journals:
        said += _of_machine(_read(journal))
    for run in Run.objects.select_related("host").order_by("id"):
        if bounded and not (run.state in ENDED or run.state == State.FAILED):
            said.append(f"run {run.pk}: {NOT_AT_ITS_END}, it is in {run.state}")
        said += _of_run(run, run.host_id in bad, bounded and run.host_id not in lost)
    return said


def is_late(said: str) -> bool:
    """Whether it is about what has not happened yet, not about what has happened."""
    return NOT_AT_ITS_END in said or said.partition(":")[0] in LATE


def all_over(on: set[int]) -> bool:
    """Whether every run has come to its end; one that is failed and not held is over too, once its host (by pk) is not
    on any more: its agent would still hold."""
    close_old_connections()
    going_on = Run.objects.exclude(state__in=ENDED)
    return not going_on.exclude(state=State.FAILED).exists() and not going_on.filter(host__in=on).exists()


def _sentence(violation: Any) -> str:
    return f"{violation.invariant}: run {violation.run}: {violation.what}"


def _read(journal: Path) -> list[dict[str, Any]]:
    """A last line that was cut by a kill was not answered to anybody who knows of it."""
    entries = []
    for line in journal.read_text().splitlines() if journal.exists() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def _of_machine(entries: list[dict[str, Any]]) -> Iterator[str]:
    for run in {entry["run"] for entry in entries}:
        mine = [entry for entry in entries if entry["run"] == run]
        yield from _lines(run, [entry["body"] for entry in mine if entry["call"] == "log"])
        yield from _numbers(run, [entry["body"] for entry in mine if entry["call"] == "sensor"])
        yield from _results(run, [entry["body"] for entry in mine if entry["call"] == "result"])


def _lines(run: int, batches: list[dict[str, Any]]) -> Iterator[str]:
    path = logfiles.path(run)
    text = path.read_text() if path.exists() else ""
    kept = Counter(line.rsplit(maxsplit=1)[-1] for line in text.splitlines() if " line " in line)
    words = {line["text"].split()[-1] for batch in batches for line in batch["lines"] if line["text"][:5] == "line "}
    if lost := words - kept.keys():
        yield f"run {run}: {len(lost)} lines of the log were answered and are not there, such as {min(lost)}"
    if doubled := [word for word, count in kept.items() if count > 1]:
        yield f"run {run}: {len(doubled)} lines of the log are there twice, such as {doubled[0]}"


def _numbers(run: int, batches: list[dict[str, Any]]) -> Iterator[str]:
    kept = Counter(one.value for one in reading.every(run))
    sent = {one["value"] for batch in batches for one in batch["measurements"]}
    if lost := sent - kept.keys():
        yield f"run {run}: {len(lost)} measurements were answered and are not there"
    if doubled := [value for value, count in kept.items() if count > 1]:
        yield f"run {run}: {len(doubled)} measurements are there twice"


def _results(run: int, results: list[dict[str, Any]]) -> Iterator[str]:
    rows = {(row.name, row.attempt): row for row in Run.objects.get(pk=run).stage_runs.all()}
    for result in results:
        row = rows.get((result["stage"], result["attempt"]))
        what = f"run {run}: the result of {result['stage']} attempt {result['attempt']} was answered"
        if row is None or row.outcome == Outcome.RUNNING:
            yield f"{what} and is not there"
        elif result["findings"] and not row.findings.exists():
            yield f"{what} and its findings are not there"


def _of_run(run: Run, is_bad: bool, undisturbed: bool) -> Iterator[str]:
    """A bad host never passes; a good one does not fail where the faults were ours and ended."""
    if is_bad and run.verdict == Verdict.PASSED:
        yield f"run {run.pk}: a host with a bad disk has passed"
    if undisturbed and not is_bad and run.verdict == Verdict.FAILED:
        yield f"run {run.pk}: a good host has failed: {run.stopped_by}"
    for name, count in Counter(run.findings.values_list("code", flat=True)).items():
        if name == "smart.pending_sectors" and count > run.stage_runs.filter(name="SMART").count():
            yield f"run {run.pk}: {count} findings {name} of fewer attempts"
