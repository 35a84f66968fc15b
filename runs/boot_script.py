"""What a machine that asks for its boot script is to do, and which token it may be given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils import timezone

from hosts.models import Host
from runs import boots, transition, watchdog
from runs.lifecycle import record_rung
from runs.machine import AGENT_SILENT, HELD, TESTING, Event, State
from runs.models import Actor, Boot, Run, Rung


@dataclass(frozen=True)
class ScriptAnswer:
    """`boot` with the run and its token, or what an idle host does: `local` disk or `poweroff`."""

    kind: Literal["boot", "local", "poweroff"]
    run: Run | None = None
    boot: int = 0
    token: str = ""


def script_fetched(host: Host, address: str) -> ScriptAnswer:
    """This registered host asks what to boot.

    1. Find the host's newest run; one that is queued, or over, boots nothing of ours.
    2. Waiting for its first boot: the token of that boot, the same on every repeat until it is claimed.
    3. Claimed, held, or failed with an agent seen: the next boot's token, whose claim allows a hold and no more.
    4. Record the rung, and that the machine was seen.
    """
    newest = host.runs.order_by("-id").first()
    if newest is None:
        return _idle(host)
    with transition.locked(newest.pk) as run:
        boot = _boot_to_offer(run)
        if boot is None:
            return _idle(host)
        if run.state == State.WAITING_WOL:
            transition.apply(run, Event.BOOT_SEEN, actor=Actor.AGENT, who=address, why="boot script fetched")
        record_rung(run, Rung.SCRIPT, detail=address, boot=boot.number)
        return ScriptAnswer("boot", run, boot.number, boots.token_of(boot))


def _boot_to_offer(run: Run) -> Boot | None:
    state = State(run.state)
    if state in AGENT_SILENT:
        return None if watchdog.boot_is_overdue(run, timezone.now()) else boots.unclaimed(run)
    if state in (*TESTING, *HELD) or (state is State.FAILED and boots.last_claimed(run) is not None):
        return boots.unclaimed(run) or boots.expect(run)
    return None


def _idle(host: Host) -> ScriptAnswer:
    return ScriptAnswer("poweroff" if host.idle_boot == "poweroff" else "local")
