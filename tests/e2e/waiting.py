"""Waiting for something that a machine does by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], timeout_s: float, every_s: float = 0.5) -> T:
    """The first truthy value of `look()`; fails the test when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (value := look()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(every_s)
    return value


def says(path: Path, words: str) -> Callable[[], bool]:
    return lambda: path.exists() and words in path.read_text(errors="replace")
