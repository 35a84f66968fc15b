"""`notifications.targets` of vetting.yaml: each has a kind, and the options that the channel of this kind declares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails

from hosts import options, specpaths
from notifications import channels
from vetting.section import Section

_PATH = ("notifications", "targets")


class Target(Section):
    """One place that messages go to. Targets of a kind are of a subclass that has the channel's options as fields."""

    name: str
    kind: str

    @property
    def given(self) -> dict[str, Any]:
        """Its keys and values, beside its name and kind."""
        return self.model_dump(exclude={"name", "kind"})

    @property
    def secrets(self) -> list[str]:
        """The environment variables that the target names."""
        return options.variables(_declared(self.kind), self.given)

    @model_validator(mode="after")
    def _complete(self) -> Target:
        if missing := options.missing(_declared(self.kind), self.given):
            raise ValueError(f"a {self.kind} target also needs {', '.join(missing)}")
        return self


def _declared(kind: str) -> type:
    return channels.channel(kind).SERVICE.options


@cache
def model(kind: str) -> type[Target]:
    """The fields of a target of this kind. What is needed and missing is told in one sentence, by `_complete`."""
    fields: dict[str, Any] = {}
    for one in options.of(_declared(kind)):
        of_kind, default = (str, one.default or "") if one.secret else (one.kind, one.default)
        fields[one.key] = (of_kind | None if default is None else of_kind, Field(default, description=one.help))
    return create_model(f"Target_{kind}", __base__=Target, **fields)


def _by_kind(given: Any) -> Target:
    """Check a target by the channel of its kind. Options of other channels are allowed, as in earlier versions."""
    if isinstance(given, Target):
        return given
    if not isinstance(given, dict) or "kind" not in given:
        return Target.model_validate(given)
    kind = given["kind"]
    if kind not in channels.NAMES:
        raise _unknown(kind)
    own = model(kind).model_fields
    return model(kind).model_validate({key: given[key] for key in given if key in own or key not in _all_keys()})


@cache
def _all_keys() -> frozenset[str]:
    return frozenset(one.key for name in channels.NAMES for one in options.of(_declared(name)))


def _unknown(kind: Any) -> ValidationError:
    *names, last = (repr(name) for name in channels.NAMES)
    expected = f"{', '.join(names)} or {last}" if names else last
    problem = InitErrorDetails(type="literal_error", loc=("kind",), input=kind, ctx={"expected": expected})
    return ValidationError.from_exception_data("Target", [problem])


AnyTarget = Annotated[Target, PlainValidator(_by_kind)]


def paths(loc: Sequence[str | int], data: Any) -> specpaths.Table:
    """The keys that are allowed in the target that `loc` leads into; empty if it leads elsewhere."""
    if tuple(loc[:2]) != _PATH or len(loc) < 4:
        return {}
    kind = data["notifications"]["targets"][loc[2]].get("kind")
    return specpaths.table(model(kind), "notifications.targets[].") if kind in channels.NAMES else {}
