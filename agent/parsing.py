"""What every parser needs: one error, JSON that is not trusted, and identifiers that may be placeholders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from agent.contract.placeholders import is_placeholder

T = TypeVar("T")
# lshw's output for a server with nested bridges is about 12 levels deep, each an object in a list.
_DEEPEST = 100
# NVMe counters have 128 bits.
_LARGEST = 2**128

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class ParseError(ValueError):
    """The output of a tool does not have its format. The text names the tool and what was wrong."""


def clean(text: object) -> str:
    """One line without control or direction characters, with single blanks. Empty for None."""
    return " ".join(_CONTROL.sub(" ", str(text if text is not None else "")).split())


def is_dummy(identifier: str) -> bool:
    """Whether the text identifies no particular part."""
    return is_placeholder(clean(identifier))


def identifier(text: object) -> str:
    """A serial number, part number or UUID as it is. Empty for a placeholder."""
    cleaned = clean(text)
    return "" if is_dummy(cleaned) else cleaned


def parse_json(text: str, tool: str) -> dict[str, Any]:
    """The first JSON object in `text`: fio prints notes before it, others print warnings. Raises ParseError."""
    start = text.find("{")
    if start < 0:
        raise ParseError(f"{tool} printed no JSON")
    try:
        data, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{tool} printed broken JSON: {error}") from None
    return flat(data, tool)


def flat(data: T, tool: str) -> T:
    """`data` from JSON, if it is safe to walk recursively. Raises ParseError for deeper nesting than any tool
    prints."""
    level: list[Any] = [data]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return data
    raise ParseError(f"{tool} printed JSON that is nested more than {_DEEPEST} deep")


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def mapping(value: object) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one: a missing branch of a tool's output counts as absent."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """`value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def integer(value: object) -> int | None:
    """A whole number from JSON, which some tools write as text. None for anything else, and for numbers above the 128
    bits of NVMe's largest counter."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        whole = int(value)
    except (ValueError, OverflowError):
        return None
    return whole if abs(whole) <= _LARGEST else None


def count(text: str) -> int | None:
    """A counter of the kernel: up to 20 ASCII digits and nothing else. None for other text. (`isdigit` accepts
    superscripts, and `int` fails on thousands of digits.)"""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def number(value: object) -> float | None:
    """A finite number from JSON; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST:
        return None
    as_float = float(value)
    return as_float if as_float - as_float == 0 else None
