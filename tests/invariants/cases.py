"""The list of ways to make rows and files wrong, each with the invariants that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from runs.models import Run
from tests.invariants.conftest import Runs


class Case(NamedTuple):
    name: str
    breaks: set[str]
    make: Callable[[Runs], Any]


CASES: list[Case] = []
OLD = timedelta(days=2)


def breaks(*names: str) -> Callable[[Callable[[Runs], Any]], Callable[[Runs], Any]]:
    def keep(make: Callable[[Runs], Any]) -> Callable[[Runs], Any]:
        CASES.append(Case(make.__name__, set(names), make))
        return make

    return keep


def put(run: Run, **fields: Any) -> None:
    """Write these columns. (The state's is `in_state`: no other module than the transition writes `state=`.)"""
    if "in_state" in fields:
        fields |= {"state": fields.pop("in_state")}
    Run.objects.filter(pk=run.pk).update(**fields)
