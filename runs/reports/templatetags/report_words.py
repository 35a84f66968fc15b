"""Numbers and results of the report in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template

from runs.wording import naming

register = template.Library()

_DISKS = {"read": "disks only read", "write": "disks written where that is allowed"}
_AFTERWARDS = {"hold": "held after a failure", "continue": "goes on after a failure"}
_OUTCOMES = {"": "running", "not_tested": "not tested", "not_reached": "not reached"}


@register.filter
def outcome(value: str) -> str:
    return _OUTCOMES.get(value, value)


@register.filter
def action_words(value: str) -> str:
    """`replace_part` as "replace part"."""
    return value.replace("_", " ")


@register.filter
def moment(stamp: str | None) -> str:
    """`2026-11-25T22:27:50Z` as `25 Nov 2026 22:27:50 UTC`."""
    if not stamp:
        return ""
    at = datetime.fromisoformat(stamp).astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M:%S} UTC"


@register.filter
def how(run: dict[str, Any]) -> str:
    """What a run's profile does to disks and after a failure."""
    return f"{_DISKS.get(run['storage_mode'], run['storage_mode'])}; {_AFTERWARDS.get(run['on_failure'], '')}"


@register.filter
def gathered(gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was not tested for the same reason in several stages, as one gap with its `stages`."""
    together: dict[tuple[Any, ...], dict[str, Any]] = {}
    for gap in gaps:
        key = (gap["check"] or gap["stage"], gap["component"], gap["reason"], gap["counts"])
        together.setdefault(key, {**gap, "stages": []})["stages"].append(naming.state_in_words(gap["stage"]))
    return list(together.values())
