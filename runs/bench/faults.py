"""Unexpected errors at one row or file. The work on the other rows goes on, and the pages show the error.

A tick works on many rows: runs, messages, jobs, ports. An error at one of them would end the tick, each second anew,
and the rows behind it would never get their turn. So the work on each row is done inside `confined`.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.wording import remedies

log = logging.getLogger("vetting.faults")
SOURCE = "faults"
# Some work is tried again only after a minute. Its error is shown until then.
KEPT_S = 90.0
LOG_AGAIN_S = 60.0
NAMED = 5
# A database that is locked, full or away refuses every row, and that passes by itself.
NOT_OF_ONE_ROW = (OperationalError, InterfaceError)
# Errors of this machine, which every row and job would meet.
_BENCH_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM, errno.EMFILE,
     errno.ENFILE}
)  # fmt: skip
_clock = time.monotonic


@dataclass
class Outcome:
    error: Exception | None = None


@dataclass(frozen=True)
class Found:
    """When it was seen last, and when it was logged, on the monotonic clock."""

    problem: Problem
    seen_at: float
    logged_at: float


_found: dict[str, Found] = {}


@contextmanager
def confined(what: str) -> Iterator[Outcome]:
    """Work on one row. `what` names it, such as "The start of run 7 (pve-3)". An error is logged, told, and kept in the
    outcome. The caller goes on with the next row."""
    outcome = Outcome()
    try:
        yield outcome
    except NOT_OF_ONE_ROW:
        raise
    except Exception as error:
        outcome.error = error
        note(what, error)


def is_of_the_bench(error: Exception) -> bool:
    """Whether this machine is at fault (a full disk, a locked database, a file that can't be read), which passes by
    itself or by an operator, and not the work that was tried."""
    return isinstance(error, OperationalError) or (isinstance(error, OSError) and error.errno in _BENCH_ERRNOS)


def note(what: str, error: Exception) -> None:
    """Log this error, once a minute, and remember it for `tick`."""
    _forget_what_is_over()  # also in a process that does no rounds
    now, known = _clock(), _found.get(what)
    logged_at = known.logged_at if known and now - known.logged_at < LOG_AGAIN_S else now
    if logged_at == now:
        log.error("%s failed", what, exc_info=error)
    _found[what] = Found(_problem(what, error), now, logged_at)


def tick() -> None:
    """Report the errors of the last minutes, for the pages and /healthz. This is the last tick of the round."""
    _forget_what_is_over()
    told = [found.problem for _, found in sorted(_found.items())[:NAMED]]
    if (more := len(_found) - NAMED) > 0:
        told.append(Problem("bench", f"{more} more things failed", f"{remedies.log_of('worker')} lists them"))
    bench.report(SOURCE, told)


def _forget_what_is_over() -> None:
    oldest = _clock() - KEPT_S
    for what in [what for what, found in _found.items() if found.seen_at <= oldest]:
        _found.pop(what, None)


def forget() -> None:
    """Forget all errors. Only for tests."""
    _found.clear()


def _problem(what: str, error: Exception) -> Problem:
    """The problem to show. If the error is not the system's, it names only the error's type, since the text of such an
    error may quote any input."""
    log_says = f"{remedies.log_of('worker')} says where"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        fix = f"look at this machine's disk, and at who may read and write that; {log_says}"
        return Problem("bench", f"{what} failed: {where}{error.strerror}", fix)
    return Problem(
        "bench", f"{what} failed, by a fault of ours ({type(error).__name__})", f"{log_says}: report it to Vetting"
    )
