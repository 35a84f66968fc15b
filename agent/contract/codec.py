"""Turns JSON into the dataclasses of `wire` and back. Decoding is strict: an unknown or missing field, a wrong type or
a bad enum value raises `WireError`, which names the path. The agent and the server both use this module."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from agent.contract import wire

T = TypeVar("T")
Decoder = Callable[[Any], Any]
# An error message quotes no more of the received data than this.
MAX_PLACE_CHARS, MAX_PATH_CHARS, MAX_PROBLEM_CHARS, MAX_QUOTED_CHARS = 60, 200, 300, 60


class WireError(ValueError):
    """A message that does not follow the contract. `path` says where, for example `findings[2].severity`. Path and text
    are short, whatever was received: they are logged and sent back."""

    def __init__(self, path: str, problem: str) -> None:
        path, problem = _short(path, MAX_PATH_CHARS), _short(problem, MAX_PROBLEM_CHARS)
        super().__init__(f"{path or 'message'}: {problem}")
        self.path = path
        self.problem = problem

    def within(self, place: str) -> WireError:
        """The same error with `place`, a field's name or `[index]`, before its path."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return WireError(f"{_short(place, MAX_PLACE_CHARS)}{dot}{self.path}", self.problem)


def dumps(message: Any) -> bytes:
    """One message as compact JSON (UTF-8)."""
    return json.dumps(encode(message), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def loads(kind: type[T], body: bytes) -> T:
    """Parse JSON into `kind`. Raises WireError for anything else than exactly such a message."""
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("", f"not JSON: {error}") from None
    message: T = decode(kind, data)
    return message


def encode(value: Any) -> Any:
    """A message as plain JSON types."""
    kind: Any = type(value)
    names = _names(kind)
    if names is not None:
        return {name: encode(getattr(value, name)) for name in names}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    return value


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for other types."""
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def decode(kind: Any, data: Any) -> Any:
    """Plain JSON types as `kind` (a dataclass, enum, list[…], dict[str, …], union or scalar)."""
    return _decoder(kind)(data)


def fingerprint() -> str:
    """12 hex digits that change whenever a field, a type or an enum value of the contract changes."""
    return hashlib.sha256(json.dumps(_shape(), sort_keys=True).encode()).hexdigest()[:12]


def _shape() -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for name, kind in sorted(vars(wire).items()):
        if dataclasses.is_dataclass(kind):
            shape[name] = {f.name: [str(f.type), _is_optional(f)] for f in dataclasses.fields(kind)}
        elif isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum:
            shape[name] = [member.value for member in kind]
    return shape


def _is_optional(f: dataclasses.Field[Any]) -> bool:
    return f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


# --- decoders: one function per type, made once -------------------------------------------------------------------


@cache
def _decoder(kind: Any) -> Decoder:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return lambda data: data
    if origin in (types.UnionType, typing.Union):
        return _union(inner)
    if origin is list:
        return _list(_decoder(inner[0]))
    if origin is dict:
        return _dict(_decoder(inner[1]))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    return _enum(kind) if issubclass(kind, StrEnum) else _SCALARS[kind]


def _union(kinds: tuple[Any, ...]) -> Decoder:
    decoders = [_decoder(kind) for kind in kinds if kind is not type(None)]
    takes_null = len(decoders) < len(kinds)

    def decode_union(data: Any) -> Any:
        if data is None and takes_null:
            return None
        problems = []
        for decoder in decoders:
            try:
                return decoder(data)
            except WireError as error:
                problems.append(error)
        raise problems[0] if len(problems) == 1 else WireError("", " or ".join(p.problem for p in problems))

    return decode_union


def _list(item: Decoder) -> Decoder:
    def decode_list(data: Any) -> Any:
        if type(data) is not list:
            raise _wrong("array", data)
        decoded = []
        for value in data:
            try:
                decoded.append(item(value))
            except WireError as error:
                raise error.within(f"[{len(decoded)}]") from None
        return decoded

    return decode_list


def _dict(value: Decoder) -> Decoder:
    def decode_dict(data: Any) -> Any:
        if type(data) is not dict:
            raise _wrong("object", data)
        decoded = {}
        for key, item in data.items():
            try:
                decoded[_text(key)] = value(item)
            except WireError as error:
                raise error.within(ascii(key[: MAX_PLACE_CHARS + 1])[1:-1]) from None
        return decoded

    return decode_dict


def _dataclass(kind: type) -> Decoder:
    hints = typing.get_type_hints(kind)
    decoders: dict[str, Decoder] = {}
    required = [f.name for f in dataclasses.fields(kind) if not _is_optional(f)]
    scalars = tuple(hints.items()) if all(hint in (str, float) for hint in hints.values()) else ()

    def decode_dataclass(data: Any) -> Any:
        if type(data) is not dict:
            raise _wrong("object", data)
        if scalars and _is_plain(scalars, data):
            plain: Any = object.__new__(kind)
            plain.__dict__.update(data)  # a frozen dataclass's own __init__ takes three times as long
            return plain
        if not decoders:  # made late: a type may hold itself
            decoders.update({name: _decoder(hint) for name, hint in hints.items()})
        for name in required:
            if name not in data:
                raise WireError(name, "missing field")
        fields = {}
        for name, value in data.items():
            decoder = decoders.get(name)
            if decoder is None:
                raise WireError(_short(ascii(name[: MAX_PLACE_CHARS + 1])[1:-1], MAX_PLACE_CHARS), "unknown field")
            try:
                fields[name] = decoder(value)
            except WireError as error:
                raise error.within(name) from None
        return kind(**fields)

    return decode_dataclass


def _is_plain(scalars: tuple[tuple[str, Any], ...], data: dict[str, Any]) -> bool:
    """Whether these are exactly the fields in their order, ASCII texts and finite numbers: the usual case, for which
    nothing has to be converted. A batch has fifty of them."""
    if len(data) != len(scalars):
        return False
    for (name, value), (wanted, kind) in zip(data.items(), scalars, strict=True):
        if name != wanted or type(value) is not kind:
            return False
        if not (value.isascii() if isinstance(value, str) else math.isfinite(value)):
            return False
    return True


def _enum(kind: type[StrEnum]) -> Decoder:
    members = {member.value: member for member in kind}

    def decode_enum(data: Any) -> StrEnum:
        try:
            return members[_text(data)]
        except KeyError:
            raise WireError("", f"{data[:MAX_QUOTED_CHARS]!r} is none of {', '.join(kind)}") from None

    return decode_enum


def _text(data: Any) -> str:
    if type(data) is not str:
        raise _wrong("string", data)
    if not data.isascii():
        try:
            data.encode()
        except UnicodeEncodeError:
            raise WireError("", "not valid Unicode (a lone surrogate)") from None
    return data


def _float(data: Any) -> float:
    if type(data) is int and abs(data) < 2**63:
        return float(data)
    if type(data) is not float:
        raise WireError("", "number too large") if type(data) is int else _wrong("number", data)
    if not math.isfinite(data):
        raise WireError("", "not a finite number")
    return data


def _int(data: Any) -> int:
    if type(data) is not int:
        raise _wrong("integer", data)
    if abs(data) >= 2**63:
        raise WireError("", "number too large")
    return data


def _bool(data: Any) -> bool:
    if type(data) is not bool:
        raise _wrong("boolean", data)
    return data


_SCALARS: dict[type, Decoder] = {str: _text, float: _float, int: _int, bool: _bool}
_WORDS = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}


def _wrong(expected: str, data: Any) -> WireError:
    return WireError("", f"expected {expected}, got {_WORDS.get(type(data), 'null')}")
