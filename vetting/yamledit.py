"""Change values in the text of a YAML file. Comments, order and everything that is not changed stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from hosts import yamllines

Value = str | int | bool | None
# Section → key → value.
Changes = Mapping[str, Mapping[str, Value]]


class CanNotEdit(ValueError):
    """The text has a shape that is not edited; the message says which."""


def changed(text: str, changes: Changes) -> str:
    """The text with these values. A key that is not there is added at the beginning of its section, a section that is
    not there at the end. Raises YamlError for a text that is no YAML, CanNotEdit if a section is no mapping."""
    yamllines.parse(text, "vetting.yaml")
    for section, values in changes.items():
        for key, value in reversed(list(values.items())):
            text = _set(text, section, key, _written(value))
    return text


def _set(text: str, section: str, key: str, value: str) -> str:
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if top is None:
        return f"{text.rstrip()}\n\n{section}:\n  {key}: {value}\n".lstrip("\n")
    node = _of(_mapping(top, "the file"), section)
    if node is None:
        return f"{text.rstrip()}\n\n{section}:\n  {key}: {value}\n"
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
        return _replaced(text, node, f"\n  {key}: {value}")
    mapping = _mapping(node, section)
    there = _of(mapping, key)
    return _added(text, mapping, key, value) if there is None else _replaced(text, there, value)


def _mapping(node: yaml.Node, what: str) -> yaml.MappingNode:
    if not isinstance(node, yaml.MappingNode):
        raise CanNotEdit(f"line {node.start_mark.line + 1}: {what} is no list of keys and values")
    return node


def _of(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    """A comment behind the value stays in its column if there is room."""
    before, old = text[: node.start_mark.index], text[node.start_mark.index : node.end_mark.index]
    after = text[node.end_mark.index :]
    if not old and before.endswith(":") and not value.startswith("\n"):
        value = f" {value}"  # a key without a value
    line, end, rest = after.partition("\n")
    comment = line.lstrip(" ")
    if comment.startswith("#"):
        room = len(old) + len(line) - len(comment)
        line = " " * max(2, room - len(value)) + comment
    return f"{before}{value}{line}{end}{rest}"


def _added(text: str, node: yaml.MappingNode, key: str, value: str) -> str:
    at = node.start_mark.index
    if node.flow_style:
        return f"{text[: at + 1]}{key}: {value}{', ' if node.value else ''}{text[at + 1 :]}"
    indent = " " * node.start_mark.column
    return f"{text[:at]}{key}: {value}\n{indent}{text[at:]}"


def _written(value: Value) -> str:
    """As YAML and our reader understand it: JSON, without quotes where a plain word is enough."""
    text = json.dumps(value)
    if isinstance(value, str) and value and all(one.isalnum() or one in "._/-" for one in value):
        plain = yamllines.parse(value, "").data
        return value if plain == value and value not in _WORDS_OF_YAML else text
    return text


# Words that other readers of YAML take for true or false.
_WORDS_OF_YAML = frozenset({"on", "off", "yes", "no", "y", "n", "On", "Off", "Yes", "No"})
