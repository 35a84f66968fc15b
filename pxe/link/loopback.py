"""Measure what this machine can transfer now: iperf3 for one second over its own loopback. This is done just before a
host is measured."""

from __future__ import annotations

import json
import subprocess
import time

from django.conf import settings

from pxe import daemon
from runs.dispatcher import LoopbackResult

DURATION_S = 1
# As many streams as a host uses; each has a thread.
STREAMS = 4
# The round waits for the measurement, and the round's lease lasts 10 s.
_TIMEOUT_S = 4.0


def measure() -> LoopbackResult:
    """The bench is unfit only if the measured rate is too low. If the server is busy or missing, that says nothing
    about the rate."""
    config = settings.VETTING
    floor_mbit = config.bench.loopback_min_of_link * config.iperf3.link_mbit
    if config.iperf3.supervise == "off" or not floor_mbit:
        return LoopbackResult()
    give_up_at = time.monotonic() + _TIMEOUT_S
    for port in config.iperf3.ports:
        if time.monotonic() >= give_up_at:
            break
        mbit = parse(_measured(config.web.address, port))
        if mbit is not None:
            return judged(mbit, floor_mbit)
    return LoopbackResult(words="its own loopback could not be measured")


def judged(mbit: float, floor_mbit: float) -> LoopbackResult:
    words = f"the bench carries {mbit:.0f} Mbit/s over its own loopback"
    if mbit >= floor_mbit:
        return LoopbackResult(words=words)
    return LoopbackResult(
        why=f"too slow: {mbit:.0f} Mbit/s over its own loopback, {floor_mbit:.0f} needed", words=words
    )


def parse(text: str) -> float | None:
    """Mbit/s; None for an error or an unreadable result."""
    try:
        data = json.loads(text)
        bits_s = data["end"]["sum_received"]["bits_per_second"]
    except (ValueError, KeyError, TypeError):
        return None
    return bits_s / 1e6 if isinstance(bits_s, int | float) and not isinstance(bits_s, bool) else None


def _measured(address: str, port: int) -> str:
    tool = daemon.which("iperf3")
    if tool is None:
        return ""
    words = (
        "-J",
        "-c",
        address,
        "-p",
        str(port),
        "-t",
        str(DURATION_S),
        "-P",
        str(STREAMS),
        "--connect-timeout",
        "1000",
    )
    try:
        done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return ""
    return done.stdout
