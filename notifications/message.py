"""What a channel sends. Knows no Django: vetting.yaml is checked by the channels before Django starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weight = Literal["critical", "info"]


@dataclass(frozen=True)
class Message:
    """`title` is one line; `body` a few; `link` opens the run's page."""

    kind: str
    severity: Weight
    title: str
    body: str
    link: str
