"""Numbers and results of the report in words."""

from __future__ import annotations

from typing import Any

from django import template

from runs.templatetags import words

register = template.Library()

_OUTCOMES = {"": "running", "not_tested": "not tested", "not_reached": "not reached"}


@register.filter
def outcome(value: str) -> str:
    return _OUTCOMES.get(value, value)


@register.filter
def figure(value: float | None) -> str:
    """Four significant digits: 512.3, 0.01234, 12345; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as `12 s`, `4 min 5 s` or `10 h 3 min`."""
    if seconds is None:
        return "not timed"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def gathered(gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was not tested for the same reason in several stages, as one gap with its `stages`."""
    together: dict[tuple[Any, ...], dict[str, Any]] = {}
    for gap in gaps:
        key = (gap["check"] or gap["stage"], gap["component"], gap["reason"], gap["counts"])
        together.setdefault(key, {**gap, "stages": []})["stages"].append(words.stage_title(gap["stage"]))
    return list(together.values())
