"""The options of a wake driver or a notification channel, which a person fills in. They are declared as a dataclass:

    @dataclass(frozen=True, kw_only=True)
    class Options:
        address: str = option("address of the BMC", example="10.0.0.9")
        password: str = secret("password of `user`", example="VETTING_BMC_RACK1")
        efi: bool = option("false for a machine that boots as BIOS", default=True)

An option without a default is needed. A secret is never written down: its key ends in `_env` (`password_env`) and names
the environment variable that holds it; the driver gets the variable's value. Knows no Django: the settings read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
EMPTY: tuple[object, ...] = (None, "", (), [])
WORDS: Mapping[Any, str] = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a number",
    tuple[str, ...]: "a list of texts",
}
"""The types that an option may have."""


@dataclass(frozen=True)
class Option:
    """One option. `key` is what a person writes, `name` the attribute that the driver reads. `example` is a value, None
    where no example shows this option."""

    name: str
    kind: Any
    help: str
    example: Any
    needed: bool
    default: Any
    secret: bool
    check: Callable[[Any], str] | None = None

    @property
    def key(self) -> str:
        return f"{self.name}_env" if self.secret else self.name

    @property
    def words(self) -> str:
        """What its value must be."""
        return WORDS[self.kind]

    def takes(self, value: Any) -> bool:
        if self.kind == tuple[str, ...]:
            return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        return isinstance(value, self.kind) and (self.kind is not int or not isinstance(value, bool))

    def wrong(self, value: Any) -> str:
        """What its declaration has against a value of the right type; empty if nothing."""
        return self.check(value) if self.check else ""


class OptionProblem(Exception):
    """An option is missing, or has another type than declared. `key` is its key."""

    def __init__(self, key: str, words: str) -> None:
        self.key = key
        super().__init__(words)


def option(help: str, *, example: Any = None, default: Any = MISSING, check: Callable[[Any], str] | None = None) -> Any:
    """A field of a dataclass of options. `help` is a few words, for forms and docs. `check` says what is wrong with a
    value of the right type ("must be …", without the value, which may hold a password), or an empty text."""
    return field(default=default, metadata={"help": help, "example": example, "secret": False, "check": check})


def one_of(*values: str) -> Callable[[str], str]:
    """A check for an option that takes only these values."""
    return lambda value: "" if value in values else f"must be {' or '.join(values)}"


def within(lowest: int, highest: int) -> Callable[[int], str]:
    """A check for a number."""
    return lambda value: "" if lowest <= value <= highest else f"must be between {lowest} and {highest}"


def secret(help: str, *, example: str, optional: bool = False) -> Any:
    """A field whose value stands in the environment. `example` is a variable's name."""
    metadata = {"help": help, "example": example, "secret": True}
    return field(default="" if optional else MISSING, repr=False, metadata=metadata)


@cache
def of(declared: type) -> tuple[Option, ...]:
    """The options of a dataclass, in its order."""
    kinds = get_type_hints(declared)
    return tuple(
        Option(
            name=one.name,
            kind=kinds[one.name],
            needed=one.default is MISSING,
            default=None if one.default is MISSING else one.default,
            **one.metadata,
        )
        for one in fields(declared)
    )


def missing(declared: type, given: Mapping[str, Any]) -> list[str]:
    """The keys of required options that are not given."""
    return [one.key for one in of(declared) if one.needed and given.get(one.key) in EMPTY]


def example(declared: type) -> dict[str, Any]:
    """Keys and values as a person may write them."""
    return {one.key: one.example for one in of(declared) if one.example is not None}


def variables(declared: type, given: Mapping[str, Any]) -> list[str]:
    """The environment variables that these options name."""
    return [name for one in of(declared) if one.secret and isinstance(name := given.get(one.key), str) and name]


def read(declared: type[T], given: Mapping[str, Any], value_of: Callable[[str], str]) -> T:
    """The dataclass, filled in. `value_of` returns what an environment variable holds. Raises OptionProblem for what is
    missing or has another type; keys that are not declared are left out."""
    kind: type = declared
    values: dict[str, Any] = {}
    for one in of(kind):
        value: Any = given.get(one.key)
        if value in EMPTY:
            if one.needed:
                raise OptionProblem(one.key, "missing")
        elif not one.takes(value):
            raise OptionProblem(one.key, f"must be {one.words}")
        elif wrong := one.wrong(value):
            raise OptionProblem(one.key, wrong)
        elif one.secret:
            values[one.name] = value_of(value)
        else:
            values[one.name] = tuple(value) if isinstance(value, list) else value
    return declared(**values)
