"""Required checks: without each of them, a stage does not pass.

The profile lists some. Parameters and expected spec require others (`ALSO`). The agent applies the same rules, but we
judge a result by the profile and spec that were frozen into the run, and never trust the word "passed": a bad host
that passes is the worst fault of this program.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.contract import wire
from runs import disk_writes
from runs.machine import State
from runs.stages import BY_NAME

Document = Mapping[str, Any]


@dataclass(frozen=True)
class RequiredCheck:
    """A check that must be in the result and have passed. A `name` that ends with a dot means every check that begins
    so. If the check is missing, the check `instead` may replace it, with any outcome. If the host does not expect
    `topic`, the check may be missing."""

    name: str
    instead: str = ""
    topic: str = ""

    def met_by(self, checks: Sequence[wire.Check], not_expected: Collection[str]) -> bool:
        made = [check for check in checks if self._is_meant(check.name)]
        if made:
            return all(check.outcome is wire.Outcome.PASSED or taken_off(check, not_expected) for check in made)
        return self.topic in not_expected or any(check.name == self.instead for check in checks)

    def _is_meant(self, name: str) -> bool:
        return name.startswith(self.name) if self.name.endswith(".") else name == self.name


# A drive without self-tests has the second check instead. Whether a drive answers at all is checked by `health`.
_SELF_TEST = RequiredCheck("self_test", "self_test_offered", "smart")
_FANS = RequiredCheck("fans", topic="bmc")
_OF_A_GPU = {"load": "gpu_load", "memory": "gpu_memory", "state": "gpu_load"}


def of_stage(name: str, profile: Document, expected: Document | None) -> list[RequiredCheck]:
    """The required checks of a stage: those that the profile lists, then those of `ALSO`."""
    required = _section(profile, name, "required") or []
    listed = [RequiredCheck(one, topic=one.partition(".")[0]) for one in required]
    return [*listed, *(ALSO[name](profile, expected or {}) if name in ALSO else ())]


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
    missing = [one.name.rstrip(".") for one in required if not one.met_by(result.checks, not_expected)]
    return f"without required checks: {', '.join(dict.fromkeys(missing))}" if missing else ""


# --- beside the profile's list -----------------------------------------------------------------------------------


def _inventory(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if _param(profile, State.INVENTORY_CHECK, "prove_tester"):
        yield RequiredCheck("tester.")


def _smart(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if _is_self_tested(profile) and not _in_background(profile):
        yield _SELF_TEST


def _storage(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if _is_self_tested(profile) and _in_background(profile):
        yield _SELF_TEST
    if disk_writes.writes(profile):
        yield RequiredCheck("verified_write")


def _memory(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if _param(profile, State.MEMORY, "memtester_loops"):
        yield RequiredCheck("bit_patterns")


def _fans(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if expected.get("fans"):
        yield _FANS


def _network(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    if any(nic.get("neighbour") for nic in expected.get("nics") or []):
        yield RequiredCheck("neighbour", topic="lldp")


def _gpu(profile: Document, expected: Document) -> Iterator[RequiredCheck]:
    """Seeing a GPU is not enough to pass, unless the spec says so."""
    yield from (RequiredCheck(name, topic=topic) for name, topic in _OF_A_GPU.items())


ALSO: dict[str, Callable[[Document, Document], Iterator[RequiredCheck]]] = {
    State.INVENTORY_CHECK: _inventory,
    State.SMART: _smart,
    State.CPU_STRESS: _fans,
    State.MEMORY: _memory,
    State.STORAGE: _storage,
    State.NETWORK: _network,
    State.BURN: _fans,
    State.GPU: _gpu,
}


def _is_self_tested(profile: Document) -> bool:
    return _param(profile, State.SMART, "self_test") in ("short", "long")


def _in_background(profile: Document) -> bool:
    """Whether the drives' self-tests run in the background, and Storage checks how they ended."""
    return State.STORAGE in profile["stages"] and _param(profile, State.SMART, "self_test_in_background") is True


def _param(profile: Document, stage: str, name: str) -> Any:
    return (_section(profile, stage, "params") or {}).get(name)


def _section(profile: Document, stage: str, kind: str) -> Any:
    return profile.get("stages", {}).get(stage, {}).get(kind)
