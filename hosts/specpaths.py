"""Paths into an expected spec, as `pinned` and differences write them: `memory.dimms[DIMM_A1].part`. The valid paths
are read from the schema. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from hosts.nearest import did_you_mean, nearest
from hosts.parts import LISTS

TEXT, NUMBER, YES_OR_NO = "text", "number", "true or false"
PART, LIST, MAP, WORDS = "part", "list", "map", "words"
# Path with [] for the name of a part → its type.
Table = Mapping[str, str]
_NAMED = re.compile(r"([^\[\]]*)\[(.*)\]((?:\.[^\[\]]*)?)", re.S)


@dataclass(frozen=True)
class Place:
    """`pattern` such as `memory.dimms[].part`, `name` such as `DIMM_A1`; None where the path has no brackets. A name
    may hold brackets and dots of its own, as in `fans[FAN [1]].name`."""

    pattern: str
    name: str | None = None

    @property
    def holder(self) -> str:
        return self.pattern.partition("[]")[0]

    @property
    def leaf(self) -> str:
        """The part of the path behind the brackets."""
        return self.pattern.partition("[]")[2].lstrip(".")

    def text(self) -> str:
        return self.pattern.replace("[]", f"[{self.name or _example(self.holder)}]")


def table(schema: type[BaseModel], before: str = "") -> dict[str, str]:
    """Everything that a spec may state, in the schema's order."""
    found: dict[str, str] = {}
    for name, field in schema.model_fields.items():
        found |= _entry(f"{before}{name}", list(_types(field.annotation)))
    return found


def place(path: str) -> Place:
    match = _NAMED.fullmatch(path)
    return Place(f"{match[1]}[]{match[3]}", match[2]) if match else Place(path)


def children(known: Table, pattern: str) -> list[str]:
    """The keys that are allowed in this part; for an empty pattern, those of the whole spec."""
    start = f"{pattern}." if pattern else ""
    rest = [path.removeprefix(start) for path in known if path.startswith(start)]
    return [key for key in rest if "." not in key and "[" not in key]


def known_instead(path: Sequence[str | int], known: Table) -> str:
    """The keys that are allowed in place of the last key of a path, and the most likely one."""
    *way, key = path
    keys = children(known, "".join("[]" if isinstance(step, int) else f".{step}" for step in way).lstrip("."))
    elsewhere = _nearest(str(key), [path for path in known if not path.endswith("[]")])
    hint = did_you_mean(str(key), keys) or (f"; did you mean {elsewhere!r}?" if elsewhere else "")
    return f"known here: {', '.join(keys)}{hint}"


def names(spec: Mapping[str, Any], holder: str) -> list[str]:
    """The names of the parts of a list, as differences write them."""
    there = _within(spec, holder)
    if isinstance(there, dict):
        return list(there)
    kind = LISTS.get(holder.rpartition(".")[2])
    return [kind.name(part) for part in there or []] if kind else []


def why_not_pinned(path: str, spec: Mapping[str, Any], known: Table) -> str:
    """Why this path can't be pinned; empty if it leads to a text that the spec states."""
    to = place(path)
    kind = known.get(to.pattern)
    if kind is None:
        return f"is no path of the spec{_meant(_nearest(to.pattern, _texts(known)), to)}"
    if kind in (NUMBER, YES_OR_NO):
        return "is no text; only texts can be pinned, and less than expected is critical as it is"
    if kind != TEXT:
        inner = next((path for path in _texts(known) if path.startswith(to.pattern)), "")
        return "is more than one text: name one" + (f", such as {Place(inner, to.name).text()!r}" if inner else "")
    there = names(spec, to.holder) if to.name is not None else []
    if to.name is not None and to.name not in there:
        return f"names a part that the spec does not list{_meant_part(to, there)}"
    return "" if stated(spec, to) else "is not stated in the spec: state the text that it must be"


def stated(spec: Mapping[str, Any], to: Place) -> Any:
    """The value at a path; None if the spec states none."""
    there = _within(spec, to.holder)
    if to.name is None:
        return there
    if isinstance(there, dict):
        return there.get(to.name)
    kind = LISTS.get(to.holder.rpartition(".")[2])
    parts: list[dict[str, Any]] = there or []
    part: dict[str, Any] = next((part for part in parts if kind and kind.name(part) == to.name), {})
    return part.get(to.leaf)


def _nearest(pattern: str, paths: list[str]) -> str:
    """The most similar path: by the whole path, else by its last word (`bios` for `firmware.bios`)."""
    by_last = {path.rpartition(".")[2]: path for path in reversed(paths)}
    return nearest(pattern, paths) or by_last.get(nearest(pattern.rpartition(".")[2], by_last), "")


def _entry(path: str, types: list[Any]) -> dict[str, str]:
    model = next((kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    origins = {get_origin(kind) for kind in types}
    if model is not None and list in origins:
        return {path: LIST, f"{path}[]": PART, **table(model, f"{path}[].")}
    if model is not None:
        return {path: PART, **table(model, f"{path}.")}
    if dict in origins:
        return {path: MAP, f"{path}[]": NUMBER if int in types else TEXT}
    if list in origins:
        return {path: WORDS}
    return {path: YES_OR_NO if bool in types else NUMBER if int in types else TEXT}


def _types(annotation: Any) -> Iterator[Any]:
    """The annotation and the types inside it."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _types(inner)


def _within(spec: Mapping[str, Any], path: str) -> Any:
    here: Any = spec
    for step in path.split("."):
        here = here.get(step) if isinstance(here, dict) else None
    return here


def _texts(known: Table) -> list[str]:
    return [path for path, kind in known.items() if kind == TEXT]


def _meant(pattern: str, to: Place) -> str:
    return f"; did you mean {Place(pattern, to.name).text()!r}?" if pattern else ""


def _meant_part(to: Place, there: list[str]) -> str:
    near = nearest(to.name or "", there) or (there[0] if len(there) == 1 else "")
    return _meant(to.pattern, Place(to.pattern, near)) if near else ""


def _example(holder: str) -> str:
    """The placeholder in the brackets: SERIAL, MAC, NAME."""
    kind = LISTS.get(holder.rpartition(".")[2])
    return kind.keys[0].upper() if kind else "MODEL"
