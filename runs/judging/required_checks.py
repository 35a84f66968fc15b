"""Required checks: without each of them, a stage does not pass.

The profile lists some. Parameters and expected spec require others: each stage's spec says which. The agent applies the
same rules, but we judge a result by the profile and spec that were frozen into the run, and never trust the word
"passed": a bad host that passes is the worst fault of this program.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from agent.contract import wire
from agent.contract.stage_spec import Plan, RequiredCheck
from runs import disk_writes
from runs.stages import BY_NAME

Document = Mapping[str, Any]


def of_stage(name: str, profile: Document, expected: Document | None) -> list[RequiredCheck]:
    """The required checks of a stage: those that the profile lists, then those that its spec derives from parameters
    and expected parts."""
    stages = profile.get("stages") or {}
    plan = Plan(stages, disk_writes.writes(profile), expected or {})
    listed = [RequiredCheck(one, topic=one.partition(".")[0]) for one in (stages.get(name) or {}).get("required") or []]
    spec = BY_NAME[name]
    return [*listed, *spec.also_required(plan.params(name, spec.params), plan)]


def is_met(required: RequiredCheck, checks: Sequence[wire.Check], not_expected: Collection[str]) -> bool:
    made = [check for check in checks if is_meant(required, check.name)]
    if made:
        return all(check.outcome is wire.Outcome.PASSED or taken_off(check, not_expected) for check in made)
    return required.topic in not_expected or any(check.name == required.instead for check in checks)


def is_meant(required: RequiredCheck, name: str) -> bool:
    """Whether the check of this name is one of those that are required."""
    return name.startswith(required.name) if required.name.endswith(".") else name == required.name


def is_not_expected(name: str, result: wire.Result, expected: Document | None, inventory: Document | None) -> bool:
    """Whether the stage has nothing to test on this host. One of these must hold:

    1. The spec does not expect the topic of any of its checks. 2. The spec has an empty list of the parts that it
    tests. 3. The spec omits the list, and the tool that finds these parts answered and found none.
    """
    expected, inventory, stage = expected or {}, inventory or {}, BY_NAME[name]
    own = [check for check in result.checks if not check.name.startswith(wire.COUNTER_CHECKS)]
    if own and all(taken_off(check, expected.get("not_expected") or []) for check in own):
        return True
    listed = expected.get(stage.parts)
    if listed is None and stage.found_by:
        was_asked = stage.found_by not in inventory.get("missing_tools", [stage.found_by])
        return was_asked and not inventory.get(stage.parts)
    return listed == []


def taken_off(check: wire.Check, not_expected: Collection[str]) -> bool:
    return check.outcome is wire.Outcome.NOT_TESTED and check.topic in not_expected


def why_not_passed(result: wire.Result, required: Iterable[RequiredCheck], not_expected: Collection[str]) -> str:
    """Why a result that the agent calls passed is not: it lacks a required check, or one did not pass. Empty where all
    passed, or where the host is not expected to have what the check looks at."""
    missing = [one.name.rstrip(".") for one in required if not is_met(one, result.checks, not_expected)]
    return f"required checks are missing or did not pass: {', '.join(dict.fromkeys(missing))}" if missing else ""
