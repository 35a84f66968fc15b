"""Numbers with their units and states in words, as the pages say them."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone

from agent.codes import CODES, Acts, Code
from hosts import parts
from runs import keynumbers, naming, places
from runs import pulse as worker
from runs.keynumbers import Cell, KeyNumber, Row
from runs.logfiles import Line
from runs.machine import State
from runs.models import Finding, Run

register = template.Library()

_NBSP = "\u00a0"
_UNITS = {"C": "°C", "": ""}
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
# A part in a list of the expected spec. Processors are told one by one, though a spec does not list them.
_PARTS = {kind.path: kind.title for kind in parts.KINDS if kind.keys or kind.word == "cpu"}
_PART_PATH = re.compile(rf"({'|'.join(map(re.escape, _PARTS))})\[(.*)\](?:\.(\w+))?", re.S)
# The end of a field's name in the expected spec → its unit.
_SPEC_UNITS = {"_mb": "MiB", "_mbit": "Mbit/s", "_mts": "MT/s"}


@register.inclusion_tag("runs/_pulse.html")
def pulse() -> dict[str, Any]:
    """A warning where no worker does its rounds; nothing to see where one does."""
    return worker.context()


@register.filter
def key_number(name: str, stage: str) -> KeyNumber:
    """What a number of a stage is about: words, component, unit."""
    return keynumbers.explained(stage, name)


@register.filter
def disk_in(serial: str, run: Run) -> str:
    return places.describe(run.inventory, "disk", serial)


@register.filter
def place_in(component: Any, run: Run) -> str:
    """Which thing in the machine that is, as far as the run's inventory tells."""
    return places.describe(run.inventory, component.component_kind, component.component)


@register.filter
def explained(code: str) -> Code | None:
    """The registry's entry of a finding's code: advice, and who must act. None for a code that it does not know."""
    return CODES.get(code)


@register.filter
def where_to_act(acts: Acts) -> str:
    """Who must act, as the place to go to."""
    return _PLACES[acts]


@register.filter
def state_words(state: str) -> str:
    """A stage by its title, any other state in plain words."""
    return naming.state_in_words(state)


@register.filter
def compares_texts(finding: Finding) -> bool:
    """Whether one name stands where another should: nothing was measured, and the message has both."""
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
def names_its_stage(line: Line) -> bool:
    """Whether a line of the log begins with its stage's title, so that it need not stand there twice."""
    title = naming.state_in_words(line.stage)
    return line.text.startswith(tuple(title + how for how in (": ", " begins", ", attempt ")))


@register.filter
def outcome_mark(outcome: str) -> str:
    """The result as a sign, for beside the word: colour is never the only one."""
    return _MARKS.get(outcome, "·")


@register.filter
def untested(checks: list[dict[str, Any]]) -> int:
    """How many of a stage's checks could not be made: what a stage that passed does not say of itself."""
    return sum(check["outcome"] == "not_tested" for check in checks)


@register.filter
def outcome_words(outcome: str) -> str:
    return _OUTCOMES.get(outcome, outcome)


@register.filter
def sign_of_run(run: Run) -> str:
    """For the title of a tab: the verdict's mark, a hold's pause, the dots of what goes on."""
    if run.state == State.FAILED_HOLDING:
        return "⏸"
    return _MARKS.get(run.verdict, "") if run.is_over and run.verdict else "…" if not run.is_over else "–"


@register.filter
def tone(word: str) -> str:
    """The class that colours a verdict, outcome, severity, health or log level."""
    return _TONES.get(str(word), "idle")


@register.filter
def duration(seconds: float | None) -> str:
    """`38 s`, `4 min 10 s`, `2 h 05 min`, `3 d 4 h`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}{_NBSP}s"
    if whole < 3600:
        return f"{whole // 60}{_NBSP}min {whole % 60:02d}{_NBSP}s"
    if whole < 86_400:
        return f"{whole // 3600}{_NBSP}h {whole % 3600 // 60:02d}{_NBSP}min"
    return f"{whole // 86_400}{_NBSP}d {whole % 86_400 // 3600}{_NBSP}h"


@register.filter
def roughly(seconds: float) -> str:
    """What is planned, in whole minutes from one minute on, in quarters of an hour from three hours on."""
    step = 1 if seconds < 60 else 60 if seconds < 10_800 else 900
    whole = max(step, round(seconds / step) * step)
    return duration(whole).removesuffix(f" 00{_NBSP}s").removesuffix(f" 00{_NBSP}min")


@register.filter
def soon(moment: datetime) -> str:
    """`19:07` today, `Fri 19:07` on another day."""
    local = timezone.localtime(moment)
    return local.strftime("%H:%M" if local.date() == timezone.localdate() else "%a %H:%M")


@register.filter
def off_by(percent: float) -> str:
    """`took 6 % longer`, by how much an estimate was wrong."""
    if round(percent) == 0:
        return "as it was"
    return f"took {abs(percent):.0f}{_NBSP}% {'longer' if percent > 0 else 'less'}"


@register.filter
def seconds_since(moment: datetime | None, until: datetime | None = None) -> float | None:
    """From `moment` to `until`, or to now."""
    return ((until or timezone.now()) - moment).total_seconds() if moment else None


@register.filter
def size(count: int) -> str:
    """Bytes as `812 B`, `4.2 kB`, `1.3 MB` (powers of ten, as on a disk's label)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f}{_NBSP}{unit}" if unit == "B" else f"{value:.1f}{_NBSP}{unit}"
        value /= 1000
    raise AssertionError("unreachable")


@register.filter
def rise(before: int, after: int) -> str:
    """`+8`; a counter that was reset says so."""
    return f"{after - before:+,}".replace(",", _NBSP) if after >= before else "reset"


@register.filter
def bytes_between(start: int, end: int) -> str:
    return size(end - start)


@register.filter
def number(value: Any) -> str:
    """At most three decimals, none where they are zero; anything that is no number as it stands."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", _NBSP)


@register.filter
def with_unit(value: Any, unit: str) -> str:
    """`61 °C`, `2 sectors`; a dash where nothing was measured."""
    if value is None or value == "":
        return "–"
    return f"{number(value)}{_NBSP}{_UNITS.get(unit, unit)}".rstrip(_NBSP)


@register.filter
def figure(value: float | None, unit: str) -> str:
    """A measured number, rounded: `41 530 ops/s`, `70.92 °C`, `0.0042 %`."""
    if value is None:
        return "–"
    short = keynumbers.rounded(value)
    return with_unit(short if abs(short) >= 1 or not short else f"{Decimal(str(short)):f}", unit)


@register.filter
def change(cell: Cell) -> str:
    """`+12 %`, `−3.4 %`; `+3` for a count, and where there was nothing before."""
    sign = "+" if cell.delta > 0 else "−"
    if cell.counts or cell.change_percent is None:
        return f"{sign}{number(abs(cell.delta)) if cell.counts else figure(abs(cell.delta), '')}"
    percent = abs(cell.change_percent)
    return f"{sign}{percent:.1f}{_NBSP}%" if percent < 10 else f"{sign}{percent:.0f}{_NBSP}%"


@register.filter
def sparkline(row: Row) -> str:
    """The `points` of an SVG polyline."""
    return keynumbers.points([cell.value for cell in row.cells])


@register.filter
def spelled(value: Any, path: str = "") -> str:
    """A value of the spec in words: nothing is `absent`, a list its parts. The end of its path names its unit."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(_field(key, item) for key, item in value.items() if item not in (None, ""))
    if isinstance(value, list):
        return "; ".join(spelled(item) for item in value) or "none"
    return f"{number(value)}{_spec_unit(path)}" or "empty"


@register.filter
def field_name(key: str) -> str:
    """`size_mb` as `size`: the unit stands with the number."""
    return naming.in_words(key.rpartition("_")[0] if _spec_unit(key) else key)


@register.filter
def spec_place(path: str) -> str:
    """`memory.dimms[DIMM_B1].serial` as `Memory module DIMM_B1, serial`; what is no path as it stands."""
    if match := _PART_PATH.fullmatch(path):
        kind, name, leaf = match.groups()
        whole = f"{_PARTS[kind]} {name}"
    else:
        kind, _, leaf = path.rpartition(".")
        whole = parts.BY_LEAF[kind or leaf].titles if (kind or leaf) in parts.BY_LEAF else ""
        leaf = leaf if kind else ""
    return f"{whole}, {field_name(leaf)}" if whole and leaf else whole or path


def _field(key: str, value: Any) -> str:
    """`size_mb` and 512 as `size 512 MiB`."""
    return f"{field_name(key)} {spelled(value, key)}"


def _spec_unit(path: str) -> str:
    return next((f"{_NBSP}{unit}" for end, unit in _SPEC_UNITS.items() if path.endswith(end)), "")
