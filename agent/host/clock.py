"""Sets the host's clock, which may be wrong after a new board or with an empty battery. Log lines and measurements must
match the orchestrator's time."""

from __future__ import annotations

import time
from collections.abc import Callable

# A smaller difference may only mean that the answer took long.
LEAST_OFF_S = 10.0


def of_this_boot(seconds: float) -> None:
    """Sets the system's clock, not the one on the board."""
    time.clock_settime(time.CLOCK_REALTIME, seconds)


def follow(now: float, set_clock: Callable[[float], None], say: Callable[[str, str], None]) -> None:
    """Set this boot's clock to `now`, the orchestrator's seconds since 1970, if the two differ much. 0 means
    unknown."""
    off_s = time.time() - now
    if not now or abs(off_s) < LEAST_OFF_S:
        return
    set_clock(now)
    way = "ahead" if off_s > 0 else "behind"
    say(
        "warning",
        f"this host's clock was {_rounded(abs(off_s))} {way} and follows ours now: is its board's battery empty?",
    )


def _rounded(seconds: float) -> str:
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
