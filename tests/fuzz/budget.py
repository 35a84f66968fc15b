"""How long to fuzz: once, and always the same, in the suite; with new seeds until the time is over in `make fuzz`. It
says which seed it begins with."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

import psutil
from hypothesis import HealthCheck, settings

SECONDS = float(os.environ.get("VETTING_FUZZ_SECONDS", "0"))
FIRST = int(os.environ.get("VETTING_FUZZ_SEED", "0"))
MEMORY_GROWS_AT_MOST = 1.3


def rounds(share: float, pid: int | None = None) -> Iterator[int]:
    """Seeds: one, or as many as fit into this share of the time that was asked for. Says how many there were, and that
    the memory of this process (or of `pid`) stayed as it was: the first quarter fills caches."""
    began, seed, settled = time.monotonic(), FIRST, 0.0
    if SECONDS:
        print(f"from seed {FIRST}: make fuzz SEED={FIRST} begins with it again")
    while True:
        yield seed
        seed, spent_s = seed + 1, time.monotonic() - began
        if not settled and spent_s >= SECONDS * share / 4:
            settled = rss_mb(pid)
        if spent_s >= SECONDS * share:
            break
    if SECONDS:
        ratio = rss_mb(pid) / settled
        print(f"{seed - FIRST} seeds from {FIRST} in {spent_s:.0f} s; memory {ratio:.2f} times that of a quarter of it")
        assert ratio < MEMORY_GROWS_AT_MOST, "memory grows"


def rss_mb(pid: int | None = None) -> float:
    gc.collect()
    return psutil.Process(pid).memory_info().rss / 1e6


def limits(examples: int, steps: int = 1) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=not SECONDS,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
