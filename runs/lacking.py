"""What a run could not test for want of a sensor or a part, by topic of `not_expected`, and whether the host may be
said to have none of it. Reads only.

A topic is offered if required checks of it were not tested, and no check of it was: then the host has none, or it can't
be read. A check that the bench prevented says nothing about the host. What speaks against it (the inventory, the
expected spec, an earlier run) is the topic's doubt: an operator decides, and nothing is ticked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hosts.expectations import NOT_EXPECTED
from runs.judging import required_checks
from runs.machine import LIVE
from runs.models import Outcome, Run, StageRun
from runs.wording import naming

EARLIER_RUNS = 5
"""How many runs before this one are asked whether they tested it."""
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Untested:
    """A required check: its stage and itself in words, and the reason that the agent gave."""

    stage: str
    check: str
    component: str
    reason: str


@dataclass(frozen=True)
class Lack:
    """A topic of which nothing was tested. `doubt` says what speaks against the host having none; empty if nothing."""

    topic: str
    words: str
    checks: list[Untested]
    doubt: str = ""


def of(run: Run) -> list[Lack]:
    """In the order of the words of `not_expected`; without what the host's spec says already. Nothing while the run is
    live: what was not tested yet may follow."""
    if run.state in LIVE:
        return []
    rows = [row for row in run.stage_runs.all() if row.outcome != Outcome.RUNNING]
    untested: dict[str, list[Untested]] = {}
    for row in {row.name: row for row in rows if row.counts}.values():
        for check in _required_and_untested(run, row):
            stage, words = naming.state_in_words(row.name), naming.in_words(check["name"])
            one = Untested(stage, words, check.get("component", ""), check.get("reason", ""))
            untested.setdefault(check["topic"], []).append(one)
    said = (run.host.expected or {}).get("not_expected") or []
    tested = {check["topic"] for row in rows for check in _with_topic(row.checks) if _was_made(check)}
    topics = [topic for topic in NOT_EXPECTED if topic in untested and topic not in tested and topic not in said]
    earlier = _tested_earlier(run) if topics else {}
    return [
        Lack(topic, NOT_EXPECTED[topic], untested[topic], _doubt(topic, run) or earlier.get(topic, ""))
        for topic in topics
    ]


def _required_and_untested(run: Run, row: StageRun) -> list[Document]:
    required = required_checks.of_stage(row.name, run.profile, run.expected)
    return [
        check
        for check in _with_topic(row.checks)
        if not _was_made(check)
        and not check.get("cause")
        and any(required_checks.is_meant(one, check["name"]) for one in required)
    ]


def _with_topic(checks: Iterable[Document]) -> list[Document]:
    return [check for check in checks if check.get("topic")]


def _was_made(check: Document) -> bool:
    return bool(check["outcome"] != Outcome.NOT_TESTED)


def _tested_earlier(run: Run) -> dict[str, str]:
    """By topic, the newest run before this one that tested it, as a sentence. Runs before the host's `compared_since`
    tested other hardware."""
    before = Run.objects.filter(host=run.host_id, pk__lt=run.pk)
    if run.host.compared_since:
        before = before.filter(created_at__gte=run.host.compared_since)
    newest = list(before.order_by("-pk").values_list("pk", flat=True)[:EARLIER_RUNS])
    found: dict[str, str] = {}
    for pk, checks in StageRun.objects.filter(run__in=newest).order_by("-run").values_list("run", "checks"):
        for check in filter(_was_made, _with_topic(checks)):
            found.setdefault(check["topic"], f"run {pk} has tested it")
    return found


def _doubt(topic: str, run: Run) -> str:
    found, host = _FOUND.get(topic), run.host
    if found and (count := found(run.inventory or {})):
        return f"Inventory has found {count}"
    stated = _STATED.get(topic)
    return "the expected spec lists it" if stated and stated(host.expected or {}) else ""


def _counted(kind: str, one: str, many: str) -> Callable[[Document], str]:
    def counted(inventory: Document) -> str:
        count = len(inventory.get(kind) or [])
        return f"{count} {one if count == 1 else many}" if count else ""

    return counted


def _modules(inventory: Document) -> str:
    return _counted("dimms", "memory module", "memory modules")(inventory.get("memory") or {})


def _drives_with_smart(inventory: Document) -> str:
    """Virtual disks and sticks have no SMART; disks of these buses do."""
    count = sum(disk.get("bus") in ("nvme", "sata", "sas") for disk in inventory.get("disks") or [])
    return f"{count} {'disk' if count == 1 else 'disks'} on NVMe, SATA or SAS" if count else ""


_GPUS = _counted("gpus", "GPU", "GPUs")
_FOUND: dict[str, Callable[[Document], str]] = {
    "ecc": lambda inventory: "ECC memory" if (inventory.get("memory") or {}).get("ecc") else "",
    "dimms": _modules,
    "bmc": lambda inventory: "a BMC" if inventory.get("bmc") else "",
    "storage": _counted("disks", "disk", "disks"),
    "smart": _drives_with_smart,
    "network": _counted("nics", "network port", "network ports"),
    "gpu": _GPUS,
    "gpu_load": _GPUS,
    "gpu_memory": _GPUS,
}
"""By topic, what of the inventory shows that the host has it, in words; empty if nothing does."""

_STATED: dict[str, Callable[[Document], Any]] = {
    "ecc": lambda spec: (spec.get("memory") or {}).get("ecc"),
    "dimms": lambda spec: (spec.get("memory") or {}).get("dimms"),
    "bmc": lambda spec: (spec.get("firmware") or {}).get("bmc") or spec.get("psus"),
    "storage": lambda spec: spec.get("disks"),
    "smart": lambda spec: [disk for disk in spec.get("disks") or [] if disk.get("bus") in ("nvme", "sata", "sas")],
    "network": lambda spec: spec.get("nics"),
    "gpu": lambda spec: spec.get("gpus"),
}
"""By topic, whether the expected spec says that the host has it."""


def why_not(run: Run, topics: Iterable[str]) -> str:
    """Why these can't be said not to be there, in a sentence; empty if they can."""
    offered = [lack.topic for lack in of(run)]
    others = [topic for topic in topics if topic not in offered]
    if others:
        return (
            f"Run {run.pk} has tested {naming.topic_in_words(others[0][:100])}, or does not need it, or the expected "
            f"spec of {run.host} says already that there is none: look at the list again."
        )
    return ""


def with_topics(expected: dict[str, Any] | None, topics: Iterable[str]) -> dict[str, Any] | None:
    """The spec, in which these are not expected. Unchanged without topics."""
    words = list(dict.fromkeys([*((expected or {}).get("not_expected") or []), *topics]))
    return {**(expected or {}), "not_expected": words} if words else expected
