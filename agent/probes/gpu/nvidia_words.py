"""What nvidia-smi writes in place of a number or a yes or no: a value, a note that the card has no such thing, or an
error of the driver.

The errors are the words of NVML's nvmlErrorString (nvml.h; NVIDIA's NVML reference, "Device Return Codes").
nvidia-smi's table writes ERR! for all of them, queries write them in brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from agent.parsing import clean

# The card or its driver does not have this (NVML_ERROR_NOT_SUPPORTED is printed as N/A).
_ABSENT = frozenset({"n/a", "not supported", "not applicable"})
# Newer drivers report the value in another element. This text is neither a value nor an error.
_MOVED = "requested functionality has been deprecated"
# "Insufficient Permissions" is about the caller: Blackwell cards print it for their power smoothing, a setting.
_ERRORS = re.compile(
    r"ERR!|unknown error|gpu is lost|fallen off the bus|requires? reset|reset required|"
    r"insufficient(?! permissions?\b)|corrupted inforom|inforom is corrupted|driver not loaded|not initialized|"
    r"uninitialized|timed? ?out|interrupt request issue|access blocked|version mismatch|in use by another client|"
    r"invalid argument|no data|unable to determine|memory error|\berror\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(\d{1,18})(?:\.\d{1,9})?(?: [A-Za-z%()]{1,12})?")
# A program or a person wrote these, not the card.
_NOT_THE_CARDS = frozenset({"processes", "accounted_processes", "product_name", "vbios_version", "mig_devices"})
_MOST_ERRORS = 20
# The schema is at most four levels deep.
DEEPEST = 8


@dataclass(frozen=True)
class Value:
    """`number` or `flag` if one was read; `is_absent` if the card declares that it does not have this; else `trouble`
    quotes the text."""

    number: int | None = None
    flag: bool | None = None
    is_absent: bool = False
    trouble: str = ""


def plain(text: str | None) -> str:
    """The text without the brackets that queries put around anything but a value."""
    words = clean(text)
    return words[1:-1].strip() if words.startswith("[") and words.endswith("]") else words


def is_absent(text: str | None) -> bool:
    return plain(text).casefold() in _ABSENT


def is_moved(text: str | None) -> bool:
    return plain(text).casefold() == _MOVED


def is_error(text: str | None) -> bool:
    words = plain(text)[:200]
    return not is_moved(text) and _ERRORS.search(words) is not None


def number(element: Element | None, name: str) -> Value:
    """A count. An element that is empty, or holds anything but a number, is trouble."""
    if element is None:
        return Value()
    words = plain(element.text)
    if match := _NUMBER.fullmatch(words):
        return Value(number=int(match[1]))
    return Value(is_absent=True) if is_absent(words) else Value(trouble=f"{name}: {words[:60] or 'nothing'}")


def yes_or_no(element: Element | None, name: str) -> Value:
    if element is None:
        return Value()
    words = plain(element.text)
    flag = {"yes": True, "no": False}.get(words.casefold())
    if flag is not None:
        return Value(flag=flag)
    absent = is_absent(words) or is_moved(words)
    return Value(is_absent=True) if absent else Value(trouble=f"{name}: {words[:60] or 'nothing'}")


def errors(card: Element) -> tuple[str, ...]:
    """Each answer of this card that is an error, as `gpu_temp: Unknown Error`."""
    found: list[str] = []
    _collect(card, found)
    return tuple(found[:_MOST_ERRORS])


def _collect(element: Element, found: list[str], depth: int = 0) -> None:
    for child in element if depth < DEEPEST else ():
        if child.tag in _NOT_THE_CARDS or len(found) >= _MOST_ERRORS:
            continue
        if len(child):
            _collect(child, found, depth + 1)
        elif is_error(child.text):
            found.append(f"{clean(child.tag)[:40]}: {plain(child.text)[:60]}")
