"""What is wrong with a host's wake options, and what a person may write there. Pure; the drivers declare them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hosts import bounds, wakemethods
from hosts.options import EMPTY, Option
from hosts.readable import readable
from hosts.wakemethods import SECRET_PREFIX


def example(method: str) -> str:
    """An example as a person types it: the required options, or if there are none, the possible ones."""
    declared = [one for one in wakemethods.declared(method) if one.example is not None]
    shown = [one for one in declared if one.needed] or declared
    return json.dumps({one.key: one.example for one in shown})


def help_text() -> str:
    """The help text beside the form's field."""
    said = (
        f"{method.title}: {example(name)}" if _needed(name) else f"{method.title} needs none"
        for name, method in wakemethods.every().items()
        if not method.by_hand
    )
    return (
        f"Names and values in braces. {'; '.join(said)}. The password itself stands in that variable of the "
        "environment, never here."
    )


def problems(method: str, given: Any) -> list[str]:
    """What is wrong with these options for this way to wake, one sentence each. Options of another way are ignored."""
    if not isinstance(given, dict):
        such = next(filter(_needed, wakemethods.every()), method)
        return [f"Names and values in braces, such as {example(such)}"]
    known = _known(method)
    return [*_unknown(given, known), *_missing(method, given), *_wrong(given, known)]


def _needed(method: str) -> list[str]:
    return [one.key for one in wakemethods.declared(method) if one.needed]


def _known(method: str) -> dict[str, list[Option]]:
    """The known options by key. An option of this way to wake is checked by its own declaration; any other option by
    any declaration of its key."""
    found: dict[str, list[Option]] = {}
    for one in wakemethods.all_options():
        found.setdefault(one.key, []).append(one)
    return found | {one.key: [one] for one in wakemethods.declared(method)}


def _unknown(given: dict[str, Any], known: dict[str, list[Option]]) -> Iterator[str]:
    for key in map(bounds.QUOTE.cut, sorted(given.keys() - known.keys())[:10]):
        if "pass" in key.lower():
            yield (
                f"{key}: passwords are not kept here. Put it into the environment under a name that begins with "
                f'{SECRET_PREFIX}, and write {{"password_env": "{SECRET_PREFIX}…"}}'
            )
        else:
            yield f"{key} is not known; known are {', '.join(sorted(known))}"


def _missing(method: str, given: dict[str, Any]) -> Iterator[str]:
    if missing := [key for key in _needed(method) if given.get(key) in EMPTY]:
        yield f"{', '.join(missing)} missing, such as {example(method)}"


def _wrong(given: dict[str, Any], known: dict[str, list[Option]]) -> Iterator[str]:
    for key, value in sorted(given.items()):
        declared = known.get(key, [])
        if declared and not any(one.takes(value) for one in declared):
            yield f"{key} is {' or '.join(dict.fromkeys(one.words for one in declared))}, not {bounds.quoted(value)}"
        elif isinstance(value, str) and (too_long := bounds.WAKE_OPTION.refusal(value)):
            yield f"{key}: {too_long}"
        elif isinstance(value, str) and readable(value) != value:
            yield f"{key}: it contains an invisible character: type it again"
        elif declared and declared[0].secret and value and not value.startswith(SECRET_PREFIX):
            words = f"{key} names an environment variable, and it must begin with"
            yield f"{words} {SECRET_PREFIX}: {bounds.quoted(value)} does not"
        elif (
            value not in EMPTY and (wrong := [one.wrong(value) for one in declared if one.takes(value)]) and all(wrong)
        ):
            yield f"{key} {wrong[0]}"
