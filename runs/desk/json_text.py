"""JSON as `json.dumps(…, indent=1)` writes it, a list piece by piece. Python's own encoder takes ten times as long with
an indent as without, and holds all of a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted
from typing import Any


def text(value: Any, line: str = "\n") -> str:
    """`line` is what begins a line at this depth."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    inner = f"{line} "
    between = f",{inner}"
    if isinstance(value, dict) and value:
        pairs = [f"{quoted(key)}: {text(one, inner)}" for key, one in value.items()]
        return f"{{{inner}{between.join(pairs)}{line}}}"
    if isinstance(value, list) and value:
        return f"[{inner}{between.join([text(one, inner) for one in value])}{line}]"
    return json.dumps(value)


def of_list(values: Iterable[Any]) -> Iterator[str]:
    """The text of a list of these values: a piece for each, and the end."""
    before, line = "[", "\n "
    for value in values:
        yield f"{before}{line}{text(value, line)}"
        before = ","
    yield "[]" if before == "[" else "\n]"
