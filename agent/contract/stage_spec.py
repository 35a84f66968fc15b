"""The description of a stage, as data. The agent runs stages by it, the orchestrator plans, checks and judges by it,
and the documents are written from it. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from agent.contract import stage_values
from agent.contract.finding_code import Code
from agent.contract.host_facts import HostFacts
from agent.contract.stage_values import NoValues

T = TypeVar("T")


class Owner(StrEnum):
    """Who runs the stage."""

    AGENT = "agent"
    ORCHESTRATOR = "orchestrator"


@dataclass(frozen=True)
class RequiredCheck:
    """A check that must be in the result and have passed. A `name` that ends with a dot means every check that begins
    so. If the check is missing, the check `instead` may replace it, with any outcome. If the host does not expect
    `topic`, the check may be missing."""

    name: str
    instead: str = ""
    topic: str = ""


@dataclass(frozen=True)
class Plan:
    """What a run orders: `stages` as a profile has them, `writes` whether disks may be written, `expected` the host's
    expected spec. `seconds` gives the time of another stage of the run."""

    stages: Mapping[str, Any]
    writes: bool
    expected: Mapping[str, Any]
    seconds: Callable[[str], float] = lambda name: 0.0

    def params(self, stage: str, kind: type[T]) -> T:
        """The parameters of a stage of the run. If the run lacks the stage or a parameter, the value orders nothing."""
        return stage_values.read_what_is_there(kind, (self.stages.get(stage) or {}).get("params") or {})


def nothing_more(params: Any, plan: Plan) -> Iterable[RequiredCheck]:
    """No checks beside those that the profile lists: the default of `also_required`."""
    return ()


@dataclass(frozen=True)
class StageSpec:
    """`name` is also the run's state while the stage runs. `after` names the stage that it follows directly. `blind`
    says what it can't see, so that nobody overestimates its pass. `params` and `limits` are dataclasses: see
    `stage_values`. `also_required` gives the checks that it must make beside those that the profile lists. `duration_s`
    gives its time on a host. If it is None, the time does not depend on the host, and the profile's `expected_s` is
    used. `tools` are the programs that it starts. `codes` are the finding codes that its own work can make; a code that
    no other stage has is defined in `new_codes`. `topic` is the word of `not_expected` that switches the whole stage
    off. `writes` says whether it could write to a disk at all (under the gates of docs/safety.md). `parts` is the list
    of spec and inventory without which it has nothing to test on a host. If the spec omits these parts, an empty answer
    from the tool `found_by` proves that there are none. A stage that `shares_link` waits until it has the bench's link
    for itself; one that `borrows_link` takes it only while nobody else needs it."""

    name: str
    title: str
    summary: str
    blind: str
    after: str = ""
    owner: Owner = Owner.AGENT
    params: type = NoValues
    limits: type = NoValues
    also_required: Callable[[Any, Plan], Iterable[RequiredCheck]] = nothing_more
    duration_s: Callable[[Any, HostFacts, Plan], float] | None = None
    tools: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    new_codes: Mapping[str, Code] = field(default_factory=dict, hash=False)
    writes: bool = False
    topic: str = ""
    shares_link: bool = False
    borrows_link: bool = False
    parts: str = ""
    found_by: str = ""

    @property
    def folder(self) -> str:
        """Its folder in `agent/stages`: CPUStress → cpu_stress."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower()
