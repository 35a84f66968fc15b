"""What came of a run, and whether it is what the machine file asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs.machine import State
from runs.stages import BY_NAME
from tests.rack.machinefile import Outcome

_WITHOUT_FAULT = ("Completed", "Cancelled")


@dataclass(frozen=True)
class Found:
    """One finding, as the report has it."""

    stage: str
    severity: str
    code: str
    component: str
    message: str


@dataclass(frozen=True)
class Seen:
    """`components` are those blamed (critical), `warnings` those with a warning, `found` every finding; `ssh` is
    whether the hold's key logged in, None when it was not tried; times in seconds, None when that was not reached.
    `estimate_off_percent` is by how much the run took longer than was said before; None for one that didn't go to its
    end."""

    state: str
    verdict: str
    stage: str
    components: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    touched: frozenset[str] = field(default_factory=frozenset)
    ssh: bool | None = None
    boot_s: float | None = None
    run_s: float | None = None
    estimate_off_percent: float | None = None


def failures(wanted: Outcome, seen: Seen) -> list[str]:
    """One sentence for each part of the wanted outcome that did not come true."""
    found = []
    for word in ("state", "verdict", "stage"):
        value = getattr(wanted, word)
        if value is not None and value != getattr(seen, word):
            found.append(f"{word} is {getattr(seen, word) or 'none'}, not {value}")
    if wanted.components is not None:
        found += _blame(set(wanted.components), set(seen.components))
    found += [f"{part} is blamed wrongly" for part in wanted.sound if part in seen.components]
    blamed_in = {(one.component, one.stage) for one in seen.found if one.severity == "critical"}
    found += [f"{part} is not blamed in {stage}" for part, stage in wanted.found_in.items()
              if (part, stage) not in blamed_in]  # fmt: skip
    found += [f"there is no finding {code}" for code in wanted.findings if code not in seen.findings]
    found += [f"{part} has no warning" for part in wanted.warnings if part not in seen.warnings]
    found += [f"the disk {serial} was written to" for serial in wanted.untouched if serial in seen.touched]
    if wanted.ssh and not seen.ssh:
        found.append("the hold's key did not log in" if seen.ssh is False else "there was no hold to log in to")
    return found


def _blame(wanted: set[str], seen: set[str]) -> list[str]:
    missed = [f"{part} is not blamed" for part in sorted(wanted - seen)]
    return missed + [f"{part} is blamed wrongly" for part in sorted(seen - wanted)]


def failed_stage(snapshot: Mapping[str, Any]) -> str:
    """The stage a run that is not well ended in: where it was when it last failed. One that went on after a failure
    failed in the first stage that did. Empty for a boot that failed."""
    if snapshot["state"] in _WITHOUT_FAULT:
        return ""
    failed_in = [event["before"] for event in snapshot["events"] if event["after"] == "Failed" != event["before"]]
    if not failed_in or failed_in[-1] not in BY_NAME:
        return ""
    if failed_in[-1] != State.REPORTING:
        return failed_in[-1]
    return next((stage["name"] for stage in snapshot["stages"] if stage["outcome"] == "failed"), "")


def line(machine: str, seen: Seen, met: bool) -> dict[str, Any]:
    """The last line of standard output."""
    return {
        "machine": machine,
        "state": seen.state,
        "verdict": seen.verdict or None,
        "stage": seen.stage or None,
        "components": sorted(seen.components),
        "findings": sorted(seen.findings),
        "boot_s": seen.boot_s,
        "run_s": seen.run_s,
        "outcome_met": met,
    }
