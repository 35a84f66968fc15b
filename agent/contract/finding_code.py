"""What a finding code says: how bad it usually is, who must act, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.contract.wire import Severity


class Acts(StrEnum):
    """Who must act on a finding."""

    HARDWARE = "hardware"
    BENCH = "bench"
    CONFIGURATION = "configuration"


@dataclass(frozen=True)
class Code:
    """`severity` is the default. A stage may give another one where a limit has two steps. `advice` is one sentence for
    the person at the host: which part to replace, what to try first."""

    severity: Severity
    title: str
    acts: Acts
    advice: str
