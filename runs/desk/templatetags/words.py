"""The filters of the pages: what `runs.wording.formatting` spells, and states, marks and colours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django import template
from django.utils import timezone

from agent.contract.codes import CODES
from agent.contract.finding_code import Acts, Code
from hosts import bounds, parts
from runs.bench import service_state as worker
from runs.desk import shown as listed
from runs.files.logs import Line
from runs.machine import State
from runs.models import Finding, Run, StageRun
from runs.wording import component_places, formatting, key_numbers, naming
from runs.wording.key_numbers import KeyNumber, Row

register = template.Library()


def _bounded(spelling_of: Callable[..., Any]) -> Callable[..., Any]:
    """A filter's text, cut to the length that a page shows."""

    @wraps(spelling_of)
    def bounded(*given: Any) -> Any:
        text = spelling_of(*given)
        return bounds.SHOWN_TEXT.cut(text) if isinstance(text, str) else text

    return bounded


for plain in (
    formatting.bytes_between, formatting.change, formatting.duration, formatting.field_name, formatting.figure,
    formatting.number, formatting.off_by, formatting.rise, formatting.roughly, formatting.size, formatting.soon,
    formatting.spec_place, formatting.spelled, formatting.with_unit,
):  # fmt: skip
    register.filter(plain.__name__, _bounded(plain))

_MARKS = {"passed": "✓", "failed": "✗", "not_tested": "–", "incomplete": "!", "error": "!", "": "…"}
_OUTCOMES = {"passed": "passed", "failed": "failed", "not_tested": "not tested"}
_TONES = {
    "passed": "good",
    "failed": "bad",
    "incomplete": "warn",
    "error": "warn",
    "not_tested": "idle",
    "critical": "bad",
    "warning": "warn",
    "info": "idle",
    "good": "good",
    "bad": "bad",
    "ERROR": "bad",
    "WARN": "warn",
}
_PLACES = {
    Acts.HARDWARE: "At the host",
    Acts.BENCH: "On the bench",
    Acts.CONFIGURATION: "In the configuration",
}
_EVENTS = {"go": "may start", "rung": "boot ladder"}


@register.inclusion_tag("runs/_worker_warning.html")
def worker_warning() -> dict[str, Any]:
    """A warning if the worker is not running; otherwise nothing."""
    return worker.context()


@register.filter
def shown(text: Any) -> str:
    """A text from outside, cut to the length that a table shows."""
    return bounds.SHOWN_TEXT.cut(str(text))


@register.filter
def shown_name(text: Any) -> str:
    return bounds.NAME.cut(str(text))


@register.filter
def shown_line(text: str) -> str:
    return bounds.SHOWN_LINE.cut(text)


@register.filter
def shown_notes(text: str) -> str:
    return bounds.NOTES.cut(text)


@register.filter
def checks_shown(attempt: StageRun) -> listed.Shown[Any]:
    return listed.checks(attempt.checks, bounds.SHOWN_CHECKS)


@register.filter
def numbers_shown(attempt: StageRun) -> listed.Shown[Any]:
    return listed.entries(attempt.numbers, bounds.SHOWN_CHECKS)


@register.filter
def earlier_checks_shown(attempt: StageRun) -> listed.Shown[Any]:
    return listed.checks(attempt.checks, bounds.SHOWN_EARLIER_CHECKS)


@register.filter
def signatures_shown(refusal: dict[str, Any]) -> listed.Shown[Any]:
    return listed.first(refusal["signatures"], bounds.SHOWN_SIGNATURES)


@register.filter
def earlier_numbers_shown(attempt: StageRun) -> listed.Shown[Any]:
    return listed.entries(attempt.numbers, bounds.SHOWN_EARLIER_CHECKS)


@register.filter
def key_number(name: str, stage: str) -> KeyNumber:
    """The meaning of a stage's number: words, component, unit."""
    return key_numbers.explained(stage, name)


@register.filter
def disk_in(serial: str, run: Run) -> str:
    return component_places.describe(run.inventory, "disk", serial)


@register.filter
def place_in(component: Any, run: Run) -> str:
    """The component in words, by the run's inventory."""
    return component_places.describe(run.inventory, component.component_kind, component.component)


@register.filter
def explained(code: str) -> Code | None:
    """The registry's entry of a finding's code: advice, and who must act. None for an unknown code."""
    return CODES.get(code)


@register.filter
def where_to_act(acts: Acts) -> str:
    """Who must act, in words."""
    return _PLACES[acts]


@register.filter
def state_words(state: str) -> str:
    """A stage by its title, any other state in plain words."""
    return naming.state_in_words(state)


@register.filter
def compares_texts(finding: Finding) -> bool:
    """Whether the finding compares two texts: no number was measured, and the message has both texts."""
    return isinstance(finding.value, str) and isinstance(finding.limit, str)


@register.filter
def kind_words(kind: str) -> str:
    return parts.in_words(kind)


@register.filter
def in_words(name: str) -> str:
    """The identifier of a check."""
    return naming.in_words(name)


@register.filter
def event_words(kind: str) -> str:
    """The kind of an event in the history."""
    return _EVENTS.get(kind) or naming.in_words(kind)


@register.filter
def topic_words(topic: str) -> str:
    """A word of a spec's `not_expected`."""
    return naming.topic_in_words(topic)


@register.filter
def stage_before(line: Line) -> str:
    """The prefix of a line of the log: its stage, unless the text begins with the stage's title."""
    if not line.stage:
        return "· "
    title = naming.state_in_words(line.stage)
    named = line.text.startswith(tuple(title + how for how in (": ", " begins", ", attempt ")))
    return "" if named else f"{title} "


@register.filter
def outcome_mark(outcome: str) -> str:
    """The result as a sign, for beside the word: colour is never the only one."""
    return _MARKS.get(outcome, "·")


@register.filter
def stage_mark(attempt: StageRun | None) -> str:
    """The sign before a stage: not begun, running, skipped, or the sign of its outcome."""
    if not attempt:
        return "○"
    if not attempt.outcome:
        return "●"
    return outcome_mark(attempt.outcome) if attempt.counts else "–"


@register.filter
def stage_tone(attempt: StageRun | None) -> str:
    """The CSS class of a stage's line: not begun, running, skipped, or the colour of its outcome."""
    if not attempt:
        return "todo"
    if not attempt.outcome:
        return "now"
    return tone(attempt.outcome) if attempt.counts else "skipped"


@register.filter
def untested(checks: list[dict[str, Any]]) -> int:
    """How many of a stage's checks could not be made; a passed stage does not show this otherwise."""
    return sum(check["outcome"] == "not_tested" for check in checks)


@register.filter
def outcome_words(outcome: str) -> str:
    return _OUTCOMES.get(outcome, outcome)


@register.filter
def sign_of_run(run: Run) -> str:
    """The sign for the title of a browser tab: the verdict's mark, a pause for a hold, dots for a live run."""
    if run.state == State.FAILED_HOLDING:
        return "⏸"
    return _MARKS.get(run.verdict, "") if run.is_over and run.verdict else "…" if not run.is_over else "–"


@register.filter
def tone(word: str) -> str:
    """The class that colours a verdict, outcome, severity, health or log level."""
    return _TONES.get(str(word), "idle")


@register.filter
def seconds_since(moment: datetime | None, until: datetime | None = None) -> float | None:
    """From `moment` to `until`, or to now."""
    return ((until or timezone.now()) - moment).total_seconds() if moment else None


@register.filter
def sparkline(row: Row) -> str:
    """The `points` of an SVG polyline."""
    return key_numbers.points([cell.value for cell in row.cells])


@register.filter
def trend_words(row: Row) -> str:
    """What a sparkline shows, for who can't see it: "5 runs, from 410 to 395 MB/s"."""
    first, last = (formatting.figure(value, row.number.unit) for value in (row.values[0], row.values[-1]))
    return bounds.SHOWN_TEXT.cut(f"{len(row.values)} runs, from {first} to {last}")
