"""Adopting what a run found as what its host is expected to be: one difference, or everything."""

from __future__ import annotations

import difflib
from typing import Any

from django.utils import timezone

from agent.contract import codec, wire
from hosts import adoption, expectations
from hosts.models import Host
from runs.judging import specdiff
from runs.machine import HELD, LIVE, State
from runs.models import Actor, Run, SpecDiff, StageRun
from runs.querysets import STAGE_DOCUMENTS
from runs.transition import Refused, locked, write_event


def shown(run: Run) -> list[SpecDiff]:
    """The differences that stand: those of the newest comparison, and what an earlier one had that was adopted."""
    documents = (f"stage_run__{name}" for name in STAGE_DOCUMENTS)
    rows = list(run.spec_diffs.select_related("stage_run").defer(*documents))
    newest = max((row.stage_run.attempt for row in rows), default=0)
    compared = max((stage.attempt for stage in run.stage_runs.all() if _is_comparison(stage)), default=newest)
    return [row for row in rows if row.adopted_at or row.stage_run.attempt == compared]


def still_open(run: Run) -> list[SpecDiff]:
    """The differences that can be adopted."""
    return [row for row in shown(run) if row.adopted_at is None] if run.inventory is not None else []


def lacks_spec(run: Run) -> bool:
    """Nothing was compared for want of an expected spec that names a part, there is none yet, and what was found could
    be one."""
    return run.inventory is not None and not any(map(expectations.names_parts, (run.expected, run.host.expected)))


def why_not(run: Run, path: str = "") -> str:
    """Why this difference (all that was found, without a path) can't be adopted, in a sentence; empty where it can."""
    if run.inventory is None:
        return f"Run {run.pk} of {run.host} has found nothing yet: there is nothing to adopt."
    if path and path not in [row.path for row in still_open(run)]:
        return f"Run {run.pk} has no difference at {path[:100]!r} that is still open: look at the list again."
    if not path and not still_open(run) and not lacks_spec(run):
        return f"Nothing that run {run.pk} found differs from what {run.host} is expected to be: nothing to adopt."
    return ""


def against(spec: dict[str, Any], run: Run) -> list[specdiff.Difference]:
    """How what this run found differs from a spec, which may be one that somebody is still writing."""
    return specdiff.compare(spec, codec.decode(wire.Inventory, run.inventory))


def preview(run: Run, path: str = "") -> list[str]:
    """What would change in the host's spec, as lines of a unified diff of its YAML."""
    before = run.host.expected
    texts = [expectations.to_yaml(spec).splitlines() for spec in (before, _changed(run, before, path))]
    return list(difflib.unified_diff(*texts, lineterm="", n=2))[2:]


def adopt(run: Run, path: str = "", who: str = "") -> None:
    """Take over the difference at `path`; without one every open difference, or all that was found for a host without
    a spec. One transaction.

    1. The host's spec as it is now is changed; other differences stay.
    2. A run that is still live or held is judged by the new spec from now on: its next SpecValidate sees it.
    3. Permission to write is never given. It goes where its disk has left the spec; which disks this run may write
       was frozen when it was queued and stays so.

    Raises Refused for a run without an inventory, a path that is no difference of it, and where nothing is open.
    """
    with locked(run.pk) as run:
        if run.inventory is None:
            raise Refused(f"run {run.pk} has found nothing yet: there is nothing to adopt")
        host = Host.objects.get(pk=run.host_id)
        host.expected = _changed(run, host.expected, path)
        host.save(update_fields=["expected", "updated_at"])
        host.withdraw_permissions()
        if run.state in LIVE | HELD:
            run.expected = _changed(run, run.expected, path)
            run.save(update_fields=["expected"])
        _differences(run, path).update(adopted_at=timezone.now())
        write_event(run, "adopted", actor=Actor.OPERATOR, who=who, text=path or "everything that was found")


def _is_comparison(stage: StageRun) -> bool:
    return stage.name == State.SPEC_VALIDATE and bool(stage.outcome)


def _changed(run: Run, expected: dict[str, Any] | None, path: str) -> dict[str, Any]:
    try:
        return _adopted(run, expected, path)
    except expectations.ExpectationError as error:
        raise Refused(f"what run {run.pk} found can't stand in a spec: {error}") from None


def _adopted(run: Run, expected: dict[str, Any] | None, path: str) -> dict[str, Any]:
    if path:
        difference = _differences(run, path).last()
        if difference is None:
            raise Refused(f"run {run.pk} has no difference at {path[:100]!r}: look at the list again")
        return adoption.adopt(expected, path, difference.actual, run.inventory)
    differences = [(row.path, row.actual) for row in still_open(run)]
    if expectations.names_parts(expected) and not differences:
        raise Refused(f"nothing that run {run.pk} found differs from what {run.host} is expected to be")
    return adoption.adopt_all(expected, differences, run.inventory)


def _differences(run: Run, path: str) -> Any:
    rows = SpecDiff.objects.filter(run=run)
    return rows.filter(path=path) if path else rows
