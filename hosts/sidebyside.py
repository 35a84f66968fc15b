"""An expected spec beside what was found, line by line. Pure: two specs in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

_NAMES = {"dimms": ("locator",), "disks": ("serial", "wwn"), "nics": ("mac",), "gpus": ("uuid", "model"),
          "psus": ("name",), "fans": ("name",)}  # fmt: skip
TITLES = {
    "system": "System", "cpu": "Processors", "memory": "Memory", "dimms": "Memory modules", "disks": "Disks",
    "nics": "Network cards", "gpus": "Graphics cards", "psus": "Power supplies", "fans": "Fans", "firmware": "Firmware",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One value. `path` as differences have it; None is what is not stated, or not there."""

    path: str
    part: str
    leaf: str
    expected: Any
    found: Any


@dataclass(frozen=True)
class Section:
    """`stated` is False where the spec leaves the whole of it out, so that nothing of it is checked."""

    title: str
    stated: bool
    lines: Sequence[Line]


def sections(expected: Spec | None, found: Spec) -> list[Section]:
    """Everything that either of the two states. `found` is a spec made from an inventory."""
    wanted = expected or {}
    made = []
    for name, title in TITLES.items():
        holder = "memory" if name == "dimms" else ""
        old, new = (_under(spec, holder).get(name) for spec in (wanted, found))
        lines = list(_parts(name, old or [], new or []) if name in _NAMES else _values(name, old or {}, new or {}))
        if lines or old is not None:
            made.append(Section(title, old is not None, lines))
    return made


def _under(spec: Spec, holder: str) -> Spec:
    return (spec.get(holder) or {}) if holder else spec


def _values(name: str, old: Spec, new: Spec, prefix: str = "", part: str = "") -> Iterator[Line]:
    for leaf in [*old, *(key for key in new if key not in old)]:
        values = [spec.get(leaf) for spec in (old, new)]
        if not any(isinstance(value, list) for value in values):
            yield Line(f"{prefix or name}.{leaf}", part, leaf, *values)


def _parts(name: str, old: list[Spec], new: list[Spec]) -> Iterator[Line]:
    """Part by part, found ones with those that are expected under any of their names."""
    left = list(new)
    for spec in old:
        match = next((part for part in left if _same(name, spec, part)), None)
        if match is not None:
            left.remove(match)
        yield from _part(name, spec, match)
    for part in left:
        yield from _part(name, None, part)


def _part(name: str, old: Spec | None, new: Spec | None) -> Iterator[Line]:
    """The part as a whole, then each value that the spec states and that was found otherwise."""
    key = _name(name, old or new or {})
    path = f"{'memory.' if name == 'dimms' else ''}{name}[{key}]"
    yield Line(path, key, "", _whole(old, key, "expected"), _whole(new, key, "there"))
    if old is not None and new is not None:
        values = _values(name, old, new, path, key)
        yield from (line for line in values if line.expected is not None and line.expected != line.found)


def _whole(part: Spec | None, key: str, otherwise: str) -> Any:
    """What is said of a part beside its name; the long WWN last."""
    if part is None:
        return None
    return {k: part[k] for k in sorted(part, key="wwn".__eq__) if part[k] != key} or otherwise


def _same(name: str, old: Spec, new: Spec) -> bool:
    given = [(old.get(key), new.get(key)) for key in _NAMES[name] if old.get(key)]
    return any(a == b for a, b in given[:1]) if name != "disks" else bool(given) and all(a == b for a, b in given)


def _name(name: str, part: Spec) -> str:
    return next((str(part[key]) for key in _NAMES[name] if part.get(key)), "")
