"""A long list as `json.dumps(…, indent=1)` writes it, a piece for each value: the whole is never in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def of_list(values: Iterable[Any]) -> Iterator[str]:
    """The text of a list of these values: a piece for each, and the end."""
    before = "["
    for value in values:
        inner = json.dumps(value, indent=1).replace("\n", "\n ")  # the encoder escapes the line ends of texts
        yield f"{before}\n {inner}"
        before = ","
    yield "[]" if before == "[" else "\n]"
