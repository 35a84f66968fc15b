"""What the agent said of the BMC's watchdog timer at a claim: it is kept with the boot, told in the run's history, and
named beside a reset that it explains."""

from __future__ import annotations

from agent.contract import codec, wire
from runs import boots
from runs.models import Actor, Boot, Run
from runs.transition import write_event

RAN, EXPIRED = "bmc_watchdog_ran", "bmc_watchdog_expired"


def keep(run: Run, boot: Boot, told: wire.BmcWatchdog | None, expired: str, address: str) -> None:
    """Keep it with the boot, and write into the history that the timer ran, or has reset the host."""
    if told is None:
        return
    boot.bmc_watchdog = codec.encode(told)
    boot.save(update_fields=["bmc_watchdog"])
    for kind, text in ((RAN, _was_running(told)), (EXPIRED, expired)):
        if text:
            write_event(run, kind, actor=Actor.AGENT, who=address, text=text)


def newly_expired(run: Run, boot: Boot, told: wire.BmcWatchdog | None) -> str:
    """A sentence if the timer has run out since the run's last boot; else empty. The BMC's flags stay set until
    somebody clears them. So those of the boot before are no news, unless its event log has a new entry."""
    before = boots.last_claimed(run)
    if told is None or not told.expired or before is None or not before.bmc_watchdog:
        return ""
    known = codec.decode(wire.BmcWatchdog, before.bmc_watchdog)
    logged = [one for one in told.logged if one not in known.logged]
    uses = [one for one in told.expired if one not in known.expired] or (told.expired if logged else [])
    if not uses:
        return ""
    armed = f"; the log has {', '.join(logged)}" if logged else ""
    return (
        f"the BMC's watchdog ({', '.join(uses)}) has run out since the last boot, and resets a host that does not stop "
        f"it: check the watchdog's settings in the firmware before you suspect a part{armed}"
    )


def _was_running(told: wire.BmcWatchdog) -> str:
    if not told.was_running:
        return ""
    what = f"the firmware had started the BMC's watchdog ({told.use}; {told.action}; {told.left_s:g} s were left)"
    return f"{what}; it was stopped" if told.stopped else f"{what}; it could not be stopped, and may reset the host"
