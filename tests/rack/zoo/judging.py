"""What a run in the zoo proves: the fault found, missed, blamed on the wrong part, or an alarm for nothing. Pure."""

from __future__ import annotations

from enum import StrEnum

from tests.rack.outcome import Seen
from tests.rack.zoo.specimen import Specimen


class Judged(StrEnum):
    MET = "met"
    DAMAGE = "damage"
    MISSED = "missed"
    WRONG_PART = "blamed wrongly"
    FALSE_ALARM = "false alarm"
    OTHERWISE = "otherwise"  # the right parts, and yet not what the file says: another stage, state or verdict


def judge(specimen: Specimen, seen: Seen, failures: list[str]) -> tuple[Judged, list[str]]:
    """`failures` is what the comparison with the file's outcome says; the answer has the zoo's own added: nothing above
    information on a healthy machine, and no warning on a part that is none of the file's business."""
    wanted = specimen.machine.outcome
    due, blamed, warned = set(wanted.components or ()), set(seen.components), set(seen.warnings)
    why = [*failures, *_alarms(specimen, seen)]
    if not why:
        return Judged.MET, []
    if seen.touched & set(wanted.untouched):
        return Judged.DAMAGE, why
    if wanted.components is not None and not due and (blamed or (specimen.is_healthy and warned)):
        return Judged.FALSE_ALARM, why
    if wanted.components is not None and blamed - due:
        return Judged.WRONG_PART, why
    unseen = due - blamed or set(wanted.warnings) - warned or set(wanted.findings) - set(seen.findings)
    return (Judged.MISSED if unseen else Judged.OTHERWISE), why


def _alarms(specimen: Specimen, seen: Seen) -> list[str]:
    if not specimen.is_healthy:
        return []
    alarms = [one for one in seen.found if one.severity == "warning"]
    return [f"{one.component} has a warning in {one.stage}: {one.code}" for one in alarms]
