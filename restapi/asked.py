"""The filters of the lists."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from hosts.models import Health
from restapi.paging import Asked
from runs.desk import overview
from runs.machine import State
from runs.models import Severity, Verdict


def _one_of(words: Iterable[str]) -> str:
    return f"^({'|'.join(filter(None, words))})?$"


class Hosts(Asked):
    health: str = Field("", pattern=_one_of(Health.values))
    state: str = Field("", pattern=_one_of(overview.STATES))
    profile: str = Field("", max_length=64)
    model: str = Field("", max_length=200)
    tag: str = Field("", max_length=32)


HOST_FILTERS = ("health", "state", "profile", "model", "tag")


class Runs(Asked):
    """Newest first. `live` are those that go on or are held."""

    host: str = Field("", max_length=63)
    verdict: str = Field("", pattern=_one_of(Verdict.values))
    state: str = Field("", pattern=_one_of(State))
    live: bool = False


class Findings(Asked):
    severity: str = Field("", pattern=_one_of(Severity.values))
    code: str = Field("", max_length=64)
    component: str = Field("", max_length=128)
