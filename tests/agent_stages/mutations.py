"""Changes of a recording, one at a time, as a bad tool, a bad drive or a torn line might make them: a value removed,
garbled, or of another type. Each comes as its place, what was done there, and the whole recording after it: as a
function that must be called before the next change is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from xml.etree import ElementTree

Path = tuple[str | int, ...]
Change = tuple[str, str, Callable[[], str]]
GARBLED = "g\u00e4rb\x1ble?"
# What nvidia-smi and others write in the place of a value that they could not read.
_UNREAD = ("", "ERR!", "[Unknown Error]", "\u00e4?%", "N/A x", "-7", "true")
_PIECE = re.compile(r"[\w.+/-]+")


def of_json(text: str) -> Iterator[Change]:
    """`a.3.b`. Notes before the JSON stay; a list of JSON documents is one."""
    start = min(at for at in (text.find("{"), text.find("[")) if at >= 0)
    document = json.loads(text[start:])
    for path, word in _changed(document, ()):
        yield ".".join(map(str, path)), word, lambda: text[:start] + json.dumps(document)


def of_xml(text: str) -> Iterator[Change]:
    """`gpu.temperature.gpu_temp`."""
    root = ElementTree.fromstring(text)

    def whole() -> str:
        return ElementTree.tostring(root, encoding="unicode")

    parents = {child: parent for parent in root.iter() for child in parent}
    for child, parent in parents.items():
        place, row = _way(child, parents), list(parent).index(child)
        parent.remove(child)
        yield place, "removed", whole
        parent.insert(row, child)
        for words in _UNREAD if len(child) == 0 else ():
            was, child.text = child.text, words
            yield place, f"now {words!r}", whole
            child.text = was


def _way(child: ElementTree.Element, parents: dict[ElementTree.Element, ElementTree.Element]) -> str:
    names = [child.tag]
    while (child := parents[child]) in parents:
        names.insert(0, child.tag)
    return ".".join(names)


def of_text(text: str) -> Iterator[Change]:
    """Each line removed, emptied, cut in its middle, and each word or number in it removed, garbled, or of another
    type. The place is the number of the line and what stood there."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.strip():
            for place, word, other in (("", "removed", None), ("", "empty", ""), *_of_line(line)):
                changed = [] if other is None else [other]
                yield f"{number + 1}:{place or line.strip()[:60]}", word, partial(_spliced, lines, number, changed)


def _spliced(lines: list[str], number: int, others: list[str]) -> str:
    return "\n".join([*lines[:number], *others, *lines[number + 1 :]])


def of_lines(text: str) -> Iterator[Change]:
    """Each line removed, cut in its middle, or garbled as a whole."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for word, others in (("removed", []), ("cut", [line[: len(line) // 2]]), ("garbled", [GARBLED])):
            yield f"{number + 1}:{line[:60]}", word, partial(_spliced, lines, number, others)


def beside(text: str) -> Iterator[Change]:
    """The recording as it is, with what a torn line leaves before it and after it."""
    half = text[: len(text) // 2]
    for word, other in (("nothing", ""), ("half of it", half), ("a garbled line", GARBLED), ("zeros", "\0\0\0")):
        yield "before", word, partial("{}\n{}".format, other, text)
        yield "after", word, partial("{}\n{}".format, text, other)


def _of_line(line: str) -> Iterator[tuple[str, str, str]]:
    yield "", "cut", line[: len(line) // 2]
    for match in _PIECE.finditer(line):
        piece, others = match[0], {"removed": "", "garbled": GARBLED.replace("\x1b", "")}
        if piece[0].isdigit():
            others |= {"a word": "none", "not a number": f"0x{piece}z"}
        else:
            others |= {"a number": "7"}
        for word, other in others.items():
            yield f"{match.start()} {piece[:40]}", word, f"{line[: match.start()]}{other}{line[match.end() :]}"


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
