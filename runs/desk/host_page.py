"""The content of a host's page: the machine, its runs, and how long another run would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.contract import codec
from agent.contract.host_facts import HostFacts
from hosts import bounds
from hosts.models import Host
from hosts.wakemethods import STOPPING, WORDS
from runs import disk_writes, freeze, power
from runs.desk import comparing
from runs.desk.shown import of_each
from runs.models import Run
from runs.profiles import estimate
from runs.profiles import load as profiles

HISTORY = 50
_NOT_ALLOWED = "this host does not allow destructive tests"


@dataclass(frozen=True)
class Choice:
    """A profile that the start form offers."""

    name: str
    title: str
    description: str
    seconds: float
    writes: bool
    lost: Sequence[str] = ()
    at_a_glance: str = ""
    only_read: Sequence[str] = ()
    refused: str = ""

    @property
    def is_off(self) -> bool:
        """Whether the host allows no writing, so that this profile can't be used."""
        return self.refused == _NOT_ALLOWED


def context(host: Host) -> dict[str, Any]:
    """The content that changes during a run."""
    runs = list(host.runs.light().order_by("-id")[:HISTORY])
    newest: Run | None = runs[0] if runs else None
    busy = Run.objects.busy_on(host)
    return {
        "host": host,
        "macs": host.mac_list,
        "writable_disks": list(host.writable_disks.all()),
        "runs": runs,
        "newest": newest,
        "busy": busy,
        "power_verbs": [(verb.value, WORDS[verb], verb in STOPPING) for verb in host.power_verbs],
        "power_asked": power.newest(host),
        "found": host.runs.with_parts().only("id", "host_id").first(),
    }


def whole(host: Host) -> dict[str, Any]:
    """The content of the whole page: also the profiles for a new run and the trends of the key numbers."""
    shown, comparable = context(host), comparing.comparable(host)
    every, numbers = choices(host), comparing.trends(shown["runs"])
    trends, more = of_each(numbers, lambda row: row.number.stage, bounds.SHOWN_TRENDS.most)
    return {
        **shown,
        "choices": [choice for choice in every if not choice.is_off],
        "some_are_off": any(choice.is_off for choice in every),
        "trends": trends,
        "more_trends": more,
        "has_course": any(len(row.values) > 1 for row in trends),
        "comparable": comparable,
        "suggested": comparing.suggested(comparable),
    }


def choices(host: Host) -> list[Choice]:
    """Every profile, with its estimated duration and whether it writes: profiles that only read first, each group by
    duration. A broken profile says why."""
    disks, machine = codec.encode(freeze.allowed_disks(host)), estimate.machine_of(host)
    every = [_choice(host, name, disks, machine) for name in profiles.names()]
    return sorted(every, key=lambda choice: (bool(choice.refused), choice.writes, choice.seconds))


def _choice(host: Host, name: str, disks: list[dict[str, Any]], machine: HostFacts | None) -> Choice:
    try:
        profile = profiles.load(name)
    except profiles.ProfileError as error:
        return Choice(name, name, "", 0.0, writes=False, refused=str(error))
    writes = disk_writes.writes(profile)
    refused = "" if not writes or host.destructive_allowed else _NOT_ALLOWED
    return Choice(
        name=name,
        title=profile.get("title") or name,
        description=profile.get("description") or "",
        seconds=estimate.total_s(estimate.planned(profile, machine)),
        writes=writes,
        lost=disk_writes.what_is_lost(profile, disks) if writes else (),
        at_a_glance=disk_writes.lost_at_a_glance(disks) if writes else "only reads disks",
        only_read=disk_writes.what_is_only_read(disks),
        refused=refused,
    )
