"""What a stage says of itself, as data. Standard library only: the agent runs by it, the orchestrator plans, checks and
judges by it, and the documents are written from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Who runs the stage."""

    AGENT = "agent"
    ORCHESTRATOR = "orchestrator"


@dataclass(frozen=True)
class StageSpec:
    """`name` is also the run's state while the stage runs. `after` names the stage that it follows directly.
    `topic` is the word of `not_expected` that takes the whole stage off. `writes` says whether it could write to a disk
    at all (under the gates of docs/safety.md). `blind` says what it can't see, so that nobody takes its pass for more
    than it is. `parts` is the list of spec and inventory without which it has nothing to test on a host. If the spec
    omits these parts, an empty answer from the tool `found_by` proves that there are none. A stage that `shares_link`
    waits until it has the bench's link for itself; one that `borrows_link` takes it only while nobody else needs it."""

    name: str
    title: str
    summary: str
    blind: str
    after: str = ""
    owner: Owner = Owner.AGENT
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
