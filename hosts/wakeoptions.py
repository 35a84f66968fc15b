"""The options of each way to wake a host: which there are, which are needed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hosts import bounds
from hosts.models import WakeMethod
from hosts.readable import readable

PASSWORD_PREFIX = "VETTING_BMC_"


@dataclass(frozen=True)
class Options:
    """`example` as it is typed."""

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    example: str = "{}"


OPTIONS: Mapping[str, Options] = {
    WakeMethod.WOL: Options(optional=("broadcast",), example='{"broadcast": "10.0.7.255"}'),
    WakeMethod.REDFISH: Options(
        ("url", "user", "password_env"),
        ("system", "verify_tls"),
        '{"url": "https://10.0.0.9", "user": "vetting", "password_env": "VETTING_BMC_RACK1"}',
    ),
    WakeMethod.IPMI: Options(
        ("address", "user", "password_env"),
        ("efi",),
        '{"address": "10.0.0.9", "user": "vetting", "password_env": "VETTING_BMC_RACK1"}',
    ),
    WakeMethod.OPERATOR: Options(),
}
YES_OR_NO = frozenset({"efi", "verify_tls"})
_KNOWN = frozenset(name for options in OPTIONS.values() for name in options.needed + options.optional)


def problems(method: str, given: Any) -> list[str]:
    """What is wrong with these options for this way to wake, a sentence each. Those of another way may stay."""
    if not isinstance(given, dict):
        return [f"Names and values in braces, such as {OPTIONS[WakeMethod.IPMI].example}"]
    return [*_unknown(given), *_missing(method, given), *_wrong(given)]


def _unknown(given: dict[str, Any]) -> Iterator[str]:
    for name in map(bounds.QUOTE.cut, sorted(given.keys() - _KNOWN)[:10]):
        if "pass" in name.lower():
            yield (
                f"{name}: passwords are not kept here. Put it into the environment under a name that begins with "
                f'{PASSWORD_PREFIX}, and write {{"password_env": "{PASSWORD_PREFIX}…"}}'
            )
        else:
            yield f"{name} is not known; known are {', '.join(sorted(_KNOWN))}"


def _missing(method: str, given: dict[str, Any]) -> Iterator[str]:
    options = OPTIONS.get(method, Options())
    if missing := [name for name in options.needed if not given.get(name)]:
        yield f"{', '.join(missing)} missing, such as {options.example}"


def _wrong(given: dict[str, Any]) -> Iterator[str]:
    for name, value in sorted(given.items()):
        if name in YES_OR_NO and not isinstance(value, bool):
            yield f"{name} is true or false, not {bounds.quoted(value)}"
        elif name in _KNOWN - YES_OR_NO and not isinstance(value, str):
            yield f"{name} is a text in quotes, not {bounds.quoted(value)}"
        elif isinstance(value, str) and (too_long := bounds.WAKE_OPTION.refusal(value)):
            yield f"{name}: {too_long}"
        elif isinstance(value, str) and readable(value) != value:
            yield f"{name}: it holds a character that can't be seen: type it anew"
    name = given.get("password_env")
    if isinstance(name, str) and name and not name.startswith(PASSWORD_PREFIX):
        words = "password_env names an environment variable, and it must begin with"
        yield f"{words} {PASSWORD_PREFIX}: {bounds.quoted(name)} does not"
