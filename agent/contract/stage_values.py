"""The values that a profile gives to a stage. Each stage has a dataclass for them, so that no code reads a value by its
name as a string.

A field's name ends in its unit (`duration_s`, `temp_max_c`). Its type says how the value is read. A field with a
default may be left out of a profile. No number may be below 0, or below what the field says with `least`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


class ProfileLacks(KeyError):
    """The configuration is wrong: the profile lacks a parameter or limit. The text names it."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclasses.dataclass(frozen=True)
class NoValues:
    """A stage that takes none."""


def least(number: float, **more: Any) -> Any:
    """A field with a minimum: no profile may give less."""
    return dataclasses.field(metadata={"least": number}, **more)


def names(kind: type) -> frozenset[str]:
    """Every value that a stage reads."""
    return frozenset(_types(kind))


def needed(kind: type) -> frozenset[str]:
    """Those that every profile has to give."""
    return frozenset(one.name for one in dataclasses.fields(kind) if one.default is dataclasses.MISSING)


def least_of(kind: type, name: str) -> float:
    """The minimum for a field; 0 if the stage gives none."""
    return next((one.metadata.get("least", 0) for one in dataclasses.fields(kind) if one.name == name), 0)


def read(kind: type[T], given: Mapping[str, Any], place: str) -> T:
    """The values of a profile at `place` (`stages.Memory.params`). Raises ProfileLacks for a missing value, ValueError
    or TypeError for one of another type: both before any work is done."""
    missing = sorted(needed(kind) - given.keys())
    if missing:
        raise ProfileLacks(f"profile: {place}.{missing[0]} is missing")
    return kind(**{name: made(given[name]) for name, made in _types(kind).items() if name in given})


def read_what_is_there(kind: type[T], given: Mapping[str, Any]) -> T:
    """The same without errors, to judge a run by its frozen profile. A missing value is 0, '' or False, which orders
    nothing. Text in place of a number counts as 1."""
    absent = {name: made() for name, made in _types(kind).items() if name in needed(kind)}
    return kind(**absent | {name: _lenient(made, given[name]) for name, made in _types(kind).items() if name in given})


def _lenient(made: type, value: Any) -> Any:
    try:
        return made(value)
    except (TypeError, ValueError):
        return made(bool(value))


_TYPES: dict[type[Any], dict[str, Any]] = {}  # the types that were looked up before, since that takes a while


def _types(kind: type[Any]) -> dict[str, Any]:
    """Name → what makes the value: the field's type, or the first one of `float | None`."""
    if kind not in _TYPES:
        hints = {name: getattr(hint, "__args__", (hint,))[0] for name, hint in get_type_hints(kind).items()}
        _TYPES[kind] = {one.name: hints[one.name] for one in dataclasses.fields(kind)}
    return _TYPES[kind]
