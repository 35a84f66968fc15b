"""Says in words what is wrong with a machine file: where, what was written, and what could have been."""

from __future__ import annotations

import types
import typing

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per mistake. An unknown word comes with the words known at that place."""
    return [_line(mistake, model) for mistake in error.errors()]


def _line(mistake: dict[str, typing.Any], model: type[BaseModel]) -> str:
    path = mistake["loc"]
    where = ".".join(str(step) for step in path)
    if mistake["type"] == "extra_forbidden":
        known = ", ".join(_model_at(model, path[:-1]).model_fields)
        place = ".".join(str(step) for step in path[:-1]) or "top level"
        return f"{place}: unknown word '{path[-1]}'; known are: {known}"
    if mistake["type"] in ("literal_error", "enum"):
        return f"{where}: unknown word {mistake['input']!r}; known are: {mistake['ctx']['expected']}"
    message = mistake["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel]:
    """The model that stands at a place such as ("disks", 0)."""
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = _inner_model(model.model_fields[step].annotation) or model
    return model


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for part in typing.get_args(annotation) if (found := _inner_model(part))), None)
