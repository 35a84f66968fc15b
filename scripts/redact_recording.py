#!/usr/bin/env python3
"""Replaces what names one particular machine in a recorded tool output, and prints the rest as it is.

Usage: scripts/redact_recording.py FILE > NEW-FILE

Replaced by invented ones of the same length, the same one wherever a value stands again: serial numbers, asset tags,
UUIDs, WWNs, EUI-64s and GUIDs, and the last three bytes of MAC addresses. Placeholders of makers (`Not Specified`,
zeros) stay. Host names, people's names and values of less than four characters are not found: read the result before
you send it."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_NAMES = r"serial[ _]?(?:number|num|no)?|asset[ _]tag|service[ _]tag|uuid|minor_number_serial|board_serial"
# `Serial Number: X`, `"serial_number": "X"`, `<serial>X</serial>`.
_VALUES = (
    re.compile(rf"(?im)^[^\S\n]*(?:{_NAMES})[^\S\n]*:[^\S\n]*(?P<value>\S[^\n]{{0,200}}?)[^\S\n]*$"),
    re.compile(rf'(?i)"(?:\w{{0,40}}_)?(?:{_NAMES}|logical_unit_id|string_wwn)"\s*:\s*"(?P<value>[^"\n]{{1,200}})"'),
    re.compile(rf"(?i)<(?:{_NAMES})>(?P<value>[^<\n]{{1,200}})</"),
)
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_WWN = re.compile(r"(?i)\b(?:naa\.|eui\.|0x)(?P<value>[0-9a-f]{16}(?:[0-9a-f]{16})?)\b")
_MAC = re.compile(r"(?i)\b(?:[0-9a-f]{2}:){3}(?P<value>[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2})\b(?!:)")
_WWN_ID = re.compile(r'"(?:id|ext_id)"\s*:\s*(?P<value>[0-9]{8,20})\b')
_PLACEHOLDER = re.compile(
    r"(?i)(?:not (?:specified|available|provided|present)|unknown|none|n/a|default string|no dimm|"
    r"to be filled by o\.?e\.?m\.?|system serial number|\[?n/a\]?|[0 .:x-]+|f+|0123456789\w*|123456789\w*|"
    r"(?:\w{1,12}_)?sernum\d*|<out of spec>)"
)


# A shorter value would also be found inside other numbers.
_SHORTEST = 4


def values(text: str) -> Iterator[str]:
    """The values that identify this machine, the longest first, so that no value is changed inside another."""
    found = {match["value"].strip() for regex in (*_VALUES, _WWN, _MAC, _WWN_ID) for match in regex.finditer(text)}
    found |= {match[0] for match in _UUID.finditer(text)}
    kept = (one for one in found if len(one) >= _SHORTEST and not _PLACEHOLDER.fullmatch(one))
    yield from sorted(kept, key=lambda one: (-len(one), one))


def invented(value: str) -> str:
    """Another value of the same length and form: digits stay digits, hexadecimal letters and capitals stay such."""
    stream = hashlib.shake_256(value.encode()).digest(len(value) or 1)
    is_hex = re.fullmatch(r"[0-9a-fA-F:-]+", value) is not None
    other = "".join(_other(char, byte, is_hex) for char, byte in zip(value, stream, strict=True))
    return "1" + other[1:] if other.isdigit() and value[0] != "0" else other  # JSON has no number that begins with 0


def _other(char: str, byte: int, is_hex: bool) -> str:
    if char.isdigit() and char.isascii():
        return str(byte % 10)
    if char.isalpha() and char.isascii():
        letters = "ABCDEF" if is_hex else "ABCDEFGHJKLMNPQRSTUVWXYZ"
        letter = letters[byte % len(letters)]
        return letter if char.isupper() else letter.lower()
    return char


def redacted(text: str) -> str:
    for value in values(text):
        text = text.replace(value, invented(value))
    return text


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.write(redacted(Path(arguments[0]).read_text(errors="replace")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
