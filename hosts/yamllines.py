"""Read YAML that people type: strictly, and with the line of every value for error messages.

Only what YAML 1.2 calls a number or a boolean is one. PyYAML's own rules would read the MAC `52:54:00:12:34:56` as a
base-60 number, the serial `0012` as ten and the answer `no` as false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from hosts import bounds

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

Path = tuple[str | int, ...]


class YamlError(ValueError):
    """Not readable; the message names source and line."""

    def __init__(self, message: str) -> None:
        super().__init__(bounds.ANSWER.cut(message))


@dataclass(frozen=True)
class Document:
    """`data` as plain types; `lines` the first line, counted from 1, of every value by its path."""

    data: Any
    source: str
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of the value at `path`, or of the closest value that contains it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path) -> str:
        return f"{self.source}, line {self.line(path)}"

    def part(self, path: Path) -> Document:
        """The value at `path` as a document of its own, with its line numbers in this one."""
        data = self.data
        for step in path:
            data = data[step]
        depth = len(path)
        lines = {known[depth:]: line for known, line in self.lines.items() if known[:depth] == path}
        return Document(data, self.source, lines)

    def items(self) -> list[Document]:
        """Each item of a list as a document of its own. The lines are read once for all items."""
        lines: list[dict[Path, int]] = [{} for _ in self.data]
        for path, line in self.lines.items():
            if path:
                lines[path[0]][path[1:]] = line  # type: ignore[index]
        return [Document(data, self.source, known) for data, known in zip(self.data, lines, strict=True)]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_PLAIN = {"null": r"~|null|", "bool": "true|false", "int": "-?(0|[1-9][0-9]{0,17})", "float": r"-?[0-9]+\.[0-9]+"}
for _name, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), None)


def parse(text: str, source: str, max_bytes: int = MAX_BYTES) -> Document:
    """Read one document. Raises YamlError for what is no YAML, for anchors and tags, for a key that stands
    twice, and for more than `max_bytes`."""
    if len(text.encode(errors="replace")) > max_bytes:
        raise YamlError(f"{source}: more than {max_bytes // 1024} KiB")
    lines: dict[Path, int] = {}
    try:
        node = _compose(text, source)
        data = None if node is None else _construct(node, (), lines, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"{source}, line {mark.line + 1 if mark else 1}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        raise YamlError(f"{source}: character {error.character:#x} is not allowed in YAML") from None
    return Document(data, source, lines)


def _compose(text: str, source: str) -> yaml.Node | None:
    """Check the parser's events first: a text that is refused then costs little. (PyYAML takes 20 s to compose 5,000
    brackets.)"""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if getattr(event, "anchor", None) is not None:
            raise YamlError(f"{source}, line {line}: anchors and aliases (& and *) are not supported: write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"{source}, line {line}: nested too deeply")
    return yaml.compose(text, Loader=_Loader)


def _construct(node: yaml.Node, path: Path, lines: dict[Path, int], source: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, source)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, n), lines, source) for n, item in enumerate(node.value)]
    return _scalar(node, source)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], source: str) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(f"{source}, line {line}: a key must be a word")
        key = key_node.value
        if key in data:
            raise YamlError(f"{source}, line {line}: {key} stands here twice (first in line {lines[*path, key]})")
        data[key] = _construct(value_node, (*path, key), lines, source)
        lines[*path, key] = line
    return data


_READERS: dict[str, Any] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:bool": lambda text: text == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
}


def _scalar(node: yaml.Node, source: str) -> Any:
    if node.tag not in _READERS:
        raise YamlError(f"{source}, line {node.start_mark.line + 1}: the tag {node.tag} is not supported")
    try:
        return _READERS[node.tag](node.value)
    except ValueError:
        raise YamlError(f"{source}, line {node.start_mark.line + 1}: {node.value!r} is not a number") from None
