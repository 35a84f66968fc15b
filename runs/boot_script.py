"""The answer to a machine that asks for its boot script: what it boots, and with which token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.utils import timezone

from hosts import bounds
from hosts.models import Host
from runs import boots, early_memtest, transition, watchdog
from runs.lifecycle import note, record_rung
from runs.machine import AGENT_SILENT, HELD, TESTING, Event, State
from runs.models import Actor, Boot, Run, Rung


@dataclass(frozen=True)
class ScriptAnswer:
    """`boot` has the run, its token, and the arguments that its kernel gets beside those of the image. Without a run,
    the host boots from its `local` disk or does a `poweroff`."""

    kind: Literal["boot", "local", "poweroff"]
    run: Run | None = None
    boot: int = 0
    token: str = ""
    kernel_args: tuple[str, ...] = ()


def script_fetched(host: Host, address: str) -> ScriptAnswer:
    """Say what this registered host boots.

    1. Find the host's newest run. If it is queued or over, the host does not boot the live image.
    2. If the run waits for its first boot, give that boot's token: the same one until it is claimed.
    3. If it was claimed, is held, or failed after an agent was seen, give the next boot's token. Its claim allows a
       hold and nothing else.
    4. Record the rung, and that the machine was seen.
    """
    newest = host.runs.order_by("-id").first()
    if newest is None:
        return _idle(host)
    with transition.locked(newest.pk) as run:
        boot = _boot_to_offer(run)
        if boot is None:
            idle = _idle(host)
            if idle.kind == "local" and run.ended_at is not None:
                Run.objects.filter(pk=run.pk).update(left_to_disk_at=timezone.now())
            return idle
        if run.state == State.WAITING_WOL:
            transition.apply(run, Event.BOOT_SEEN, actor=Actor.AGENT, who=address, why="boot script fetched")
        Run.objects.filter(pk=run.pk).update(site=settings.VETTING.web.address)
        record_rung(run, Rung.SCRIPT, detail=address, boot=boot.number)
        args = early_memtest.kernel_args(run)
        return ScriptAnswer("boot", run, boot.number, boots.token_of(boot), args)


def wanted_by(host: Host) -> Run | None:
    """The run for which this host boots the live image, if it may have the script; else None. Nothing is recorded."""
    newest = host.runs.order_by("-id").first()
    return newest if newest and _is_to_boot(newest) else None


def _is_to_boot(run: Run) -> bool:
    state = State(run.state)
    if state in AGENT_SILENT:
        return not watchdog.boot_is_overdue(run, timezone.now())
    return state in (*TESTING, *HELD) or (state is State.FAILED and boots.last_claimed(run) is not None)


def _boot_to_offer(run: Run) -> Boot | None:
    if not _is_to_boot(run):
        return None
    return boots.unclaimed(run) or (None if run.state in AGENT_SILENT else _another(run))


def _another(run: Run) -> Boot | None:
    """The next boot. Each makes rows and perhaps a key pair. The bound keeps a host that claims and fetches in turn
    from making them for ever."""
    if run.boot < bounds.RUN_BOOTS.most:
        return boots.expect(run)
    note(run, "boots_over", actor=Actor.WORKER, text=f"{bounds.RUN_BOOTS.most} boots: it gets no other boot script")
    return None


def _idle(host: Host) -> ScriptAnswer:
    return ScriptAnswer("poweroff" if host.idle_boot == "poweroff" else "local")
