"""What must always hold in the data. `manage.py doctor`, tests and fault campaigns use these checks.

`check()` reads and changes nothing. It may run beside a working orchestrator. Rows and files are not read at one
moment, so a violation is checked again and only reported if it persists.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from django.db import DatabaseError

from runs.bench import faults
from runs.invariants import attempts, history, passes, slots, stored, waiting
from runs.invariants.kinds import MOST_TOLD, Broken, Invariant, Scope, Violation, newest

__all__ = ["ALL", "Broken", "Invariant", "Scope", "Violation", "check", "newest"]

ALL: tuple[Invariant, ...] = (*history.ALL, *attempts.ALL, *slots.ALL, *waiting.ALL, *passes.ALL, *stored.ALL)


def check(
    scope: Scope | None = None, *, invariants: Sequence[Invariant] = ALL, again_after_s: float = 0
) -> list[Violation]:
    """Every violation in this scope (default: all runs). With `again_after_s`, only those that persist after this
    time."""
    scope = scope or Scope()
    found = {one.name: _found(one, scope) for one in invariants}
    if again_after_s and any(found.values()):
        time.sleep(again_after_s)
        later = Scope(scope.above)
        for one in invariants:
            if first := found[one.name]:
                still = set(_found(one, later))
                found[one.name] = [broken for broken in first if broken in still]
    return [violation for one in invariants for violation in _told(one, found[one.name])]


def _found(invariant: Invariant, scope: Scope) -> list[Broken]:
    """What breaks this invariant. If it can't be checked, that is told in the place of a violation, and the other
    invariants are still checked."""
    broken: list[Broken] = []
    with faults.confined(f"Checking {invariant.name}") as outcome:
        broken.extend(invariant.find(scope))
    if isinstance(outcome.error, DatabaseError):
        raise outcome.error
    if outcome.error:
        broken.append(Broken(None, f"it could not be checked to the end, by a fault of ours ({outcome.error!r:.200})"))
    return broken


def _told(invariant: Invariant, broken: Sequence[Broken]) -> Iterator[Violation]:
    for one in _bounded(broken):
        yield Violation(invariant.name, invariant.says, one.run, one.what, invariant.means, invariant.repair)


def _bounded(broken: Sequence[Broken]) -> Iterable[Broken]:
    """The first ones, and how many more there are."""
    yield from broken[:MOST_TOLD]
    if (more := len(broken) - MOST_TOLD) > 0:
        yield Broken(None, f"and {more} more")
