"""What a channel sends. Knows no Django: vetting.yaml is checked by the channels before Django starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Weight = Literal["critical", "info"]


@dataclass(frozen=True)
class Message:
    """`title` is one line; `body` a few; `link` opens the run's page. For programs: `id` is the same in every try, `at`
    when it happened (ISO 8601, UTC), `facts` what it is about. A test message has none of these."""

    kind: str
    severity: Weight
    title: str
    body: str
    link: str
    id: str = ""
    at: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
