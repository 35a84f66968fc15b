"""An expected spec beside what was found, line by line. Pure: two specs in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hosts.parts import BY_LEAF, Kind
from hosts.versions import WORDS

Spec = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One value. `path` is written as in differences. None means not stated, or not found."""

    path: str
    part: str
    leaf: str
    expected: Any
    found: Any


@dataclass(frozen=True)
class Section:
    """`stated` is False if the spec leaves the section out, so that nothing in it is checked."""

    title: str
    stated: bool
    lines: Sequence[Line]


def sections(expected: Spec | None, found: Spec) -> list[Section]:
    """All sections that either spec states. `found` is a spec made from an inventory."""
    wanted = expected or {}
    made = []
    for kind in BY_LEAF.values():
        old, new = (kind.within(spec) for spec in (wanted, found))
        lines = list(_parts(kind, old or [], new or []) if kind.keys else _values(kind.path, old or {}, new or {}))
        if lines or old is not None:
            made.append(Section(kind.titles, old is not None, lines))
    return made


def _values(path: str, old: Spec, new: Spec, part: str = "") -> Iterator[Line]:
    for leaf in [*old, *(key for key in new if key not in old)]:
        values = [spec.get(leaf) for spec in (old, new)]
        if any(isinstance(value, dict) for value in values):
            yield from _by_name(f"{path}.{leaf}", leaf, *(value or {} for value in values))
        elif not any(_lists_parts(value) for value in values):
            yield Line(f"{path}.{leaf}", part, leaf, *values)


def _lists_parts(value: Any) -> bool:
    return isinstance(value, list) and not all(isinstance(one, str) for one in value)


def _by_name(path: str, leaf: str, old: Spec, new: Spec) -> Iterator[Line]:
    """Firmware and settings by the names of the parts that have them."""
    for name in [*old, *(name for name in new if name not in old)]:
        yield Line(f"{path}[{name}]", "", f"{WORDS.get(leaf, leaf)} {name}", old.get(name), new.get(name))


def _parts(kind: Kind, old: list[Spec], new: list[Spec]) -> Iterator[Line]:
    """The parts of a section. A found part is paired with the expected part that has one of its names."""
    left = list(new)
    for spec in old:
        match = next((part for part in left if _same(kind, spec, part)), None)
        if match is not None:
            left.remove(match)
        yield from _part(kind, spec, match)
    for part in left:
        yield from _part(kind, None, part)


def _part(kind: Kind, old: Spec | None, new: Spec | None) -> Iterator[Line]:
    """One line for the part, then one for each value that the spec states and that differs."""
    key = kind.name(old or new or {})
    path = f"{kind.path}[{key}]"
    yield Line(path, key, "", _whole(old, key, "expected"), _whole(new, key, "there"))
    if old is not None and new is not None:
        values = _values(path, old, new, key)
        yield from (line for line in values if line.expected is not None and line.expected != line.found)


def _whole(part: Spec | None, key: str, otherwise: str) -> Any:
    """The values of a part beside its name; the long WWN last."""
    if part is None:
        return None
    return {k: part[k] for k in sorted(part, key="wwn".__eq__) if part[k] != key} or otherwise


def _same(kind: Kind, old: Spec, new: Spec) -> bool:
    given = [(old.get(key), new.get(key)) for key in kind.keys if old.get(key)]
    return any(a == b for a, b in given[:1]) if kind.word != "disk" else bool(given) and all(a == b for a, b in given)
