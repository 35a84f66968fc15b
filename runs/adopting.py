"""Take over what a run found into the host's expected spec: one difference, or everything."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agent.contract import codec, wire
from hosts import adoption, expectations, found_parts, hidden_drives, ports, seen_memory
from hosts.models import Host, HostMac
from runs import lacking
from runs.judging import specdiff
from runs.machine import HELD, LIVE, State
from runs.models import Actor, Run, SpecDiff, StageRun
from runs.querysets import STAGE_DOCUMENTS
from runs.transition import Refused, locked, write_event
from runs.wording import naming

_EVERYTHING = "everything that was found"


@dataclass(frozen=True)
class _Notes:
    """What adopting does that a person should look at. `hidden_memory` is what the kernel sees and what is installed,
    in MiB; `spare` and `entered` are MACs. `driverless` are network cards that no driver took, `hiding` storage
    controllers whose drives are hidden. `left_out` are kinds of part that could not be read, with a sentence about
    each."""

    hidden_memory: tuple[int, int] | None
    spare: list[str]
    entered: list[str]
    driverless: list[str]
    hiding: list[str]
    left_out: dict[str, str]

    def in_words(self, run: Run) -> list[str]:
        inventory = run.inventory or {}
        return [
            *seen_memory.in_words(self.hidden_memory),
            *ports.spare_in_words(self.spare, inventory, run.pk),
            *ports.entered_in_words(self.entered, inventory),
            *ports.driverless_in_words(self.driverless, run.pk),
            *hidden_drives.in_words(self.hiding, run.pk),
            *self.left_out.values(),
        ]

    def in_short(self, *, is_whole: bool) -> list[str]:
        """For the event. A single difference that was adopted names its port or its memory itself."""
        told = []
        if self.hidden_memory and is_whole:
            told.append("expecting {} of {} MiB of memory, as the kernel sees it".format(*self.hidden_memory))
        if self.spare and is_whole:
            told.append(f"spare, without a link: {', '.join(self.spare)}")
        if self.entered:
            told.append(f"entered as MACs of the host: {', '.join(self.entered)}")
        if self.driverless:
            told.append(f"network cards without a driver: {', '.join(self.driverless)}")
        if self.hiding:
            told.append(f"storage controllers with hidden drives: {', '.join(self.hiding)}")
        if self.left_out:
            told.append(f"left out, since they could not be read: {', '.join(self.left_out)}")
        return told


def shown(run: Run) -> list[SpecDiff]:
    """The differences of the newest comparison, and those of earlier ones that were adopted."""
    documents = (f"stage_run__{name}" for name in STAGE_DOCUMENTS)
    rows = list(run.spec_diffs.select_related("stage_run").defer(*documents))
    newest = max((row.stage_run.attempt for row in rows), default=0)
    compared = max((stage.attempt for stage in run.stage_runs.all() if _is_comparison(stage)), default=newest)
    return [row for row in rows if row.adopted_at or row.stage_run.attempt == compared]


def still_open(run: Run) -> list[SpecDiff]:
    """The differences that can be adopted."""
    return [row for row in shown(run) if row.adopted_at is None] if run.inventory is not None else []


def lacks_spec(run: Run) -> bool:
    """Whether neither run nor host has an expected spec that names a part, and the inventory can become one."""
    return run.inventory is not None and not any(map(expectations.names_parts, (run.expected, run.host.expected)))


def why_not(run: Run, path: str = "") -> str:
    """Why the difference at `path` can't be adopted, in a sentence; empty if it can. Without a path: everything."""
    if run.inventory is None:
        return f"Run {run.pk} of {run.host} has found nothing yet: there is nothing to adopt."
    if path and path not in [row.path for row in still_open(run)]:
        return f"Run {run.pk} has no difference at {path[:100]!r} that is still open: look at the list again."
    if not path and not still_open(run) and not lacks_spec(run):
        return f"Nothing that run {run.pk} found differs from what {run.host} is expected to be: nothing to adopt."
    return ""


def is_changed_since(run: Run) -> bool:
    """Whether somebody has adopted into the run's own spec after it was compared: the run was not judged by this spec.
    (Adopting after the end of a run changes only the host's.)"""
    compared = [stage.ended_at for stage in run.stage_runs.all() if _is_comparison(stage) and stage.ended_at]
    changed = run.events.filter(kind="adopted", state_after__in=LIVE | HELD)
    return (changed.filter(at__gt=max(compared)) if compared else changed).exists()


def against(spec: dict[str, Any], run: Run) -> list[specdiff.Difference]:
    """The differences between a spec, which may still be in an editor, and this run's inventory."""
    return specdiff.compare(spec, codec.decode(wire.Inventory, run.inventory))


def preview(run: Run, path: str = "", has_no: Iterable[str] = ()) -> list[str]:
    """What would change in the host's spec, as lines of a unified diff of its YAML."""
    before = run.host.expected
    return changed_lines(before, lacking.with_topics(_changed(run, before, path), has_no))


def preview_of_lack(run: Run, topics: Iterable[str]) -> list[str]:
    """What `say_not_there` would change, in the same form."""
    return changed_lines(run.host.expected, lacking.with_topics(run.host.expected, topics))


def changed_lines(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """The lines of a unified diff of two specs as YAML, without its head."""
    old, new = (expectations.to_yaml(spec).splitlines() for spec in (before, after))
    return list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]


def proposal(run: Run) -> dict[str, Any]:
    """The spec that adopting everything would make, for a host whose spec names no part."""
    return _changed(run, run.host.expected, "")


def notes(run: Run, path: str = "") -> list[str]:
    """What adopting would do that a person should look at, one sentence each: expect less memory than is installed,
    make ports spare, enter the MACs of ports with the host, list network cards that no driver took and storage
    controllers whose drives are hidden, leave out what could not be read."""
    return _notes(run, run.host.expected, _changed(run, run.host.expected, path)).in_words(run)


def adopt(run: Run, path: str = "", who: str = "", has_no: Sequence[str] = ()) -> list[str]:
    """Adopt the difference at `path`. Without a path, adopt every open difference, or the whole inventory for a host
    without a spec. `has_no` are topics of which the host has none: they are not expected from now on. One transaction.

    1. Change the host's spec as it is now. Other differences stay.
    2. If the run is live or held, change its frozen spec too: its next SpecValidate uses it.
    3. Enter the MACs of ports that have a link and that no host has: only such ports get an address.
    4. Never give permission to write. A disk that leaves the spec loses its permission. Which disks this run may write
       was frozen when it was queued and does not change.

    Returns a sentence if less memory is expected than is installed, for each port that is spare from now on, since it
    had no link, for each MAC that was entered, for each network card without a driver and each storage controller with
    hidden drives that was listed, and for each kind of part that was left out. Raises Refused if the run has no
    inventory, has no difference at `path`, or has nothing open.
    """
    with locked(run.pk) as run:
        host = Host.objects.get(pk=run.host_id)
        before, host.expected = host.expected, lacking.with_topics(_changed(run, host.expected, path), has_no)
        assert host.expected is not None, "something was adopted"
        host.save(update_fields=["expected", "updated_at"])
        host.withdraw_permissions()
        added = _change_runs_own(run, lambda spec: lacking.with_topics(_changed(run, spec, path), has_no))
        _differences(run, path).update(adopted_at=timezone.now())
        noted = _notes(run, before, host.expected)
        HostMac.objects.bulk_create([HostMac(host=host, mac=mac) for mac in noted.entered], ignore_conflicts=True)
        text = "; ".join([path or _EVERYTHING, *_not_there(has_no), *noted.in_short(is_whole=not path)])
        write_event(run, "adopted", actor=Actor.OPERATOR, who=who, text=text, data=added)
        return noted.in_words(run)


def say_not_there(run: Run, topics: Sequence[str], who: str = "") -> None:
    """Expect none of these on the host from now on, since the run found no sensor or part of them. A run that is live
    or held is judged by it from its next stage on. Raises Refused for no topic at all."""
    if not topics:
        raise Refused("nothing was ticked: nothing is changed")
    with locked(run.pk) as run:
        host = Host.objects.get(pk=run.host_id)
        host.expected = lacking.with_topics(host.expected, topics)
        host.save(update_fields=["expected", "updated_at"])
        added = _change_runs_own(run, lambda spec: lacking.with_topics(spec, topics))
        write_event(run, "adopted", actor=Actor.OPERATOR, who=who, text="; ".join(_not_there(topics)), data=added)


def _change_runs_own(run: Run, change: Callable[[dict[str, Any] | None], dict[str, Any] | None]) -> dict[str, Any]:
    """Change the spec of a run that is live or held. Returns the data of the event: the topics that are not expected
    from now on, and were until now."""
    if run.state not in LIVE | HELD:
        return {}
    before, run.expected = run.expected, change(run.expected)
    run.save(update_fields=["expected"])
    said, known = ((spec or {}).get("not_expected") or [] for spec in (run.expected, before))
    return {"not_expected": added} if (added := [topic for topic in said if topic not in known]) else {}


def _not_there(topics: Iterable[str]) -> list[str]:
    words = ", ".join(map(naming.topic_in_words, topics))
    return [f"not expected from now on: {words}"] if words else []


def _unknown(macs: list[str]) -> list[str]:
    """The MACs among `macs` that no host has."""
    known = set(HostMac.objects.filter(mac__in=macs).values_list("mac", flat=True))
    return [mac for mac in macs if mac not in known]


def _unread(run: Run) -> dict[str, str]:
    return found_parts.unread(run.inventory) if run.inventory else {}


def _notes(run: Run, before: dict[str, Any] | None, after: dict[str, Any]) -> _Notes:
    memory = (run.inventory or {}).get("memory") or {}
    return _Notes(
        hidden_memory=seen_memory.newly_hidden(before, after, memory),
        spare=ports.marked_spare(before, after),
        entered=_unknown(ports.newly_cabled(before, after)),
        driverless=ports.newly_without_driver(before, after, run.inventory or {}),
        hiding=hidden_drives.newly_listed(before, after, run.inventory or {}),
        left_out={} if expectations.names_parts(before) else _unread(run),
    )


def _is_comparison(stage: StageRun) -> bool:
    return stage.name == State.SPEC_VALIDATE and bool(stage.outcome)


def _changed(run: Run, expected: dict[str, Any] | None, path: str) -> dict[str, Any]:
    try:
        return _adopted(run, expected, path)
    except expectations.ExpectationError as error:
        raise Refused(f"what run {run.pk} found can't stand in a spec: {error}") from None


def _adopted(run: Run, expected: dict[str, Any] | None, path: str) -> dict[str, Any]:
    if run.inventory is None:
        raise Refused(f"run {run.pk} has found nothing yet: there is nothing to adopt")
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
