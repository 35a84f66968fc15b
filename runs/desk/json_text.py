"""Writes a long list like `json.dumps(…, indent=1)`, in one piece for each value, so that the whole text is never in
memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def of_list(values: Iterable[Any]) -> Iterator[str]:
    """The text of a list of these values, in pieces: one for each value, then the end."""
    before = "["
    for value in values:
        inner = json.dumps(value, indent=1).replace("\n", "\n ")  # the encoder escapes the line ends of texts
        yield f"{before}\n {inner}"
        before = ","
    yield "[]" if before == "[" else "\n]"
