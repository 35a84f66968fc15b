"""JSON to the dataclasses of `wire` and back, strictly: an unknown or missing field, a wrong type or a bad enum value
raises `WireError` naming the path. Used by the agent and by the server alike."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from agent import wire

T = TypeVar("T")


class WireError(ValueError):
    """A message that is not of the contract. `path` is where, e.g. `findings[2].severity`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'message'}: {problem}")
        self.path = path
        self.problem = problem


def dumps(message: Any) -> bytes:
    """One message as compact JSON (UTF-8)."""
    return json.dumps(encode(message), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def loads(kind: type[T], body: bytes) -> T:
    """Parse JSON into `kind`; raises WireError for anything that is not exactly that message."""
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("", f"not JSON: {error}") from None
    return decode(kind, data)


def encode(value: Any) -> Any:
    """A message as plain JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    return value


def decode(kind: Any, data: Any, path: str = "") -> Any:
    """Plain JSON types as `kind` (a dataclass, enum, list[…], dict[str, …], union or scalar)."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return data
    if origin in (types.UnionType, typing.Union):
        return _decode_union(typing.get_args(kind), data, path)
    if origin is list:
        return [decode(typing.get_args(kind)[0], item, f"{path}[{n}]") for n, item in enumerate(_is(list, data, path))]
    if origin is dict:
        inner = typing.get_args(kind)[1]
        pairs = _is(dict, data, path).items()
        return {_text(key, path): decode(inner, item, f"{path}.{key}") for key, item in pairs}
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, data, path)
    if issubclass(kind, StrEnum):
        return _decode_enum(kind, data, path)
    return _decode_scalar(kind, data, path)


def fingerprint() -> str:
    """12 hex digits that change whenever a field, type or enum value of the contract does."""
    return hashlib.sha256(json.dumps(_shape(), sort_keys=True).encode()).hexdigest()[:12]


def _shape() -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for name, kind in sorted(vars(wire).items()):
        if dataclasses.is_dataclass(kind):
            shape[name] = {f.name: [str(f.type), _is_optional(f)] for f in dataclasses.fields(kind)}
        elif isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum:
            shape[name] = [member.value for member in kind]
    return shape


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_optional(f: dataclasses.Field) -> bool:
    return f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _is(kind: type, data: Any, path: str) -> Any:
    if not isinstance(data, kind):
        raise WireError(path, f"expected {_word(kind)}, got {_word(type(data))}")
    return data


def _word(kind: type) -> str:
    return {
        dict: "object",
        list: "array",
        str: "string",
        int: "integer",
        float: "number",
        bool: "boolean",
    }.get(kind, "null" if kind is type(None) else kind.__name__)


def _decode_union(kinds: tuple[Any, ...], data: Any, path: str) -> Any:
    if data is None and type(None) in kinds:
        return None
    problems = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return decode(kind, data, path)
        except WireError as error:
            problems.append(error)
    raise problems[0] if len(problems) == 1 else WireError(path, " or ".join(p.problem for p in problems))


def _decode_dataclass(kind: type, data: Any, path: str) -> Any:
    _is(dict, data, path)
    hints, fields = _hints(kind), dataclasses.fields(kind)
    for name in data.keys() - hints.keys():
        raise WireError(_join(path, name), "unknown field")
    for f in fields:
        if f.name not in data and not _is_optional(f):
            raise WireError(_join(path, f.name), "missing field")
    return kind(**{name: decode(hints[name], value, _join(path, name)) for name, value in data.items()})


def _decode_enum(kind: type[StrEnum], data: Any, path: str) -> StrEnum:
    try:
        return kind(_is(str, data, path))
    except ValueError:
        raise WireError(path, f"{data!r} is none of {', '.join(kind)}") from None


def _decode_scalar(kind: type, data: Any, path: str) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        data = _to_float(data, path)
    if isinstance(data, bool) and kind is not bool:
        raise WireError(path, f"expected {_word(kind)}, got boolean")
    if isinstance(data, float) and not math.isfinite(data):
        raise WireError(path, "not a finite number")
    if isinstance(data, int) and abs(data) >= 2**63:
        raise WireError(path, "number too large")
    return _text(data, path) if isinstance(_is(kind, data, path), str) else data


def _text(data: str, path: str) -> str:
    try:
        data.encode()
    except UnicodeEncodeError:
        raise WireError(path, "not valid Unicode (a lone surrogate)") from None
    return data


def _to_float(data: int, path: str) -> float:
    try:
        return float(data)
    except OverflowError:
        raise WireError(path, "number too large") from None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)
