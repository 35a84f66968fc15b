"""The BMC's watchdog timer. A firmware may start it before the operating system loads ("OS Load"), and resets the host
if nobody stops it: a live system that knows nothing of it is then reset in the middle of a test.

Words and lines: lib/ipmi_mc.c of ipmitool 1.8.19, ipmi_mc_get_watchdog; 1.8.18 gives the flags as a number only.
IPMI 2.0, chapter 27."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.contract import wire
from agent.parsing import ParseError, clean
from agent.probes.bmc import ipmitool, sel

TIMEOUT_S, LOG_TIMEOUT_S = 20.0, 30.0
MOST_LOGGED = 5
RUNNING, STOPPED = "Started/Running", "Stopped"
# What a timer was for, by bit of the flags (table 27-4).
_USES = {1: "BIOS FRB2", 2: "BIOS/POST", 3: "OS Load", 4: "SMS/OS", 5: "OEM"}
_IN_HEX = re.compile(r"\s*\(?\b0x([0-9a-fA-F]{1,2})\b\)?")
_SECONDS = re.compile(r"(\d{1,5}(?:[.,]\d)?) sec")


def parse(text: str) -> wire.BmcWatchdog:
    """What `ipmitool mc watchdog get` prints. Raises ParseError if it does not say whether the timer runs."""
    rows = {clean(key): clean(value) for key, _, value in (line.partition(":") for line in text.splitlines())}
    state = rows.get("Watchdog Timer Is", "")
    if state not in (RUNNING, STOPPED):
        raise ParseError("ipmitool mc watchdog get does not say whether the timer runs")
    action = rows.get("Watchdog Timer Action") or rows.get("Watchdog Timer Actions", "")
    left = _SECONDS.match(rows.get("Present Countdown", ""))
    flags = _IN_HEX.search(rows.get("Timer Expiration Flags", ""))
    bits = int(flags[1], 16) if flags else 0
    return wire.BmcWatchdog(
        use=_IN_HEX.sub("", rows.get("Watchdog Timer Use", "")),
        action=_IN_HEX.sub("", action),
        was_running=state == RUNNING,
        left_s=float(left[1].replace(",", ".")) if left else 0.0,
        expired=[use for bit, use in _USES.items() if bits >> bit & 1],
    )


def stop(say: Callable[[str, str], None], root: Path = Path("/")) -> wire.BmcWatchdog | None:
    """Stop the timer if it runs, and say so. Returns what it was, with the log's entries about it if it has expired.
    None if there is no BMC, or if it has no such timer."""
    if not ipmitool.has_bmc(root):
        return None
    seen = _read(say)
    if seen is None:
        return None
    if seen.expired:
        seen = replace(seen, logged=_logged())
    if not seen.was_running:
        return seen
    done = ipmitool.run("mc", "watchdog", "off", timeout_s=TIMEOUT_S)
    now = _read(say)
    seen = replace(seen, stopped=now is not None and not now.was_running)
    say("warning", words(seen))
    if not seen.stopped:
        say("error", f"the BMC's watchdog runs on: {done.trouble or 'the BMC did not stop it'}")
    return seen


def words(seen: wire.BmcWatchdog) -> str:
    """What was found, for the run's log and history. Empty if the timer did not run."""
    if not seen.was_running:
        return ""
    what = f"the BMC's watchdog was running ({seen.use}; {seen.action}; {seen.left_s:g} s left)"
    return f"{what} and was stopped" if seen.stopped else f"{what} and could not be stopped: it may reset the host"


def _read(say: Callable[[str, str], None]) -> wire.BmcWatchdog | None:
    done = ipmitool.run("mc", "watchdog", "get", timeout_s=TIMEOUT_S)
    try:
        return parse(done.stdout)
    except ParseError as error:
        say("info", f"the BMC's watchdog is not known: {done.trouble_or(error)}")
        return None


def _logged() -> list[str]:
    """The newest entries of the event log that are about a watchdog."""
    done = ipmitool.run("sel", "elist", timeout_s=LOG_TIMEOUT_S)
    try:
        entries = sel.parse(done.stdout) if done.ok else []
    except ParseError:
        return []
    about = [one for one in entries if one.kind.startswith("watchdog")]
    return [f"{one.when} {one.quote}".strip() for one in about[-MOST_LOGGED:]]
