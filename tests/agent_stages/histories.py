"""Histories of verified writes: agents that are killed and started again, an orchestrator that is silent, disks and
notes that change meanwhile. `play` plays one that is drawn, and raises Violation."""

from __future__ import annotations

from random import Random

from agent.contract import wire
from agent.exercises.surface import MIB
from tests.agent_stages.modeldisk import CELL, PATTERN, ModelDisk, Report, Script, Violation

FAULTS = ("corruption", "write error", "no answer", "stopped", "silence")
CHANGES = (
    "nothing", "nothing", "nothing", "nothing", "somebody writes", "notes lost", "notes cut", "notes garbled",
    "it shrank", "another WWN", "next attempt", "reboot", "other segments",
)  # fmt: skip


def play(rng: Random) -> set[str]:
    """One history; what happened in it, in words."""
    cells = rng.randint(2, 6)
    data = tuple(rng.randrange(cells * MIB // CELL) for _ in range(rng.choice((0, 0, 0, 1, 3))))
    model = ModelDisk(cells, data)
    if data and rng.random() < 0.9:
        model.override()
    whole, happened = True, set()
    segment_mb, write_max_mb = rng.randint(1, 2), rng.choice((0, 0, 1, 2, 4))
    for life in range(rng.randint(1, 4)):
        if life:
            change = rng.choice(CHANGES)
            segment_mb = 3 - segment_mb if change == "other segments" else segment_mb
            whole = _changed(rng, model, change, whole)
            happened.add(change)
        script = _script(rng, segment_mb, write_max_mb, last=rng.random() < 0.4)
        report = model.live(script)
        whole = whole and not script.notes_fail
        happened |= _killed(model, script) if report is None else _checked(model, report, whole)
    return happened


def _script(rng: Random, segment_mb: int, write_max_mb: int, *, last: bool) -> Script:
    quiet = rng.randint(1, 30)
    return Script(
        kill_at=None if last else rng.randint(1, 45),
        stop_at=rng.randint(1, 40) if rng.random() < 0.1 else None,
        silent=frozenset(range(quiet, quiet + rng.randint(1, 12))) if rng.random() < 0.4 else frozenset(),
        faults={rng.randrange(10): rng.choice(FAULTS)} if rng.random() < 0.35 else {},
        share=rng.choice((0.0, 0.3, 0.6, 0.9, 1.0)),
        segment_mb=segment_mb,
        write_max_mb=write_max_mb,
        notes_fail=rng.random() < 0.03,
        allowed=rng.random() > 0.04,
        in_image=rng.random() > 0.04,
    )


def _changed(rng: Random, model: ModelDisk, change: str, whole: bool) -> bool:
    """Between two lives. Whether the notes are those that were kept."""
    paper = f"notes-{model.attempt}"
    text = model.papers.get(paper, "")
    if change == "somebody writes":
        model.somebody_writes(rng.randrange(len(model.cells)))
    elif change == "it shrank" and model.facts.size_mb > 1:
        model.shrink(rng.randint(1, model.facts.size_mb - 1))
    elif change == "another WWN":
        model.another_wwn()
    elif change in ("next attempt", "reboot"):
        model.next_attempt() if change == "next attempt" else model.reboot()
        if rng.random() < 0.8:
            model.override()
        return True
    elif change == "notes lost":
        model.papers.pop(paper, None)
        return whole and not text
    elif change == "notes cut" and text:
        model.papers[paper] = text[: rng.randrange(len(text))]
        return False
    elif change == "notes garbled" and text:
        at = rng.randrange(len(text))
        model.papers[paper] = text[:at] + rng.choice("0123456789,[]{}x") + text[at + 1 :]
        return False
    return whole


def _killed(model: ModelDisk, script: Script) -> set[str]:
    """In which command, or between which."""
    last = model.commands[-1][0] if model.commands else "nothing"
    return {f"killed after {last}"}


def _checked(model: ModelDisk, report: Report, whole: bool) -> set[str]:
    """`whole`: no note of this attempt was lost."""
    patterns = {cell for cell, content in enumerate(model.cells) if content == PATTERN}
    refused = report.refused_by()
    if whole and 3 not in refused and not patterns <= report.left():
        raise Violation(f"patterns at {sorted(patterns - report.left())}, and nothing is said of them")
    outcomes = report.outcomes()
    if wire.Outcome.PASSED in outcomes:
        if len(outcomes) > 1 or (whole and model.failed):
            raise Violation("a disk that failed has passed")
        amount = report.report.numbers[f"written_mb.{model.facts.serial}"] * MIB / CELL
        if not 0 < amount <= len(model.verified):
            raise Violation(f"{amount} cells are said to be verified, {len(model.verified)} were")
    if whole and model.failed and outcomes != {wire.Outcome.FAILED} and wire.Outcome.FAILED not in outcomes:
        raise Violation("a disk that failed is not told so")
    happened = {outcome.value for outcome in outcomes} | {f"refused by gate {gate}" for gate in refused}
    happened |= {"resumed" for grant in report.decided.grants if grant.resumed}
    return happened | ({"patterns told"} if report.left() else set()) | {command[0] for command in model.commands}
