"""The host's clock, which a new board or an empty battery sets to anything: what is logged and measured has to stand
beside what the orchestrator notes."""

from __future__ import annotations

import time
from collections.abc import Callable

# An answer that was long under way is no wrong clock.
LEAST_OFF_S = 10.0


def of_this_boot(seconds: float) -> None:
    """Sets the system's clock, not the board's."""
    time.clock_settime(time.CLOCK_REALTIME, seconds)


def follow(now: float, set_clock: Callable[[float], None], say: Callable[[str, str], None]) -> None:
    """Sets this boot's clock to `now`, the orchestrator's seconds since 1970, where it is far from it. 0 is unknown."""
    off_s = time.time() - now
    if not now or abs(off_s) < LEAST_OFF_S:
        return
    set_clock(now)
    way = "ahead" if off_s > 0 else "behind"
    say(
        "warning",
        f"this host's clock was {_words(abs(off_s))} {way} and follows ours now: is its board's battery empty?",
    )


def _words(seconds: float) -> str:
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
