"""Changes of a JSON document, one at a time, as a bad tool or a bad drive might make them: a value removed, garbled, or
of another type. For every kind of recording whose tool writes JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
GARBLED = "g\u00e4rb\x1ble?"


def of(document: Any) -> Iterator[tuple[Path, str, str]]:
    """Where, what was done there, and the whole document as text, after one change."""
    yield from ((path, word, json.dumps(document)) for path, word in _changed(document, ()))


def _changed(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Changes `node` in place, yields, and changes it back."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        value = node[key]
        yield from _removed(node, key, path)
        for word, other in _others(value):
            node[key] = other
            yield (*path, key), word
        node[key] = value
        yield from _changed(value, (*path, key))


def _removed(node: Any, key: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(node, list):
        taken = node.pop(key)
        yield (*path, key), "removed"
        node.insert(key, taken)
        return
    rows = list(node.items())
    del node[key]
    yield (*path, key), "removed"
    node.clear()
    node.update(rows)


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    """What may stand in the place of a value. Of a number no other number: that would be another drive."""
    yield "null", None
    yield "garbled", GARBLED
    if isinstance(value, bool):
        yield "a word", "yes"
        yield "a number", 7
    elif isinstance(value, int | float):
        yield "text", str(value)
        yield "a fraction", value + 0.5
        yield "negative", -1 - abs(value)
        yield "true", True
        yield "far too large", 10**60
    elif isinstance(value, str):
        yield "a number", 7
        yield "a list", []
    elif isinstance(value, list):
        yield "an object", {}
        yield "empty", []
    elif isinstance(value, dict):
        yield "a list", []
        yield "empty", {}
