"""What the health check says of one reading of a drive, by the limits of the shipped quick profile."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from agent.contract import stage_values, wire
from agent.probes.smart import smartctl
from agent.stages.smart import smart_evidence, smart_limits
from agent.stages.smart.spec import Limits
from tests.agent_stages.contexts import PROFILE

LIMITS = {name: float(PROFILE["stages"]["SMART"]["limits"][name]) for name in stage_values.names(Limits)}
PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


class Verdict(NamedTuple):
    """`critical` and `warning` are codes of findings; `words` are all sentences, the check's reason first."""

    outcome: wire.Outcome
    critical: set[str]
    warning: set[str]
    words: str


def of(document: dict[str, Any] | str) -> Verdict:
    smart = smartctl.parse(document if isinstance(document, str) else json.dumps(document))
    limit = LIMITS.__getitem__
    found = smart_limits.judge(smart, "sda", "S1", limit)
    check = smart_evidence.health(smart, found, "sda", "S1", limit)
    codes = {level: {one.code for one in found if one.severity is level} for level in wire.Severity}
    words = "; ".join([check.reason, *(one.message for one in found)])
    return Verdict(check.outcome, codes[wire.Severity.CRITICAL], codes[wire.Severity.WARNING], words)
