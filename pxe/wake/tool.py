"""Runs a tool that asks a BMC, within bounds: seconds and bytes. What it says beyond them is not read."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

OUTPUT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Ended:
    """`said` is stdout and stderr together. A tool that was ended by us has no status."""

    status: int | None
    said: str
    too_long: bool = False
    too_much: bool = False


def run(argv: Sequence[str], env: Mapping[str, str], until: float) -> Ended:
    """`until` is of the monotonic clock. A tool that is ended by us is ended with the programs that it started: one of
    them may still hold its output."""
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None, "it was started with a pipe"
    status = None
    try:
        said = _read(process.stdout, until)
        if said is None or len(said) > OUTPUT_BYTES:
            return Ended(None, "", too_long=said is None, too_much=said is not None)
        status = process.wait(max(0.1, until - time.monotonic()))
        return Ended(status, said.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        return Ended(None, "", too_long=True)
    finally:
        if status is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _read(stdout: IO[bytes], until: float) -> bytearray | None:
    """All that it says, up to a byte more than is allowed; None when the time is over."""
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(said) <= OUTPUT_BYTES:
            left_s = until - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                return None
            piece = os.read(stdout.fileno(), OUTPUT_BYTES + 1 - len(said))
            if not piece:
                break
            said += piece
    return said
